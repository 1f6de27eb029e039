"""Principal components of wide tables: what goes in comes out, in few columns."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sklearn_pyraug._preprocessing.projection import fit_projection


def wide(seed, n=12, n_codes=200):
    rng = np.random.default_rng(seed)
    # Columns of very different spread, and not centred.
    return (rng.normal(size=(n, n_codes)) * rng.exponential(size=n_codes) + 3.0).astype(np.float32)


def precision(T):
    """Return the rounding of float32 in sums of a few dozen numbers of T's size."""
    return 32 * np.finfo(np.float32).eps * np.abs(T).max()


def test_training_rows_come_back(random_seed):
    T = wide(random_seed)
    projection = fit_projection(T)
    scores = projection.encode(T)
    back = projection.decode(scores)
    assert scores.dtype == back.dtype == np.float32
    assert back.shape == T.shape
    assert_allclose(back, T, rtol=0.0, atol=precision(T))


def test_what_is_combined_from_training_rows_comes_back(random_seed):
    """As the generator combines them, in the scores: r + s (a − b)."""
    T = wide(random_seed)
    projection = fit_projection(T)
    scores = projection.encode(T)
    new = scores[0] + 0.7 * (scores[3] - scores[5])
    truth = T[0] + 0.7 * (T[3] - T[5])
    assert_allclose(projection.decode(new[None])[0], truth, rtol=0.0, atol=precision(T))


def test_scores_lie_as_the_rows_do(random_seed):
    """Distances are kept, up to the scale, whose square is the mean square of a score."""
    T = wide(random_seed)
    projection = fit_projection(T)
    scores = projection.encode(T).astype(float)
    between = np.linalg.norm(T[:, None].astype(float) - T, axis=2)
    kept = projection.scale * np.linalg.norm(scores[:, None] - scores, axis=2)
    assert_allclose(kept, between, rtol=1e-5, atol=1e-5)
    assert np.mean(scores**2) == pytest.approx(1.0, rel=1e-5)
    assert_allclose(scores.mean(axis=0), 0.0, atol=1e-5)


def test_components_are_principal_and_orthonormal(random_seed):
    T = wide(random_seed)
    projection = fit_projection(T)
    basis = projection.basis.astype(float)
    assert_allclose(basis @ basis.T, np.eye(len(basis)), atol=1e-5)
    variances = projection.encode(T).var(axis=0)
    assert np.all(np.diff(variances) <= 1e-6)
    truth = np.linalg.svd(T - T.mean(axis=0), compute_uv=False)[: len(basis)]
    assert_allclose(np.sqrt(len(T) * variances) * projection.scale, truth, rtol=1e-4)


@pytest.mark.parametrize(("n", "n_codes"), [(2, 3), (5, 6), (12, 200), (30, 31)])
def test_width_is_the_number_of_directions(n, n_codes):
    """n rows differ in n − 1 directions."""
    T = wide(0, n, n_codes)
    projection = fit_projection(T)
    assert projection.basis.shape == (n - 1, n_codes)
    assert projection.encode(T).shape == (n, n - 1)
    assert projection.mean.shape == (n_codes,)


def test_duplicated_rows_add_no_direction():
    T = wide(0)
    twice = np.concatenate([T, T[:5], T[:1]])
    projection = fit_projection(twice)
    assert projection.basis.shape == (11, 200)
    assert_allclose(projection.decode(projection.encode(twice)), twice, atol=precision(T))
    scores = projection.encode(twice)
    assert_allclose(scores[12:17], scores[:5], rtol=0.0, atol=precision(T))


def test_constant_columns_come_back_as_they_were():
    T = wide(0)
    T[:, 10:150] = np.linspace(-2.0, 2.0, 140, dtype=np.float32)
    projection = fit_projection(T)
    rng = np.random.default_rng(0)
    new = projection.decode(rng.normal(size=(20, projection.basis.shape[0])))
    assert_allclose(new[:, 10:150], T[:20, 10:150][[0] * 20], rtol=0.0, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, -1e3])
def test_rows_that_do_not_differ_have_no_projection(value):
    assert fit_projection(np.full((6, 20), value, dtype=np.float32)) is None


def test_nearly_dependent_rows_are_not_noise():
    """A direction a thousand times shorter than the first is kept, one of rounding is not."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(3, 50))
    t = rng.normal(size=(10, 3))
    T = (t * [1.0, 1e-3, 0.0]) @ direction
    assert fit_projection(T).basis.shape == (2, 50)


def test_signs_do_not_depend_on_the_order_of_the_rows(random_seed):
    """An eigenvector's own sign is arbitrary, and differs from library to library."""
    T = wide(random_seed)
    one = fit_projection(T)
    for order in (np.arange(12)[::-1], np.random.default_rng(random_seed).permutation(12)):
        other = fit_projection(T[order])
        assert_allclose(other.basis, one.basis, atol=1e-4)
        assert_allclose(other.encode(T), one.encode(T), atol=1e-3)
    largest = np.abs(one.basis).argmax(axis=1)
    assert np.all(one.basis[np.arange(len(largest)), largest] > 0.0)


def test_it_is_the_same_twice():
    for one, two in zip(fit_projection(wide(0)), fit_projection(wide(0)), strict=True):
        assert_array_equal(one, two)
