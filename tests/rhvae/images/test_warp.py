"""Warps: what they do to known images, that they never fold, and their derivatives."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from scipy.ndimage import map_coordinates
from shared import draw, stream

from sklearn_pyraug.rhvae.images.warp import (
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

SHAPES = [(5,), (40,), (8, 8), (9, 23), (3, 3), (2, 17), (5, 6, 7), (3, 4, 12), (3, 3, 3)]
EPS = torch.finfo(torch.float32).eps


def double_grid(shape, n_intervals=3):
    grid = make_grid(shape, n_intervals)
    return WarpGrid(
        grid.shape, tuple(b.double() for b in grid.basis), grid.points.double(), grid.bound.double()
    )


def pixels(shape):
    """Return the positions of all pixels, the first one at 0, in C order: shape (P, n)."""
    return torch.from_numpy(np.stack(np.indices(shape), -1).reshape(-1, len(shape)))


# --- smooth fields -------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_splines_are_a_partition_of_unity(shape):
    grid = make_grid(shape)
    field = spline_field(torch.ones(2, 3, n_control_points(grid)), grid)
    assert field.shape == (2, 3, math.prod(shape))
    # A product of up to three float32 sums of four terms each.
    torch.testing.assert_close(field, torch.ones_like(field), rtol=0.0, atol=16 * EPS)


@pytest.mark.parametrize(("size", "n_intervals"), [(2, 3), (11, 3), (30, 7), (5, 1)])
def test_fields_of_a_signal_are_scipys_splines(random_seed, size, n_intervals):
    grid = double_grid((size,), n_intervals)
    control = draw(random_seed, 4, 1, n_intervals + 3)
    knots = np.arange(-3, n_intervals + 4, dtype=float)
    t = np.linspace(0, n_intervals, size)
    truth = [BSpline(knots, c, 3)(t) for c in control[:, 0].numpy()]
    got = spline_field(control, grid)[:, 0].numpy()
    # The basis was rounded to float32.
    np.testing.assert_allclose(got, truth, rtol=0.0, atol=8 * EPS * control.abs().max().item())


@pytest.mark.parametrize("shape", [(6, 9), (4, 5, 7)])
def test_fields_are_tensor_products(random_seed, shape):
    grid = double_grid(shape)
    control = draw(random_seed, 2, 3, n_control_points(grid))
    letters = "xyz"[: len(shape)]
    pixel_letters = "pqr"[: len(shape)]
    operands = ",".join(f"{p}{c}" for p, c in zip(pixel_letters, letters, strict=True))
    truth = torch.einsum(
        f"mk{letters},{operands}->mk{pixel_letters}",
        control.unflatten(2, [b.shape[1] for b in grid.basis]),
        *grid.basis,
    )
    torch.testing.assert_close(spline_field(control, grid), truth.flatten(2))


# --- known warps ---------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_no_parameters_are_no_warp(shape):
    grid = make_grid(shape)
    positions = warp(torch.zeros(2, n_warp_parameters(grid)), grid)
    assert torch.equal(positions, pixels(shape).float().expand(2, -1, -1))
    images = torch.rand(2, 3, *shape, generator=stream(0))
    assert torch.equal(resample(images, positions), images.flatten(2))
    determinant = jacobian_determinant(torch.zeros(2, n_warp_parameters(grid)), grid)
    assert determinant.shape == (2, *(max(s - 2, 0) for s in shape))
    torch.testing.assert_close(determinant, torch.ones_like(determinant))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [1e-3, 0.1, 1.0, 1e3])
def test_affine_part_is_the_exact_map(random_seed, shape, size):
    n, grid = len(shape), double_grid(shape)
    parameters = torch.zeros(3, n_warp_parameters(grid), dtype=torch.float64)
    raw = size * draw(random_seed, 3, n * n + n)
    parameters[:, : n * n + n] = raw
    # Entries of the linear part stay below 1/4, shifts below 0.15 of a side.
    A = np.eye(n) + 0.25 * np.tanh(raw[:, : n * n].numpy() / 0.25).reshape(-1, n, n)
    side = np.array(shape) - 1
    shift = 0.15 * np.tanh(raw[:, n * n :].numpy() / 0.15) * side
    centre, p = side / 2, pixels(shape).numpy()
    truth = [centre + (p - centre) @ A[m].T + shift[m] for m in range(3)]
    np.testing.assert_allclose(warp(parameters, grid), truth, rtol=0.0, atol=1e-12 * max(shape))


def test_small_parameters_are_their_own_size():
    """A raw entry, far below its bound, is the entry; a raw shift is a share of the side."""
    grid = double_grid((11, 21))
    parameters = torch.zeros(1, n_warp_parameters(grid), dtype=torch.float64)
    parameters[0, 1], parameters[0, 5] = 1e-4, 2e-4  # the first axis by the second, and a shift
    moved = warp(parameters, grid)[0] - pixels((11, 21))
    truth = np.stack([1e-4 * (pixels((11, 21))[:, 1] - 10), np.full(231, 20 * 2e-4)], -1)
    np.testing.assert_allclose(moved, truth, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("shape", [(13,), (6, 9), (4, 5, 7)])
def test_displacement_comes_before_the_affine_map(random_seed, shape):
    """Control points that all move alike shift the image: A(p + u), with u a constant."""
    n, grid = len(shape), double_grid(shape)
    parameters = torch.zeros(2, n_warp_parameters(grid), dtype=torch.float64)
    affine = parameters.clone()
    affine[:, : n * n + n] = 0.1 * draw(random_seed, 2, n * n + n)
    raw = draw(random_seed + 1, 2, n)
    both = affine.clone()
    both[:, n * n + n :] = raw.repeat_interleave(n_control_points(grid), 1)
    u = torch.tanh(raw) * grid.bound
    A = torch.eye(n) + (0.25 * torch.tanh(affine[:, : n * n] / 0.25)).view(2, n, n)
    truth = warp(affine, grid) + (A @ u.unsqueeze(-1)).mT
    torch.testing.assert_close(warp(both, grid), truth, rtol=0.0, atol=32 * EPS)


def test_control_points_stay_within_their_bound():
    """h / K along each axis, h being the distance of control points."""
    for shape, K in [((10,), 2.0), ((10, 25), 2.046392675), ((10, 25, 4), 2.479472335)]:
        truth = torch.tensor([(s - 1) / 3 / K for s in shape])
        torch.testing.assert_close(make_grid(shape).bound, truth)


# --- no folding ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [0.1, 1.0, 10.0, 1e3])
def test_no_warp_folds(random_seed, shape, size):
    grid = make_grid(shape)
    parameters = size * torch.randn(
        500, n_warp_parameters(grid), generator=stream(random_seed), dtype=torch.float32
    )
    determinant = jacobian_determinant(parameters, grid)
    assert (determinant > 0.0).all()
    assert torch.isfinite(warp(parameters, grid)).all()


@pytest.mark.parametrize("shape", [(2,), (17,), (60,)])
def test_warps_of_signals_keep_the_order(random_seed, shape):
    grid = make_grid(shape)
    parameters = 1e3 * torch.randn(500, n_warp_parameters(grid), generator=stream(random_seed))
    assert (warp(parameters, grid).squeeze(-1).diff(dim=1) > 0.0).all()


def worst_displacements(grid, n_angles=24):
    """Return control points, all at their bounds, that come near to folding at some pixel.

    The derivative's rows of an axis are linear in the axis's control points: those that push it
    furthest in a given direction are signs. For every pixel of the middle cell the pair of
    directions with the smallest determinant is taken.
    """
    size = len(grid.basis[0])
    one = torch.eye(n_control_points(grid), dtype=torch.float64).unsqueeze(1)
    field = spline_field(one, grid).view(-1, size, size)
    step = (size - 1) // 3
    cell = slice(step, 2 * step + 1)
    ahead, behind = slice(step + 1, 2 * step + 2), slice(step - 1, 2 * step)
    slopes = 0.5 * torch.stack(
        [
            field[:, ahead, cell] - field[:, behind, cell],
            field[:, cell, ahead] - field[:, cell, behind],
        ]
    )  # (axis, control, y, x)
    angle = torch.linspace(0.0, 2.0 * math.pi, n_angles + 1, dtype=torch.float64)[:-1]
    along = torch.stack([angle.cos(), angle.sin()])
    signs = torch.sign(torch.einsum("acyx,ad->dcyx", slopes, along))
    rows = torch.einsum("acyx,dcyx->dayx", slopes, signs) * grid.bound[0]
    a, b, c, d = rows[:, None, 0], rows[:, None, 1], rows[None, :, 0], rows[None, :, 1]
    determinant = ((1.0 + a) * (1.0 + d) - b * c).flatten(0, 1)
    worst = determinant.argmin(0).flatten()
    signs = signs.flatten(2)
    which = torch.arange(signs.shape[-1])
    first, second = signs[worst // n_angles, :, which], signs[worst % n_angles, :, which]
    return torch.cat([first, second], 1), determinant.amin(0)


def test_not_even_the_worst_displacement_folds():
    """Random signs stay far from the bound; these all but reach it."""
    grid = double_grid((31, 31))
    control, promised = worst_displacements(grid)
    parameters = torch.cat([torch.zeros(len(control), 6), 1e3 * control], 1)
    determinant = jacobian_determinant(parameters, grid)
    assert determinant.min() > 0.0
    assert determinant.min() < 0.01  # a test with teeth
    torch.testing.assert_close(determinant.flatten(1).amin(1).min(), promised.min())


# --- reading between the pixels ------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7,), (1,), (6, 9), (1, 5), (2, 2), (4, 5, 6), (3, 1, 4)])
@pytest.mark.parametrize("n_channels", [1, 3])
def test_resample_is_scipys_linear_interpolation(random_seed, shape, n_channels):
    images = draw(random_seed, 4, n_channels, *shape)
    # Positions beyond the border too, and on the last pixel.
    side = torch.tensor(shape, dtype=torch.float64)
    u = torch.rand(4, 50, len(shape), generator=stream(random_seed), dtype=torch.float64)
    positions = (1.6 * u - 0.3) * side
    positions[:, 0], positions[:, 1], positions[:, 2] = side - 1, 0.0, 1e6
    got = resample(images, positions)
    assert got.shape == (4, n_channels, 50)
    for m in range(4):
        for c in range(n_channels):
            truth = map_coordinates(
                images[m, c].numpy(), positions[m].T.numpy(), order=1, mode="nearest"
            )
            np.testing.assert_allclose(got[m, c].numpy(), truth, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 3)])
def test_resample_can_be_differentiated_twice(random_seed, shape):
    images = draw(random_seed, 2, 2, *shape).requires_grad_()
    # Away from the kinks at the pixels.
    u = torch.rand(2, 2, 5, len(shape), generator=stream(random_seed), dtype=torch.float64)
    low = (u[0] * (torch.tensor(shape) - 1)).floor()
    positions = (low + 0.2 + 0.6 * u[1]).requires_grad_()
    assert torch.autograd.gradcheck(resample, (images, positions))
    assert torch.autograd.gradgradcheck(resample, (images, positions))


def test_resample_beyond_the_border_has_no_slope():
    positions = torch.tensor([[[-2.0], [9.0]]], dtype=torch.float64).requires_grad_()
    images = draw(0, 1, 1, 6)
    (slope,) = torch.autograd.grad(resample(images, positions).sum(), positions)
    assert (slope == 0.0).all()


@pytest.mark.parametrize("read", [resample, resample_once])
@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 3)])
def test_positions_that_are_no_numbers_give_values_that_are_none(shape, read):
    """They were an index out of bounds, and in the backward pass the end of the process."""
    positions = torch.ones(1, 4, len(shape))
    positions[0, 0, 0], positions[0, 1], positions[0, 2] = torch.nan, torch.inf, -torch.inf
    images = torch.rand(1, 2, *shape, generator=stream(0))
    moving = positions.repeat(1, 50, 1).requires_grad_()
    read(images, moving).sum().backward()
    values = read(images, positions)
    assert torch.isnan(values[..., 0]).all()
    assert torch.equal(values[..., 1], images.flatten(2)[..., -1])
    assert torch.equal(values[..., 2], images.flatten(2)[..., 0])
    assert torch.equal(values[..., 3], images[(..., *[1] * len(shape))])


@pytest.mark.parametrize("shape", [(400,), (40, 40), (20, 20, 20)])
def test_a_sharp_reading_keeps_noise_and_is_exact_at_the_pixels(shape):
    images = torch.randn(2, 3, *shape, generator=stream(0))
    points = make_grid(shape).points + 0.5 * (torch.tensor(shape) - 1.0)
    positions = points.expand(2, -1, -1)
    exact = {"rtol": 0, "atol": 1e-3}
    torch.testing.assert_close(resample_sharply(images, positions), images.flatten(2), **exact)
    offset = torch.rand(*positions.shape, generator=stream(1)) - 0.5
    moved = (positions + offset).clamp_min(0.0)
    blurred, sharp = resample_once(images, moved), resample_sharply(images, moved)
    # Linear interpolation keeps two thirds along each axis.
    assert blurred.var() == pytest.approx((2 / 3) ** len(shape), abs=0.1)
    assert sharp.var() > 0.75
    beyond = resample_sharply(images, torch.full_like(positions[:, :1], 1e4))
    torch.testing.assert_close(beyond[..., 0], images.flatten(2)[..., -1], **exact)


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 3)])
def test_warp_can_be_differentiated_twice(random_seed, shape):
    grid = double_grid(shape)
    parameters = 0.3 * draw(random_seed, 2, n_warp_parameters(grid))
    parameters.requires_grad_()

    def positions(p):
        return warp(p, grid)

    assert torch.autograd.gradcheck(positions, parameters)
    # All second derivatives of a few positions are many numbers: one random direction.
    direction = draw(random_seed + 1, 2, math.prod(shape), len(shape))
    assert torch.autograd.gradgradcheck(
        lambda p: (positions(p) * direction).sum(), parameters, fast_mode=True
    )
