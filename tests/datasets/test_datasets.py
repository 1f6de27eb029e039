"""Phantom brains: no two are alike, and classes differ only in the ventricles."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline

from sklearn_pyraug.datasets import _phantoms as phantoms
from sklearn_pyraug.datasets import make_brain_phantoms

SMALL = (16, 20, 18)


def test_what_comes_out():
    X, y = make_brain_phantoms(7, SMALL, random_state=0)
    assert X.shape == (7, *SMALL)
    assert X.dtype == np.float32
    assert X.min() >= 0
    assert X.max() <= 1
    assert y.tolist() == [0, 1, 0, 1, 0, 1, 0]
    # No two are alike: they are far apart compared with the noise, whose differences have a
    # variance of 2 * 0.05².
    differences = np.square(X[:, None] - X[None]).mean((2, 3, 4))[np.triu_indices(7, 1)]
    assert differences.min() > 1.5 * 2 * 0.05**2


def test_a_seed_decides_and_fewer_are_the_first_of_more():
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    X, y = make_brain_phantoms(4, SMALL, random_state=3)
    again, _ = make_brain_phantoms(4, SMALL, random_state=3)
    more, y_more = make_brain_phantoms(6, SMALL, random_state=3)
    assert np.array_equal(X, again)
    assert np.array_equal(X, more[:4])
    assert np.array_equal(y, y_more[:4])
    assert not np.array_equal(X, make_brain_phantoms(4, SMALL, random_state=4)[0])
    assert not np.array_equal(*(make_brain_phantoms(1, SMALL)[0] for _ in range(2)))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_random_state_is_drawn_from():
    rng = np.random.RandomState(0)
    first, second = (make_brain_phantoms(1, SMALL, random_state=rng)[0] for _ in range(2))
    assert not np.array_equal(first, second)
    again, _ = make_brain_phantoms(1, SMALL, random_state=np.random.RandomState(0))
    assert np.array_equal(first, again)


def test_the_class_moves_the_ventricles_volume_alone():
    a = phantoms.draw_anatomy(-1.0, np.random.default_rng(0))
    b = phantoms.draw_anatomy(1.0, np.random.default_rng(0))
    ratio = np.log(b.ventricle_volumes / a.ventricle_volumes)
    np.testing.assert_allclose(ratio, 2 * phantoms.VOLUME_SPREAD)
    for name in set(phantoms.Anatomy._fields) - {"ventricle_volumes", "brightness"}:
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    assert a.brightness == b.brightness


def test_volumes_have_the_stated_spread(random_seed):
    n = 400
    rng = np.random.default_rng(random_seed)
    volumes = [phantoms.draw_anatomy(0.0, rng).ventricle_volumes for _ in range(n)]
    left, right = np.log(volumes).T
    both = (left + right) / 2 / phantoms.VOLUME_SPREAD
    # Five standard errors of a mean and of a standard deviation.
    assert abs(both.mean()) < 5 / np.sqrt(n)
    assert abs(both.std() - 1) < 5 / np.sqrt(2 * n)
    assert abs((left - right).std() / phantoms.ASYMMETRY - 1) < 5 / np.sqrt(2 * n)


@pytest.mark.parametrize("shape", [(16, 16, 16), (32, 40, 32), (48, 33, 64)])
def test_an_ellipsoid_has_its_volume_in_any_number_of_voxels(shape):
    """Hard edges would be off by whole shells of voxels."""
    grid = phantoms.make_grid(shape)
    axes = np.array([0.3, 0.5, 0.4])
    distance = phantoms.ellipsoid(grid.points, np.array([0.1, 0.0, -0.1]), axes)
    share = phantoms.inside(distance, grid.width)
    # The box has a volume of 8.
    assert 8 * share.mean() == pytest.approx(4 / 3 * np.pi * axes.prod(), rel=0.03)
    assert ((share > 0.1) & (share < 0.9)).any()


def test_distance_from_a_sphere_is_exact():
    grid = phantoms.make_grid((16, 17, 18))
    distance = phantoms.ellipsoid(grid.points, np.zeros(3), np.full(3, 0.5))
    truth = np.linalg.norm(grid.points, axis=0) - 0.5
    np.testing.assert_allclose(distance, truth, atol=1e-5)


@pytest.mark.parametrize("a", [phantoms.BIAS_GRID, phantoms.DEFORMATION_GRID])
def test_a_field_goes_through_its_control_points(a):
    """A spline reproduces any cubic polynomial."""

    def polynomial(x, y, z):
        return x**3 - 2 * x * y + y**2 * z + 1

    grid = phantoms.make_grid(SMALL)
    knots = np.meshgrid(*[np.linspace(-1, 1, a)] * 3, indexing="ij")
    field = phantoms.field(polynomial(*knots), grid)
    np.testing.assert_allclose(field, polynomial(*grid.points), atol=1e-5)


def test_deformations_do_not_fold():
    grid = phantoms.make_grid((32, 40, 32))
    steps = [2 / n for n in grid.points.shape[1:]]
    for seed in range(10):
        anatomy = phantoms.draw_anatomy(0.0, np.random.default_rng(seed))
        moved = np.stack([phantoms.field(c, grid) for c in anatomy.displacement])
        jacobian = np.moveaxis([np.gradient(d, *steps) for d in 0.03 * moved], (0, 1), (-2, -1))
        assert np.linalg.det(jacobian + np.eye(3)).min() > 0.1


def test_noise_of_an_empty_image_is_that_of_rayleigh():
    rng = np.random.default_rng(0)
    empty = np.zeros((32, 32, 32), np.float32)
    image = phantoms.take_image(empty, empty, 0.1, rng)
    n = image.size
    spread = 0.1 * np.sqrt(2 - np.pi / 2)
    assert image.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), abs=5 * spread / np.sqrt(n))
    head = np.full_like(empty, 0.4)
    gain = np.full_like(empty, np.log(1.5))
    np.testing.assert_allclose(phantoms.take_image(head, gain, 0.0, rng), 0.6, rtol=1e-5)


@pytest.mark.slow
def test_tissues_are_where_they_belong():
    X, _ = make_brain_phantoms(
        60, (33, 41, 33), deformation=0, noise=0, bias_field=0, ventricle_effect=0, random_state=0
    )
    mean = X.mean(0)
    i, j, k = (np.array(mean.shape) - 1) // 2
    corner, white = mean[0, 0, 0], mean[i + 6, j, k]
    assert corner == 0
    assert white == pytest.approx(phantoms.BRIGHTNESS["white"], abs=0.03)
    # Half a box is 16.5 voxels.
    places = phantoms.VENTRICLE_CENTRE * 16.5
    for side in (-1, 1):
        ventricle = mean[i + side * round(places[0]), j, k + round(places[2])]
        assert ventricle < phantoms.BRIGHTNESS["grey"]
    # Inside, left and right are mirror images on average; front and back are not.
    brain = mean[8:-8, 10:-10, 8:-8]
    assert np.abs(brain - brain[::-1]).mean() < 0.6 * np.abs(brain - brain[:, ::-1]).mean()


def _accuracy(effect):
    X, y = make_brain_phantoms(300, (24, 30, 24), ventricle_effect=effect, random_state=0)
    X = X.reshape(len(X), -1)
    model = make_pipeline(PCA(20, random_state=0), LogisticRegression(max_iter=2000))
    model.fit(X[:100], y[:100])
    return balanced_accuracy_score(y[100:], model.predict(X[100:]))


@pytest.mark.slow
def test_the_task_is_neither_trivial_nor_hopeless():
    # The best possible accuracy at the default is 84 %.
    assert 0.6 < _accuracy(2.0) < 0.84
    # Five standard errors of 200 tosses of a coin.
    assert abs(_accuracy(0.0) - 0.5) < 5 * np.sqrt(0.25 / 200)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_samples": 0}, r"`n_samples` is 0; give an integer of at least 1"),
        ({"n_samples": 2.5}, r"`n_samples` is 2\.5"),
        ({"shape": (32, 40)}, r"`shape` is \(32, 40\); give three integers of at least 16"),
        ({"shape": (32, 40, 15)}, r"`shape` is \(32, 40, 15\)"),
        ({"shape": 32}, r"`shape` is 32"),
        ({"noise": -0.1}, r"`noise` is -0\.1; give a finite number that is not negative"),
        ({"ventricle_effect": np.nan}, r"`ventricle_effect` is nan"),
        ({"bias_field": np.inf}, r"`bias_field` is inf"),
        ({"deformation": "much"}, r"`deformation` is 'much'"),
        ({"random_state": -1}, r"random_state=-1"),
    ],
)
def test_what_cannot_be_used_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_brain_phantoms(**{"n_samples": 1, "shape": SMALL} | parameters)
