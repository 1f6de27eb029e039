"""Volumes that look like magnetic resonance images of heads.

A head is drawn in units in which the volume's box is [-1, 1]³. For each voxel, pose and a smooth
deformation say which point of an idealised head lies there, and the tissue at that point is drawn.
So no image is ever interpolated. Axes, as in NIfTI: from left to right, from
back to front, from bottom to top.

Shapes: D, H, W voxels.
"""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.spatial.transform import Rotation

from .._random import root_seed
from .._validation import check_count

# Where the shells end, as shares of the head's radius: scalp, skull, fluid, grey matter, white.
SKULL, FLUID, GREY, WHITE = 0.92, 0.85, 0.81, 0.66
# How bright they are without noise, as in T1-weighted images.
BRIGHTNESS = {"scalp": 0.70, "skull": 0.12, "fluid": 0.22, "grey": 0.50, "white": 0.76}
HEAD_AXES = np.array([0.80, 0.86, 0.82])
VENTRICLE_AXES = np.array([0.10, 0.36, 0.15])
VENTRICLE_CENTRE = np.array([0.15, 0.02, 0.10])
THALAMUS_AXES = np.array([0.11, 0.17, 0.12])
THALAMUS_CENTRE = np.array([0.14, -0.06, -0.16])
# A growing ventricle becomes wide before it becomes long; the shares sum to 1.
WIDENING = np.array([0.5, 0.15, 0.35])
# Standard deviation of the logarithm of a ventricle's volume within a class, and of the
# logarithm of the ratio of left to right.
VOLUME_SPREAD, ASYMMETRY = 0.35, 0.15
# Control points along each axis: of the deformation, the bias field and the brain's folds.
DEFORMATION_GRID, BIAS_GRID, FOLDS_GRID = 5, 4, 11
SMALLEST = 16


class Anatomy(NamedTuple):
    """One head, before it is drawn.

    Attributes
    ----------
    axes : ndarray of shape (3,)
        Half-axes of the head.
    rotation : ndarray of shape (3, 3)
        From the box to the head.
    centre : ndarray of shape (3,)
        Where in the box the head's middle is.
    brightness : dict of str to float
        By tissue.
    grey_thickness : float
        Of the grey matter, relative to the usual.
    ventricle_volumes : ndarray of shape (2,)
        Of the left and the right ventricle, relative to the usual and to the head.
    ventricle_offsets : ndarray of shape (2, 3)
        How far their middles are from where they usually are.
    displacement, bias, folds : ndarray of shape (3, a, a, a), (b, b, b) and (c, c, c)
        Control points, standard normal.
    """

    axes: np.ndarray
    rotation: np.ndarray
    centre: np.ndarray
    brightness: dict
    grey_thickness: float
    ventricle_volumes: np.ndarray
    ventricle_offsets: np.ndarray
    displacement: np.ndarray
    bias: np.ndarray
    folds: np.ndarray


class Grid(NamedTuple):
    """The voxels of a box, and how fields come from control points to them.

    Attributes
    ----------
    points : ndarray of shape (3, D, H, W)
        Voxel centres.
    width : float
        Of a voxel, the mean over the axes.
    splines : dict of int to list of ndarray
        By number of control points a; for each axis of n voxels a matrix of shape (n, a).
    """

    points: np.ndarray
    width: float
    splines: dict


def make_brain_phantoms(
    n_samples=100,
    shape=(32, 40, 32),
    *,
    ventricle_effect=2.0,
    deformation=0.03,
    bias_field=0.1,
    noise=0.05,
    random_state=None,
):
    """Make head-like volumes of two classes that differ in the size of the ventricles.

    Each volume is an individual head: nested ellipsoids for scalp, skull, cerebrospinal fluid and
    folded grey and white matter, with thalami and a pair of lateral ventricles, all of individual
    size, brightness and asymmetry. The head is slightly rotated and shifted, smoothly deformed, and
    imaged with a smooth bias field and noise. In class 1 the ventricles are larger on average, as
    in dementia, but the sizes of the two classes overlap.

    Parameters
    ----------
    n_samples : int, default=100
        Number of volumes.
    shape : tuple of three int, default=(32, 40, 32)
        Voxels from left to right, back to front and bottom to top, each at least 16. The head
        fills the box.
    ventricle_effect : float, default=2.0
        Difference between the classes' means of the logarithm of the ventricles' volume, in
        standard deviations within a class (Cohen's d). Whoever knew the volumes exactly could
        tell the classes apart with a balanced accuracy of Φ(ventricle_effect / 2): 84 % for 2.
        At 0 the classes are alike.
    deformation : float, default=0.03
        Standard deviation of the smooth displacements, as a share of half the box. Heads may fold
        from about 0.07 on.
    bias_field : float, default=0.1
        Standard deviation of the logarithm of the smooth factor on brightness.
    noise : float, default=0.05
        Standard deviation of the noise in each of the two channels whose magnitude a voxel is
        (Rician noise) [1]_. White matter has a brightness of about 0.8.
    random_state : int, RandomState instance or None, default=None
        Seed. None draws a new one. With an int, fewer samples are the first of more.

    Returns
    -------
    X : ndarray of shape (n_samples, *shape), dtype float32
        Brightness from 0 to 1.
    y : ndarray of shape (n_samples,), dtype int64
        Class 0 or 1, in turn.

    Raises
    ------
    ValueError
        If a parameter cannot be used.

    See Also
    --------
    sklearn_pyraug.RHVAEAugmenter : Takes these volumes as they are.

    Notes
    -----
    A shell's or ventricle's edge is as soft as a voxel is wide, as if each voxel were the mean
    over its extent.

    References
    ----------
    .. [1] H. Gudbjartsson and S. Patz, "The Rician distribution of noisy MRI data", Magnetic
       Resonance in Medicine 34(6), 1995.

    Examples
    --------
    >>> from sklearn_pyraug.datasets import make_brain_phantoms
    >>> X, y = make_brain_phantoms(6, shape=(16, 20, 16), random_state=0)
    >>> X.shape, X.dtype
    ((6, 16, 20, 16), dtype('float32'))
    >>> y
    array([0, 1, 0, 1, 0, 1])
    """
    _check(n_samples, shape)
    _check_amounts(
        ventricle_effect=ventricle_effect,
        deformation=deformation,
        bias_field=bias_field,
        noise=noise,
    )
    root = root_seed(random_state)
    grid = make_grid(tuple(int(n) for n in shape))
    y = np.arange(n_samples) % 2
    X = np.empty((n_samples, *grid.points.shape[1:]), dtype=np.float32)
    for i, label in enumerate(y):
        # Each head has its own stream, so that its number alone decides what it looks like.
        rng = np.random.default_rng(np.random.SeedSequence(root, spawn_key=(i,)))
        anatomy = draw_anatomy((label - 0.5) * ventricle_effect, rng)
        image = draw_head(anatomy, grid, deformation)
        X[i] = take_image(image, bias_field * field(anatomy.bias, grid), noise, rng)
    return X, y


def _check(n_samples, shape):
    check_count("n_samples", n_samples)
    try:
        sizes = tuple(shape)
    except TypeError:
        sizes = ()
    if len(sizes) != 3 or not all(isinstance(n, Integral) and n >= SMALLEST for n in sizes):
        raise ValueError(
            f"`shape` is {shape!r}; give three integers of at least {SMALLEST}: in fewer voxels "
            "there is no ventricle to be seen."
        )


def _check_amounts(**amounts):
    for name, amount in amounts.items():
        if not isinstance(amount, Real) or not 0 <= amount < np.inf:
            raise ValueError(f"`{name}` is {amount!r}; give a finite number that is not negative.")


def make_grid(shape):
    """Return the voxels of a box.

    Parameters
    ----------
    shape : tuple of three int
        (D, H, W)

    Returns
    -------
    grid : Grid
    """
    centres = [(2 * np.arange(n) + 1) / n - 1 for n in shape]
    splines = {}
    for a in (DEFORMATION_GRID, BIAS_GRID, FOLDS_GRID):
        # The spline of each unit vector: what every control point does to every voxel.
        basis = make_interp_spline(np.linspace(-1, 1, a), np.eye(a), k=3)
        splines[a] = [basis(u).astype(np.float32) for u in centres]
    points = np.stack(np.meshgrid(*centres, indexing="ij")).astype(np.float32)
    return Grid(points, float(np.mean([2 / n for n in shape])), splines)


def field(control, grid):
    """Return the smooth field, (D, H, W), that passes through control points, (a, a, a)."""
    first, second, third = grid.splines[len(control)]
    field = np.tensordot(first, control, (1, 0))  # (D, a, a)
    field = second @ field  # (D, H, a)
    return field @ third.T


def draw_anatomy(shift, rng):
    """Draw an individual.

    Parameters
    ----------
    shift : float
        Mean of the ventricles' log-volume, in standard deviations.
    rng : numpy.random.Generator

    Returns
    -------
    anatomy : Anatomy
    """
    normal = rng.standard_normal
    log_volume = VOLUME_SPREAD * (shift + normal())
    asymmetry = 0.5 * ASYMMETRY * normal() * np.array([1, -1])
    return Anatomy(
        axes=HEAD_AXES * np.exp(0.02 * normal() + 0.02 * normal(3)),
        rotation=Rotation.from_euler("xyz", 4 * normal(3), degrees=True).as_matrix(),
        centre=0.02 * normal(3),
        brightness={name: value + 0.02 * normal() for name, value in BRIGHTNESS.items()},
        grey_thickness=float(np.exp(0.1 * normal())),
        ventricle_volumes=np.exp(log_volume + asymmetry),
        ventricle_offsets=0.01 * normal((2, 3)) + 0.015 * normal(3),
        displacement=normal((3, *[DEFORMATION_GRID] * 3), dtype=np.float32),
        bias=normal([BIAS_GRID] * 3, dtype=np.float32),
        folds=normal([FOLDS_GRID] * 3, dtype=np.float32),
    )


def draw_head(anatomy, grid, deformation):
    """Draw a head without bias field and noise.

    Parameters
    ----------
    anatomy : Anatomy
    grid : Grid
    deformation : float
        Standard deviation of the displacements.

    Returns
    -------
    image : ndarray of shape (D, H, W)
    """
    p = grid.points - anatomy.centre.astype(np.float32)[:, None, None, None]
    p = np.tensordot(anatomy.rotation.astype(np.float32), p, (1, 0))
    p += deformation * np.stack([field(control, grid) for control in anatomy.displacement])
    # From here on, the head is the unit ball.
    p /= (anatomy.axes / HEAD_AXES).astype(np.float32)[:, None, None, None]
    width = grid.width / float(np.mean(anatomy.axes / HEAD_AXES))

    radius = np.sqrt(np.einsum("i...,i->...", p**2, (HEAD_AXES**-2).astype(np.float32)))
    folds = field(anatomy.folds, grid)
    light = anatomy.brightness
    white = GREY - (GREY - WHITE) * anatomy.grey_thickness
    soft = width / float(HEAD_AXES.mean())
    image = light["scalp"] * inside(radius - 1.0, soft)
    for edge, tissue in (
        (SKULL, "skull"),
        (FLUID, "fluid"),
        (GREY + 0.02 * folds, "grey"),
        (white + 0.05 * folds, "white"),
    ):
        paint(image, inside(radius - edge, soft), light[tissue])
    for side, (volume, offset) in enumerate(
        zip(anatomy.ventricle_volumes, anatomy.ventricle_offsets, strict=True)
    ):
        mirror = np.array([2 * side - 1, 1, 1])
        thalamus = ellipsoid(p, mirror * THALAMUS_CENTRE + offset, THALAMUS_AXES)
        paint(image, inside(thalamus, width), light["grey"])
        axes = VENTRICLE_AXES * volume**WIDENING
        ventricle = ellipsoid(horned(p, 2 * side - 1), mirror * VENTRICLE_CENTRE + offset, axes)
        paint(image, inside(ventricle, width), light["fluid"])
    return image


def horned(p, side):
    """Bend space so that an ellipsoid's ends come down, and its back moves away from the middle.

    Parameters
    ----------
    p : ndarray of shape (3, D, H, W)
    side : {-1, 1}
        Left or right.

    Returns
    -------
    bent : ndarray of shape (3, D, H, W)
    """
    x, y, z = p
    return np.stack([x + 0.2 * side * y, y, z + 0.9 * y**2])


def ellipsoid(p, centre, axes):
    """Return about how far points are from an ellipsoid's surface; negative within.

    With f = |(p − c) / a| the distance is f (f − 1) / |(p − c) / a²| to first order.

    Parameters
    ----------
    p : ndarray of shape (3, D, H, W)
    centre, axes : ndarray of shape (3,)

    Returns
    -------
    distance : ndarray of shape (D, H, W)
    """
    q = p - centre.astype(np.float32)[:, None, None, None]
    q /= axes.astype(np.float32)[:, None, None, None]
    f = np.sqrt(np.einsum("i...,i...->...", q, q))
    slope = np.sqrt(np.einsum("i...,i->...", q**2, (axes**-2).astype(np.float32)))
    # In the centre both are zero, and the surface is one short half-axis away.
    tiny = np.float32(1e-6)
    return (f - 1) * (f + tiny) / (slope + tiny / np.float32(axes.min()))


def inside(distance, width):
    """Return the share, from 0 to 1, of each voxel of a width that is on the negative side."""
    return np.clip(0.5 - distance / width, 0, 1)


def paint(image, share, value):
    """Give a share of each voxel of an image another brightness, in place."""
    image += share * (value - image)


def take_image(head, log_gain, noise, rng):
    """Return the image that a scanner takes of a head: bias field, noise, magnitude.

    Parameters
    ----------
    head, log_gain : ndarray of shape (D, H, W)
    noise : float
        Standard deviation of each channel.
    rng : numpy.random.Generator

    Returns
    -------
    image : ndarray of shape (D, H, W)
        From 0 to 1.
    """
    real, imaginary = noise * rng.standard_normal((2, *head.shape), dtype=np.float32)
    return np.clip(np.hypot(head * np.exp(log_gain) + real, imaginary), 0, 1)
