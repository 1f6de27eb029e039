"""Convolutional encoder, decoder and metric networks, stacked over the class axis.

Signals, images and volumes of any size: each stage halves every axis that is longer than four
pixels, rounding up, until none is; the decoder retraces these sizes. K networks side by side are
one grouped convolution.

Shapes: K classes, B rows per class, C channels, S = (S_1, ..., S_n) the extent of an image,
D = C ΠS columns, d latent dimensions.
"""

import math
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from .mlp import StackedLinear, n_tril

# Axes this long are not halved any more.
_SMALLEST = 4
# A stage has at most this many times the channels of the first.
_MAX_GROWTH = 4
# Slope of the leaky rectified linear units. With plain ones the networks learned more slowly.
_SLOPE = 0.2
_GAIN = math.sqrt(2.0 / (1.0 + _SLOPE**2))
_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


class ConvSettings(NamedTuple):
    """What an image looks like to convolutional networks.

    Attributes
    ----------
    shape : tuple of int
        S, of length 1 to 3.
    n_channels : int
        C.
    width : int
        Channels of the first stage.
    """

    shape: tuple
    n_channels: int = 1
    width: int = 16


def _halved(shape):
    """Return the strides of a stage, and the shape after it."""
    strides = tuple(2 if s > _SMALLEST else 1 for s in shape)
    return strides, tuple(-(-s // f) for s, f in zip(shape, strides, strict=True))


def _stages(shape):
    """Return the shapes before and after every stage, the first of them `shape`."""
    shapes = [shape]
    while max(shapes[-1]) > _SMALLEST:
        shapes.append(_halved(shapes[-1])[1])
    return shapes


def _widths(settings, n_stages):
    return [settings.width * min(2**i, _MAX_GROWTH) for i in range(n_stages)]


def n_conv_weights(settings, latent_dim):
    """Return a rough number of weights of one class's encoder, decoder and metric network."""
    shapes = _stages(settings.shape)
    widths = [2 * settings.n_channels, *_widths(settings, len(shapes) - 1)]
    kernel = 3 ** len(settings.shape)
    trunk = sum(kernel * a * b for a, b in zip(widths[:-1], widths[1:], strict=True))
    flat = widths[-1] * math.prod(shapes[-1])
    head = flat * (3 * latent_dim + n_tril(latent_dim))
    return 3 * trunk + head + settings.n_channels * math.prod(settings.shape)


def n_conv_multiplications(settings):
    """Return a rough number of multiplications of one row's way through encoder and decoder."""
    shapes = _stages(settings.shape)
    widths = [2 * settings.n_channels, *_widths(settings, len(shapes) - 1)]
    kernel = 3 ** len(settings.shape)
    layers = zip(widths[:-1], widths[1:], shapes[1:], strict=True)
    return 2 * sum(kernel * a * b * math.prod(s) for a, b, s in layers)


class StackedConv(nn.Module):
    """K convolutions side by side, with a kernel of three pixels along each axis.

    Parameters
    ----------
    in_channels, out_channels : int
        Of each of them.
    n_axes : int
        1, 2 or 3.
    generators : sequence of torch.Generator
        One random stream per class.
    gain : float, default=1.0
        Weights are uniform with standard deviation gain / sqrt(fan in), biases 0.
    """

    def __init__(self, in_channels, out_channels, n_axes, generators, gain=1.0):
        super().__init__()
        shape = (out_channels, in_channels, *[3] * n_axes)
        bound = gain * math.sqrt(3.0 / math.prod(shape[1:]))
        self.weight = nn.Parameter(
            torch.stack(
                [torch.empty(shape).uniform_(-bound, bound, generator=g) for g in generators]
            )
        )
        self.bias = nn.Parameter(torch.zeros(len(generators), out_channels))

    def forward(self, x, stride=1):
        """Map x of shape (B, K * in_channels, *S) to (B, K * out_channels, *S')."""
        K, n_axes = len(self.weight), self.weight.dim() - 3
        return _CONV[n_axes](
            x, self.weight.flatten(0, 1), self.bias.flatten(), stride, padding=1, groups=K
        )


def _activated(x):
    return F.leaky_relu(x, _SLOPE)


def _images(x, settings):
    """Return rows (K, B, D) as images (B, K, C, *S)."""
    return x.transpose(0, 1).reshape(x.shape[1], len(x), settings.n_channels, *settings.shape)


class ConvNet(nn.Module):
    """K networks from images to numbers: convolutions that halve the image, and a linear layer.

    Parameters
    ----------
    settings : ConvSettings
    n_inputs : int
        Images per row, each of C channels.
    n_outputs : int
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, settings, n_inputs, n_outputs, generators):
        super().__init__()
        self.settings = settings
        shapes = _stages(settings.shape)
        widths = [n_inputs * settings.n_channels, *_widths(settings, len(shapes) - 1)]
        n_axes = len(settings.shape)
        self.convs = nn.ModuleList(
            StackedConv(a, b, n_axes, generators, _GAIN)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.strides = [_halved(s)[0] for s in shapes[:-1]]
        self.head = StackedLinear(widths[-1] * math.prod(shapes[-1]), n_outputs, generators)

    def forward(self, *rows):
        """Map rows, each of shape (K, B, D), to (K, B, n_outputs)."""
        K, B, _ = rows[0].shape
        x = torch.cat([_images(r, self.settings) for r in rows], 2).flatten(1, 2)
        for conv, stride in zip(self.convs, self.strides, strict=True):
            x = _activated(conv(x, stride))
        return self.head(x.reshape(B, K, -1).transpose(0, 1))


class ConvDecoder(nn.Module):
    """Direct decoder of images: from z through ever larger images to the likelihood's parameters.

    The last stage computes, at half the size, what belongs to each of the pixels that a pixel
    becomes (sub-pixel convolution, W. Shi et al. 2016), so that no stage but the output has the
    full size.

    Parameters
    ----------
    settings : ConvSettings
    latent_dim : int
        Latent dimension d.
    generators : sequence of torch.Generator
        One random stream per class.
    """

    def __init__(self, settings, latent_dim, generators):
        super().__init__()
        self.settings = settings
        shapes = _stages(settings.shape)[::-1]
        widths = _widths(settings, max(len(shapes) - 1, 1))[::-1]
        n_axes = len(settings.shape)
        self.first = StackedLinear(latent_dim, widths[0] * math.prod(shapes[0]), generators, _GAIN)
        self.convs = nn.ModuleList(
            StackedConv(a, b, n_axes, generators, _GAIN)
            for a, b in zip(widths[:-1], widths[1:], strict=True)
        )
        self.shapes = shapes
        self.factors = _halved(settings.shape)[0] if len(shapes) > 1 else (1,) * n_axes
        n_outputs = settings.n_channels * math.prod(self.factors)
        self.last = StackedConv(widths[-1], n_outputs, n_axes, generators)
        n_columns = settings.n_channels * math.prod(settings.shape)
        self.bias = nn.Parameter(torch.zeros(len(generators), 1, n_columns))

    @torch.no_grad()
    def start_at(self, theta):
        """Set the output's bias, so that an untrained decoder answers about `theta` at z = 0.

        Parameters
        ----------
        theta : Tensor of shape (n_classes, n_features)
        """
        self.bias.copy_(theta.unsqueeze(1))

    def forward(self, z, r=None):
        """Decode z of shape (K, B, d) to (K, B, D); the reference row `r` is not used."""
        K, B, _ = z.shape
        x = _activated(self.first(z)).transpose(0, 1)
        x = x.reshape(B, -1, *self.shapes[0])
        for i, conv in enumerate(self.convs):
            x = _activated(conv(x))
            x = _enlarged(x, self.shapes[i + 1])
        x = self.last(x)
        x = _interleaved(x, self.factors, self.settings.shape)
        return x.reshape(B, K, -1).transpose(0, 1) + self.bias


def _enlarged(x, shape):
    """Repeat the pixels of images (B, C, *S) where an axis doubles, and crop to `shape`."""
    for a, size in enumerate(shape, start=2):
        if size != x.shape[a]:
            x = x.repeat_interleave(2, a).narrow(a, 0, size)
    return x


def _interleaved(x, factors, shape):
    """Turn channels into pixels: (B, C Πf, *S) to (B, C, *(f S)), cropped to `shape`."""
    n = len(shape)
    x = x.unflatten(1, (-1, *factors))
    # (B, C, f_1, ..., f_n, S_1, ..., S_n) to (B, C, S_1, f_1, ..., S_n, f_n)
    order = [0, 1] + [axis for a in range(n) for axis in (2 + n + a, 2 + a)]
    x = x.permute(order)
    sizes = [x.shape[2 + 2 * a] * x.shape[3 + 2 * a] for a in range(n)]
    x = x.reshape(*x.shape[:2], *sizes)
    return x[(..., *(slice(0, s) for s in shape))]
