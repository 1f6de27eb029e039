"""Warps of images and volumes that cannot fold.

A warp sends a pixel at position p to the position A(p + u(p)) at which the image is read:

- u is a displacement, a uniform cubic B-spline of control points spaced h pixels apart, none of
  which is displaced by as much as h / K along an axis, with K = 2.046 in the plane and 2.479 in
  space: then p + u(p) is one-to-one (Y. Choi, S. Lee, "Injectivity conditions of 2D and 3D uniform
  cubic B-spline functions", Graphical Models 62, 2000, theorems for free-form deformations);
- A is affine about the image's centre, its linear part diagonally dominant with a positive
  diagonal, so that its determinant is positive.

Images lie on an axis of M rows; S = (S_1, ..., S_n) is the shape of one, n its dimension, P = ΠS
its number of pixels.
"""

import itertools
import math
from typing import NamedTuple

import torch
from torch.nn import functional as F

__all__ = [
    "WarpGrid",
    "jacobian_determinant",
    "make_grid",
    "n_control_points",
    "n_warp_parameters",
    "resample",
    "resample_once",
    "resample_sharply",
    "spline_field",
    "warp",
]

# The constants K of Choi and Lee; a signal has the one-dimensional bound.
_INJECTIVITY = {1: 2.0, 2: 2.046392675, 3: 2.479472335}
# Largest entry of the linear part of the affine map minus the identity. Its row sums stay below 1
# in three dimensions. This allows rotations of about 14 degrees, or changes of scale of a quarter.
_MAX_LINEAR = 0.25
# Largest shift, as a share of the image's side.
_MAX_SHIFT = 0.15


class WarpGrid(NamedTuple):
    """What warps of images of one shape have in common.

    Attributes
    ----------
    shape : tuple of int
        S.
    basis : tuple of Tensor, each of shape (S_a, n_control)
        Cubic B-splines along each axis, at the pixels.
    points : Tensor of shape (P, n)
        Positions of the pixels, from the image's centre.
    bound : Tensor of shape (n,)
        Largest displacement of a control point along each axis, in pixels.
    """

    shape: tuple
    basis: tuple
    points: torch.Tensor
    bound: torch.Tensor


def _spline_basis(size, n_intervals):
    """Return the cubic B-splines over `n_intervals` intervals at `size` pixels."""
    t = torch.linspace(0.0, n_intervals, size, dtype=torch.float64)
    first = t.floor().clamp(max=n_intervals - 1)
    f = (t - first).unsqueeze(1)
    parts = [(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3]
    index = first.long().unsqueeze(1) + torch.arange(4)
    basis = torch.zeros(size, n_intervals + 3, dtype=torch.float64)
    return basis.scatter(1, index, torch.cat(parts, 1) / 6.0).float()


def make_grid(shape, n_intervals=3):
    """Prepare the warps of images of shape `shape`.

    Parameters
    ----------
    shape : tuple of int
        S, of length 1, 2 or 3, each at least 2.
    n_intervals : int, default=3
        Intervals between control points along each side; n_intervals + 3 control points have
        a say in the image.

    Returns
    -------
    grid : WarpGrid
    """
    basis = tuple(_spline_basis(s, n_intervals) for s in shape)
    axes = [torch.arange(s, dtype=torch.float32) - 0.5 * (s - 1) for s in shape]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
    spacing = torch.tensor([(s - 1) / n_intervals for s in shape])
    return WarpGrid(tuple(shape), basis, points, spacing / _INJECTIVITY[len(shape)])


def n_control_points(grid):
    """Return how many control points a smooth field has."""
    return math.prod(b.shape[1] for b in grid.basis)


def n_warp_parameters(grid):
    """Return how many numbers make a warp: those of the affine map, then the control points."""
    n = len(grid.shape)
    return n * (n + 1) + n * n_control_points(grid)


def _bounded(raw, bound):
    """Return raw near 0, never beyond ±bound."""
    return bound * torch.tanh(raw / bound)


def warp(parameters, grid):
    """Turn unbounded parameters into the positions at which an image is read.

    Parameters
    ----------
    parameters : Tensor of shape (M, n_warp_parameters)
        0 is no warp. The linear part's entries, the shift as a share of the image's side, and
        the control points' displacements in units of their bound; each is kept within its
        bound by a hyperbolic tangent.
    grid : WarpGrid

    Returns
    -------
    positions : Tensor of shape (M, P, n)
        In pixels, (0, ..., 0) being the first one.
    """
    n, M = len(grid.shape), len(parameters)
    linear, shift, control = parameters.split([n * n, n, parameters.shape[1] - n * n - n], 1)
    side = torch.tensor(grid.shape, dtype=parameters.dtype, device=parameters.device) - 1.0
    A = _bounded(linear, _MAX_LINEAR).view(M, n, n)
    shift = _bounded(shift, _MAX_SHIFT) * side
    u = spline_field(torch.tanh(control).view(M, n, -1) * grid.bound.view(n, 1), grid)
    moved = grid.points + u.transpose(1, 2)
    return moved + moved @ A.mT + shift.unsqueeze(1) + 0.5 * side


def spline_field(control, grid):
    """Return smooth fields over the pixels.

    Parameters
    ----------
    control : Tensor of shape (M, C, n_control ** n)
        Values at the control points of C fields.
    grid : WarpGrid

    Returns
    -------
    field : Tensor of shape (M, C, P)
    """
    field = control.unflatten(2, [b.shape[1] for b in grid.basis])
    for basis in grid.basis:
        # The first of the remaining control axes becomes the last pixel axis.
        field = torch.tensordot(field, basis, dims=([2], [1]))
    return field.flatten(2)


def resample(images, positions):
    """Read images between their pixels, linearly; beyond the border its last pixel goes on.

    Written out with indexing, because torch's own, see :func:`resample_once`, cannot be
    differentiated twice, which the Hamiltonian flow's gradient needs.

    Parameters
    ----------
    images : Tensor of shape (M, C, *S)
    positions : Tensor of shape (M, Q, n)
        In pixels.

    Returns
    -------
    values : Tensor of shape (M, C, Q)
    """
    M, C, *shape = images.shape
    side = torch.tensor(shape, device=positions.device) - 1
    positions = torch.minimum(positions.clamp_min(0.0), side.to(positions))
    # NaN is no index. The value there becomes NaN by the fraction.
    low = torch.minimum(positions.detach().nan_to_num().floor().long(), (side - 1).clamp_min(0))
    fraction = positions - low
    strides = [math.prod(shape[a + 1 :]) for a in range(len(shape))]
    flat = images.flatten(2)
    values = 0.0
    for corner in itertools.product((0, 1), repeat=len(shape)):
        index, weight = 0, 1.0
        for a, bit in enumerate(corner):
            step = min(bit, shape[a] - 1)
            index = index + (low[..., a] + step) * strides[a]
            weight = weight * (fraction[..., a] if bit else 1.0 - fraction[..., a])
        read = flat.gather(2, index.unsqueeze(1).expand(-1, C, -1))
        values = values + weight.unsqueeze(1) * read
    return values


def resample_once(images, positions, mode="bilinear"):
    """Do as :func:`resample`, by torch's own function: quickly, but not twice differentiable.

    With ``mode="nearest"`` the value is that of the nearest pixel.
    """
    n = positions.shape[-1]
    if n == 1:
        # Torch only knows images and volumes, so a signal becomes an image of two equal rows.
        images = images.unsqueeze(2).expand(-1, -1, 2, -1)
        positions = torch.cat([torch.zeros_like(positions), positions], -1)
        return resample_once(images, positions, mode)
    # At a position that is NaN, torch's backward pass on the CPU writes outside of its memory.
    # These are read elsewhere, and made NaN again below.
    missing = positions.isnan()
    positions = positions.masked_fill(missing, 0.0)
    side = torch.tensor(images.shape[2:], dtype=positions.dtype, device=positions.device) - 1
    grid = (positions * (2.0 / side.clamp_min(1.0)) - 1.0).flip(-1)
    # Torch wants positions in the form of an image: here one of a single row.
    grid = grid.view(len(images), *[1] * (n - 1), -1, n)
    values = F.grid_sample(images, grid, mode, "border", align_corners=True)
    return values.flatten(2).masked_fill(missing.any(-1).unsqueeze(1), torch.nan)


def resample_sharply(images, positions):
    """Read images between their pixels without blurring them.

    Linear interpolation takes means of neighbours, which costs white noise a third of its power
    along each axis: in a volume 30 % are left. So only what binomial smoothing leaves is read
    linearly, and the detail that it takes away is that of the nearest pixel. Shapes are those
    of :func:`resample`.
    """
    smooth = images
    for axis in range(2, images.ndim):
        pixel = torch.arange(images.shape[axis], device=images.device)
        before = smooth.index_select(axis, (pixel - 1).clamp_min(0))
        after = smooth.index_select(axis, (pixel + 1).clamp_max(len(pixel) - 1))
        smooth = (before + 2.0 * smooth + after) / 4.0
    return resample_once(smooth, positions) + resample_once(images - smooth, positions, "nearest")


def jacobian_determinant(parameters, grid):
    """Return the determinant of each warp's derivative by central differences inside the image.

    Parameters
    ----------
    parameters : Tensor of shape (M, n_warp_parameters)
    grid : WarpGrid

    Returns
    -------
    determinant : Tensor of shape (M, *S less 2 along each side)
        1 for no warp; positive where the warp does not fold.
    """
    n, shape = len(grid.shape), grid.shape
    positions = warp(parameters, grid).view(len(parameters), *shape, n)
    inner = [slice(1, -1)] * n
    columns = []
    for a in range(n):
        ahead, behind = [slice(None), *inner], [slice(None), *inner]
        ahead[a + 1], behind[a + 1] = slice(2, None), slice(None, -2)
        columns.append(0.5 * (positions[tuple(ahead)] - positions[tuple(behind)]))
    return torch.linalg.det(torch.stack(columns, -1))
