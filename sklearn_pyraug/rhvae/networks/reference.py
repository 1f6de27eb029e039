"""Decoders of a generator that starts from a real row: p(x | r, z).

The reference r is another row of x's class; z then codes how x differs from it.

Shapes: K generators, B rows each, D columns, d latent dimensions.
"""

import math

import torch
from torch import nn

from ..images.warp import (
    WarpGrid,
    jacobian_determinant,
    make_grid,
    n_control_points,
    n_warp_parameters,
    resample,
    resample_once,
    resample_sharply,
    spline_field,
    warp,
)
from .mlp import MLP, StackedLinear

__all__ = ["DeformationDecoder", "ResidualDecoder"]

# Logarithm of the largest change of exposure.
_MAX_EXPOSURE = 0.7
# The last layer of a reference decoder starts with smaller weights than usual, by this factor: near
# "no change".
_SMALL = 0.1


def _quieten(net):
    with torch.no_grad():
        net.layers[-1].weight *= _SMALL


class ResidualDecoder(nn.Module):
    """theta(z, r) = s(r) + f(z, r): the reference row, and a perceptron's change of it.

    s(r) are the parameters of the likelihood whose mean is, nearly, r itself.

    Parameters
    ----------
    latent_dim : int
        Latent dimension d.
    n_features : int
        Number of columns D.
    hidden_layer_sizes : tuple of int
        Hidden units, input side first (they are used in reverse order).
    generators : sequence of torch.Generator
        One random stream per member of the stack.
    inverse_link : callable
        The likelihood's s.
    """

    def __init__(self, latent_dim, n_features, hidden_layer_sizes, generators, inverse_link):
        super().__init__()
        first, *rest = reversed(hidden_layer_sizes)
        self.from_z = StackedLinear(latent_dim, first, generators)
        self.from_r = StackedLinear(n_features, first, generators)
        self.net = MLP((first, *rest, n_features), generators)
        _quieten(self.net)
        self.inverse_link = inverse_link

    def forward(self, z, r):
        """Decode z of shape (K, B, d) beside r of shape (K, B, D) to (K, B, D)."""
        hidden = torch.relu(self.from_z(z) + self.from_r(r))
        return self.inverse_link(r) + self.net(hidden)


class DeformationDecoder(nn.Module):
    """theta(z, r) = s(e^g · (r ∘ φ)): the reference image, warped and relit.

    The map φ and the smooth field g, a change of exposure of at most a factor of two, are
    decoded from z; without `exposure`, g is 0.

    Parameters
    ----------
    latent_dim : int
        Latent dimension d.
    sample_shape : tuple of int
        Shape of an image or a volume: (H, W) or (D, H, W).
    hidden_layer_sizes : tuple of int
        Hidden units, input side first (they are used in reverse order).
    generators : sequence of torch.Generator
        One random stream per member of the stack.
    inverse_link : callable
        The likelihood's s: the parameters whose mean is, nearly, a given row.
    n_channels : int
        Images of one row, all warped by the same map.
    fine : tuple of int
        Another shape that references may have, which is warped by the same parameters.
    exposure : bool
        Whether the exposure is changed.
    second_order : bool
        Whether the result can be differentiated twice, which takes several times as long.
    """

    def __init__(
        self,
        latent_dim,
        sample_shape,
        hidden_layer_sizes,
        generators,
        inverse_link,
        n_channels,
        *,
        fine,
        exposure,
        second_order,
    ):
        super().__init__()
        self.n_channels = n_channels
        self.read = resample if second_order else resample_once
        grid = make_grid(sample_shape)
        self.n_exposure = n_control_points(grid) if exposure else 0
        n_outputs = n_warp_parameters(grid) + self.n_exposure
        self.net = MLP((latent_dim, *reversed(hidden_layer_sizes), n_outputs), generators)
        _quieten(self.net)
        # Not buffers, because those of a stack lead with the class axis, and a grid serves all
        # classes.
        self._grids = {
            (n_channels * math.prod(shape), "cpu", torch.float32): make_grid(shape)
            for shape in (sample_shape, fine)
        }
        self.inverse_link = inverse_link

    def __getstate__(self):
        # A pickle must not hold copies on a GPU, which another machine may not have.
        state = self.__dict__.copy()
        state["_grids"] = {k: g for k, g in self._grids.items() if k[1] == "cpu"}
        return state

    def grid(self, n_features, like):
        """Return the grid for rows of `n_features` columns, in the dtype and device of `like`."""
        key = (n_features, str(like.device), like.dtype)
        if key not in self._grids:
            grid = self._grids[n_features, "cpu", torch.float32]
            self._grids[key] = WarpGrid(
                grid.shape,
                tuple(b.to(like) for b in grid.basis),
                grid.points.to(like),
                grid.bound.to(like),
            )
        return self._grids[key]

    def forward(self, z, r):
        """Decode z of shape (K, B, d) beside r of shape (K, B, D) to (K, B, D)."""
        return self._decode(self.net(z), r, self.read)

    def _decode(self, parameters, r, read):
        K, B, D = r.shape
        grid = self.grid(D, parameters)
        parameters = parameters.flatten(0, 1)
        exposure, geometry = parameters.tensor_split([self.n_exposure], 1)
        images = r.reshape(K * B, self.n_channels, *grid.shape)
        moved = read(images, warp(geometry, grid))
        if self.n_exposure:
            g = _MAX_EXPOSURE * torch.tanh(spline_field(exposure.unsqueeze(1), grid))
            moved = moved * g.exp()
        return self.inverse_link(moved.view(K, B, D))

    def draw(self, z, r, scale=1.0):
        """Do as :meth:`forward`, but give a new volume the sharpness of its reference.

        Images are read linearly, as in training: they lose less, and digits with sharp but jagged
        edges made classifiers worse.

        Parameters
        ----------
        z : Tensor of shape (K, B, d)
        r : Tensor of shape (K, B, D)
        scale : float or Tensor of shape (K, B, 1), default=1.0
            What the parameters of warp and exposure are multiplied by; 0 leaves r as it is.
        """
        grid = self.grid(r.shape[2], z)
        read = resample_sharply if len(grid.shape) == 3 else self.read
        return self._decode(scale * self.net(z), r, read)

    def read_from(self, z, n_features):
        """Return where reference rows are read, and how much their surroundings shrink.

        Parameters
        ----------
        z : Tensor of shape (K, B, d)
        n_features : int
            D, which says in which of the two shapes the references are.

        Returns
        -------
        positions : Tensor of shape (K * B, *S, n)
            φ at every pixel, in pixels.
        determinant : Tensor of shape (K * B, *S less 2 along each side)
            det ∇φ.
        """
        grid = self.grid(n_features, z)
        geometry = self.net(z).flatten(0, 1)[:, self.n_exposure :]
        positions = warp(geometry, grid).unflatten(1, grid.shape)
        return positions, jacobian_determinant(geometry, grid)
