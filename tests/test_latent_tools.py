"""Codes, volumes, likelihoods and curves of a fitted augmenter, in the user's own containers."""

import math
import warnings
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from shared import dense, quick, table
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from torch import nn
from torch.distributions import MultivariateNormal

from sklearn_pyraug import LearnedMetric, PosteriorMetric, RHVAEAugmenter
from sklearn_pyraug._latent_tools import Interpolation
from sklearn_pyraug.rhvae.coding import connect, member_of
from sklearn_pyraug.rhvae.metric.geodesics import chains, curve_lengths, geodesic
from sklearn_pyraug.rhvae.metric.learned import inverse_metric, make_metric

X, Y = table()
IMAGES = np.random.default_rng(0).random((40, 8, 8))
FRAME = pd.DataFrame(X, columns=list("abcd")).assign(
    text=np.where(X[:, 0] > 1, "u", "v"),
    kind=pd.Categorical(np.where(X[:, 1] > 1, "p", "q")),
    whole=(3 * X[:, 2]).astype(int),
    flag=X[:, 3] > 1,
)


def containers():
    """Yield (name, rows, a way to take row i)."""
    frame = pl.from_pandas(FRAME)
    return {
        "array": (X, lambda i: X[i]),
        "wide": (np.random.default_rng(1).normal(size=(40, 60)), None),
        "images": (IMAGES, lambda i: IMAGES[i]),
        "pandas": (FRAME, lambda i: FRAME.iloc[i]),
        "polars": (frame, lambda i: frame[i]),
        "sparse": (sparse.csr_array(np.where(X > 0, X, 0.0)), lambda i: X[i : i + 1].clip(0)),
    }


# --- containers and shapes -----------------------------------------------------------------


@pytest.mark.parametrize("name", list(containers()))
def test_rows_come_back_in_the_container_of_the_fit(name):
    rows, take = containers()[name]
    take = (lambda i: rows[i]) if take is None else take
    model = quick().fit(rows, Y)
    z, log_var = model.encode(rows, Y, return_log_var=True)
    assert z.shape == log_var.shape == (40, 2)
    X_new = model.decode(z[:3], 0)
    assert type(X_new) is type(rows)
    assert X_new.shape == (3, *rows.shape[1:])
    if hasattr(rows, "columns"):
        assert list(X_new.columns) == list(rows.columns)
        assert list(X_new.dtypes) == list(rows.dtypes)
    curve = model.interpolate(take(0), take(1), 0, n_steps=4)
    assert isinstance(curve, Interpolation)
    assert curve.X.shape == (4, *rows.shape[1:])
    assert curve.z.shape == (4, 2)
    assert np.isfinite(model.score_samples(rows, Y, n_importance=2)).all()


def test_a_row_has_the_same_code_whatever_rows_are_with_it(either_decoder):
    """The levels of a column of text are those of the training rows, not of the rows at hand."""
    model = quick().fit(FRAME, Y)
    together, alone = model.encode(FRAME, Y), FRAME[FRAME.text == "v"].iloc[:3]
    where = np.flatnonzero(FRAME.text == "v")[:3]
    np.testing.assert_allclose(model.encode(alone, Y[where]), together[where], atol=1e-12)
    scores = model.score_samples(FRAME, Y, n_importance=5)
    np.testing.assert_allclose(
        model.score_samples(alone, Y[where], n_importance=5), scores[where], atol=1e-9
    )


def test_a_wide_row_has_the_same_code_whatever_rows_are_with_it():
    rows = containers()["wide"][0]
    model = quick().fit(rows, Y)
    alone = [model.encode(row[None], Y[[i]])[0] for i, row in enumerate(rows)]
    np.testing.assert_allclose(model.encode(rows, Y), alone, atol=1e-12)


def test_flat_rows_and_images_are_the_same():
    model = quick().fit(IMAGES, Y)
    flat = IMAGES.reshape(40, -1)
    np.testing.assert_array_equal(model.encode(flat, Y), model.encode(IMAGES, Y))


def test_large_images_are_coded_as_they_were_learned():
    """Deformations are learned from shrunk images, and applied to the images themselves."""
    large = np.random.default_rng(0).random((12, 70, 66))
    y = np.repeat([0, 1], 6)
    model = quick().fit(large, y)
    z = model.encode(large, y)
    assert model.decode(z[:2], 0).shape == (2, 70, 66)
    assert model.decode(z[:2], 0, reference=large[0]).shape == (2, 70, 66)


def test_means_and_variances_are_the_stacks_own(random_seed):
    model = quick(decoder="direct", random_state=random_seed).fit(X, Y)
    z, log_var = model.encode(X, Y, return_log_var=True)
    generators = model._generators
    for group in generators.trained:
        for i, k in enumerate(group.members):
            latent = group.generator.latent
            own = generators.class_rows[k][group.generator.origins[i]]
            np.testing.assert_allclose(z[own], latent.c[i, : len(own)], atol=1e-5)
            np.testing.assert_allclose(log_var[own], latent.log_var[i, : len(own)], atol=1e-5)


def test_rounding_does_not_make_a_row_another():
    """A row that was rounded to float32 or to six decimals is not its own reference."""
    offset = X + 30.0  # more of the digits are lost
    for rows in (X, offset):
        model = quick().fit(rows, Y)
        z = model.encode(rows, Y)
        np.testing.assert_allclose(model.encode(rows.astype(np.float32), Y), z, atol=1e-3)
        np.testing.assert_allclose(model.encode(rows.round(6), Y), z, atol=1e-3)


def test_a_reference_is_the_nearest_row_that_differs():
    """A row that occurs twice is not its own reference."""
    rows = np.r_[X, X[:1]]
    y = np.r_[Y, Y[:1]]
    model = quick().fit(rows, y)
    own = rows[y == Y[0]]
    T = model._row_encoder.codec.encode(own)
    distance = np.linalg.norm(T[:, None] - T, axis=-1)
    distance[distance == 0] = np.inf
    class_k = model._model(int(Y[0]))
    expected = class_k.encode(T, None)[0]
    for i in range(len(own)):
        reference = class_k.rows(T[[distance[i].argmin()]])
        torch.testing.assert_close(class_k.encode(T[[i]], reference)[0], expected[[i]])


def test_a_reference_given_to_decode_counts(fitted_default):
    model = fitted_default
    z = model.encode(X, Y)[Y == 0][:4]
    one = model.decode(z, 0, reference=X[:1])
    np.testing.assert_array_equal(one, model.decode(z, 0, reference=np.repeat(X[:1], 4, 0)))
    assert not np.array_equal(one, model.decode(z, 0, reference=X[1:2]))


def test_a_member_of_a_stack_is_a_slice_of_it(either_decoder):
    model = quick(shared=False).fit(X, Y)
    group = model._generators.trained[0]
    before = {n: t.clone() for n, t in group.generator.stack.state_dict().items()}
    for i in range(len(group.members)):
        member = member_of(group.generator, i)
        for name, tensor in member.stack.state_dict().items():
            torch.testing.assert_close(tensor[0].float(), before[name][i])
            tensor.zero_()
        assert member.stack.n_classes == 1
    for name, tensor in group.generator.stack.state_dict().items():
        torch.testing.assert_close(tensor, before[name])


@pytest.mark.parametrize("options", [{}, {"metric": LearnedMetric(max_centroids=5)}])
def test_with_weights_of_rows(options, either_decoder):
    model = quick(**options).fit(X, Y, sample_weight=np.linspace(0.5, 2.0, 40))
    assert np.isfinite(model.score_samples(X, Y, n_importance=2)).all()
    assert model.interpolate(X[0], X[1], 0, n_steps=3).X.shape == (3, 4)


def test_one_hot_labels_are_labels():
    model = quick(decoder="direct").fit(X, np.eye(3)[Y])
    np.testing.assert_array_equal(model.encode(X, np.eye(3)[Y]), model.encode(X, Y))


# --- volumes and curves --------------------------------------------------------------------


def test_log_volume_is_that_of_the_metric(fitted_direct):
    z = np.random.default_rng(0).normal(size=(7, 2))
    model = fitted_direct._model(1)
    G_inv = inverse_metric(model.tensor(z)[None], model.member.latent.metric)[0].numpy()
    expected = 0.5 * np.linalg.slogdet(G_inv)[1]
    np.testing.assert_allclose(fitted_direct.log_volume(z, 1), expected, atol=1e-10)


def test_far_from_all_codes_the_volume_is_that_of_the_floor(fitted_direct):
    """G⁻¹ = λI, λ = 0.01: log √det is d/2 log λ."""
    far = fitted_direct.log_volume([[1e3, 1e3]], 0)
    np.testing.assert_allclose(far, math.log(0.01), atol=1e-9)


@pytest.mark.parametrize("metric", ["learned", "posterior"])
def test_volumes_are_high_at_codes_and_geodesics_no_longer_than_lines(metric, either_decoder):
    model, rows = quick(metric=metric).fit(X, Y), X[Y == 0]
    codes = model.encode(rows, np.zeros(len(rows), dtype=int))
    far = model.log_volume([[30.0, -30.0]], 0)
    assert (model.log_volume(codes, 0) > far + 1.0).all()
    curve = model.interpolate(rows[0], rows[1], 0)
    assert curve.length <= model.interpolate(rows[0], rows[1], 0, kind="linear").length + 1e-9


def test_a_curve_joins_the_codes_of_both_rows(fitted_direct):
    model, rows = fitted_direct, X[Y == 0]
    ends = model.encode(rows[:2], [0, 0])
    for kind in ("geodesic", "linear"):
        curve = model.interpolate(rows[0], rows[1], 0, n_steps=6, kind=kind)
        np.testing.assert_allclose(curve.z[[0, -1]], ends, atol=1e-12)
        np.testing.assert_array_equal(curve.X, model.decode(curve.z, 0))
        if kind == "linear":
            np.testing.assert_allclose(np.diff(curve.z, 2, axis=0), 0.0, atol=1e-12)
        line_length = curve.length
    assert model.interpolate(rows[0], rows[1], 0).length <= line_length
    assert model.interpolate(rows[0], rows[0], 0).length == pytest.approx(0.0, abs=1e-9)


def test_with_a_reference_decoder_the_curve_starts_from_the_first_row():
    """Untrained, a residual decoder adds next to nothing to its reference, which is x0."""
    model, rows = quick(max_epochs=1).fit(X, Y), X[Y == 0]
    curve = model.interpolate(rows[0], rows[1], 0, n_steps=3)
    T = [model._row_encoder.codec.encode(v) for v in (dense(curve.X), rows[:2])]
    assert np.abs(T[0] - T[1][0]).max() < 0.5
    np.testing.assert_array_equal(curve.X, model.decode(curve.z, 0, reference=rows[0]))


class HalfPlane(NamedTuple):
    """The hyperbolic half plane, g = I / y², as a metric with points of its own."""

    c: torch.Tensor = torch.zeros(1, 1, 2)
    z: torch.Tensor | None = None

    def at(self, z):
        return self._replace(z=z)

    def inverse(self):
        return torch.diag_embed(self.z[..., 1:].square().expand_as(self.z))

    def lower(self, v):
        return v / self.z[..., 1:].square()

    def form_gradient(self, u):
        by_y = 2.0 * self.z[..., 1] * u.square().sum(-1)
        return torch.stack([torch.zeros_like(by_y), by_y], -1)


def test_on_the_hyperbolic_half_plane_lengths_are_the_known_ones(random_seed, capsys):
    """Bar: within 1 % of arcosh(1 + ((x₁ − x₀)² + (y₁ − y₀)²) / (2 y₀ y₁))."""
    draw = torch.Generator().manual_seed(random_seed)
    z0, z1 = torch.rand(2, 1, 50, 2, generator=draw, dtype=torch.float64)
    for z in (z0, z1):
        z[..., 0].mul_(6.0)
        z[..., 1].mul_(2.0).add_(0.3)
    curves = geodesic(z0, z1, HalfPlane(), 65, 200)
    apart = (z1 - z0).square().sum(-1) / (2.0 * z0[..., 1] * z1[..., 1])
    error = (curves.length / torch.acosh(1.0 + apart) - 1.0).abs()
    straight = geodesic(z0, z1, HalfPlane(), 65, 0).length / torch.acosh(1.0 + apart) - 1.0
    # The geodesics are arcs of circles about a point of the axis: the middle lies on it.
    middle = curves.points[:, :, 1:-1]
    centre = (z1.square().sum(-1) - z0.square().sum(-1)) / (2.0 * (z1 - z0)[..., 0])
    radius = torch.hypot(z0[..., 0] - centre, z0[..., 1]).unsqueeze(-1)
    off = torch.hypot(middle[..., 0] - centre.unsqueeze(-1), middle[..., 1]) / radius - 1.0
    with capsys.disabled():
        print(
            f"\nhalf plane: largest relative error of the length {float(error.max()):.1e} "
            f"(straight lines: {float(straight.max()):.2f}), of the radius {off.abs().max():.1e}"
        )
    assert float(error.max()) < 0.01
    assert float(off.abs().max()) < 0.01
    assert float(straight.max()) > 0.1


def test_geodesics_go_where_the_codes_are():
    """Codes on a half circle: the straight line between its ends lies far from all of them."""
    angle = torch.linspace(0.0, math.pi, 41, dtype=torch.float64)
    codes = 3.0 * torch.stack([angle.cos(), angle.sin()], -1).unsqueeze(0)
    L = torch.eye(2, dtype=torch.float64).expand(1, 41, 2, 2)
    T = torch.full((1, 1, 1), 0.3, dtype=torch.float64)
    metric = make_metric(codes, L, torch.ones(1, 41, dtype=torch.float64), T, 0.01)
    member = SimpleNamespace(latent_of=lambda label: SimpleNamespace(metric=metric))
    around = float(curve_lengths(codes.unsqueeze(1), metric).sum())
    points, length = connect(member, 0, codes[0, :1], codes[0, -1:], 9, "geodesic")
    _, straight = connect(member, 0, codes[0, :1], codes[0, -1:], 9, "linear")
    assert float(length) <= around < 0.2 * float(straight)
    assert (points.norm(dim=-1) - 3.0).abs().max() < 0.3
    # Two ends that are the same point, and no chain where there is one code only.
    _, nothing = connect(member, 0, codes[0, :1], codes[0, :1], 3, "geodesic")
    assert float(nothing) == pytest.approx(0.0, abs=1e-9)
    alone = make_metric(codes[:, :1], L[:, :1], torch.ones(1, 1, dtype=torch.float64), T, 0.01)
    assert chains(codes[0, :2], codes[0, 2:4], alone, 5).shape == (2, 5, 2)


# --- likelihoods ---------------------------------------------------------------------------

D, SCALE = 4, 0.5


class LinearDecoder(nn.Module):
    """E[x | z] = Wz."""

    def __init__(self, W):
        super().__init__()
        self.W = nn.Parameter(W)

    def forward(self, z):
        return z @ self.W.T


class RoughEncoder(nn.Module):
    """About the exact posterior of the linear model, W's columns being orthogonal."""

    def __init__(self, W):
        super().__init__()
        precision = 1.0 + W.square().sum(0) / SCALE**2
        self.A = nn.Parameter(W / SCALE**2 / precision)
        self.log_var = nn.Parameter(-precision.log() + 0.5)

    def forward(self, x):
        mu = 0.9 * x @ self.A
        return mu, self.log_var.expand_as(mu)


# The networks of this test may take turns: they are hardly trained.
@pytest.mark.filterwarnings("ignore:.* trained one after another:UserWarning")
def test_score_samples_is_the_exact_log_likelihood_of_a_linear_model(random_seed, capsys):
    """Bar: within 0.05 nats with 1,000 draws, from a proposal that is not the posterior."""
    W, _ = torch.linalg.qr(torch.randn(D, 2, generator=torch.Generator().manual_seed(random_seed)))
    W = W * torch.tensor([2.0, 1.0])
    model = RHVAEAugmenter(
        encoder=lambda *sizes: RoughEncoder(W.clone()),
        decoder=lambda *sizes: LinearDecoder(W.clone()),
        latent_dim=2,
        metric=PosteriorMetric(n_leapfrog=0),
        max_epochs=1,
        lr=1e-12,
        device="cpu",
        random_state=random_seed,
    ).fit(X, Y)
    for group in model._generators.trained:
        likelihood = group.generator.stack.likelihood
        raw = 0.5 * math.log(SCALE**2 - likelihood.min_scale**2)
        with torch.no_grad():
            likelihood.raw_scale.fill_(raw)
    scores = model.score_samples(X[:20], np.zeros(20, dtype=int), n_importance=1000)
    T = torch.from_numpy(model._row_encoder.codec.encode(X[:20])).double()
    W = W.double()
    exact = MultivariateNormal(torch.zeros(D).double(), W @ W.T + SCALE**2 * torch.eye(D).double())
    error = np.abs(scores - exact.log_prob(T).numpy()).max()
    with capsys.disabled():
        print(f"\nscore_samples: largest error with 1,000 draws {error:.3f} nats")
    assert error < 0.05


@pytest.mark.parametrize("options", [{}, {"shared": False}])
def test_without_labels_rows_are_scored_under_the_mixture(options, either_decoder):
    if either_decoder == "direct" and options == {"shared": False}:
        pytest.skip("a direct decoder is never shared")
    model = quick(**options).fit(X, Y)
    by_class = [model.score_samples(X, np.full(40, k), n_importance=3) for k in range(3)]
    expected = np.logaddexp.reduce(by_class, axis=0) - math.log(3)
    np.testing.assert_allclose(model.score_samples(X, n_importance=3), expected, atol=1e-10)


def test_seeds_of_scores(fitted):
    first, second = (fitted.score_samples(X, Y, n_importance=2) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    other = fitted.score_samples(X, Y, n_importance=2, random_state=1)
    assert not np.array_equal(first, other)
    np.testing.assert_array_equal(other, fitted.score_samples(X, Y, n_importance=2, random_state=1))


# --- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.encode(X[:, :3], Y), "3 features"),
        (lambda m: m.encode(X, Y[:5]), r"y has the shape \(5,\) for 40 rows"),
        (lambda m: m.encode(X, Y + 1), "class 3, which was not in y"),
        (lambda m: m.encode(np.where(X > 2, np.nan, X), Y), "contains NaN"),
        (lambda m: m.encode(X.reshape(40, 2, 2), Y), r"have the shape \(2, 2\)"),
        (lambda m: m.encode(X.astype(str).astype(object) + "a", Y), "X holds text"),
        (lambda m: m.decode(np.zeros((2, 3)), 0), r"Pass codes of shape \(n_codes, 2\)"),
        (lambda m: m.decode(np.zeros(2), 0), r"Pass codes of shape \(n_codes, 2\)"),
        (lambda m: m.decode(np.zeros((0, 2)), 0), "at least one"),
        (lambda m: m.decode([[np.nan, 0.0]], 0), r"1 code\(s\) that are not finite"),
        (lambda m: m.decode(np.zeros((1, 2)), "a"), "class 'a', which was not in y"),
        (lambda m: m.decode(np.zeros((1, 2)), [0, 1]), r"class \[0, 1\], which was not in y"),
        (lambda m: m.log_volume([[np.inf, 0.0]], 0), "not finite"),
        (
            lambda m: m.score_samples(X, Y, n_importance=0),
            "`n_importance` is 0; give an integer of",
        ),
        (lambda m: m.interpolate(X[0], X[1], 0, n_steps=1), "`n_steps` is 1; give an integer of"),
        (lambda m: m.interpolate(X[0], X[1], 0, kind="spline"), "kind='spline' is not known"),
        (lambda m: m.interpolate(X[:2], X[1], 0), r"x0 has the shape \(2, 4\), where one row"),
    ],
)
def test_errors_name_the_argument_and_the_remedy(fitted, call, message):
    with pytest.raises(ValueError, match=message):
        call(fitted)


def test_references_that_do_not_fit(fitted_default, fitted_direct):
    with pytest.raises(ValueError, match="decoder='direct' starts from none"):
        fitted_direct.decode(np.zeros((1, 2)), 0, reference=X[:1])
    with pytest.raises(ValueError, match="reference has 2 rows for 3 codes"):
        fitted_default.decode(np.zeros((3, 2)), 0, reference=X[:2])
    with pytest.raises(ValueError, match=r"reference has the shape \(1,\), .*Pass X\[i\]"):
        fitted_default.decode(np.zeros((3, 2)), 0, reference=X[0, :1])


@pytest.mark.parametrize("method", ["encode", "score_samples"])
def test_before_fit(method):
    with pytest.raises(NotFittedError):
        getattr(quick(), method)(X, Y)


def test_classes_without_a_generator():
    few = np.r_[X, X[:3] + 9.0], np.r_[Y, [3, 3, 3]]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Too few rows", UserWarning)
        model = quick(decoder="direct").fit(*few)
    with pytest.raises(ValueError, match="class 3, which has no generator: it had too few rows"):
        model.encode(*few)
    assert np.isfinite(model.score_samples(few[0], n_importance=2)).all()
    model = quick(sampling_strategy={2: 60}, decoder="direct")
    model.fit_resample(X, Y)
    with pytest.raises(ValueError, match="class 0, which has no generator: fit_resample trains"):
        model.log_volume(np.zeros((1, 2)), 0)
    assert model.log_volume(np.zeros((1, 2)), 2).shape == (1,)


def test_columns_that_are_not_those_of_the_fit(either_decoder):
    model = quick().fit(FRAME, Y)
    with pytest.raises(ValueError, match="feature names"):
        model.encode(FRAME.rename(columns={"a": "z"}), Y)
    with pytest.raises(ValueError, match="unseen at fit time:\n- z"):
        model.encode(pl.from_pandas(FRAME.rename(columns={"a": "z"})), Y)
    with pytest.raises(ValueError, match=r"40 value\(s\) in 'text' that the training rows lack"):
        model.encode(FRAME.assign(text="secret"), Y)
    with pytest.raises(ValueError, match="holds numbers in 'text'"):
        model.encode(FRAME.assign(text=1.0), Y)
    with pytest.raises(ValueError, match="holds categories in 'a'"):
        model.encode(FRAME.assign(a="u"), Y)
    # Rows of pandas may follow rows of polars.
    polars = quick().fit(pl.from_pandas(FRAME), Y)
    np.testing.assert_allclose(polars.encode(FRAME, Y), polars.encode(pl.from_pandas(FRAME), Y))


def test_a_third_value_of_a_two_valued_column_is_named():
    frame = FRAME.assign(two=np.arange(len(FRAME)) % 2)
    model = quick().fit(frame, Y)
    frame.loc[3, "two"] = 2
    with pytest.raises(ValueError, match=r"1 value\(s\) in 'two' that the training rows lack"):
        model.encode(frame, Y)


def test_nothing_is_changed_by_looking(fitted):
    before = fitted.sample(3)[0]
    fitted.encode(X, Y)
    fitted.decode(np.zeros((2, 2)), 1)
    fitted.score_samples(X, n_importance=2)
    fitted.interpolate(X[0], X[1], 0)
    np.testing.assert_array_equal(fitted.sample(3)[0], before)


def test_a_saved_model_has_the_same_codes(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = RHVAEAugmenter.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.encode(X, Y), fitted.encode(X, Y))
    np.testing.assert_array_equal(
        loaded.score_samples(X, Y, n_importance=2), fitted.score_samples(X, Y, n_importance=2)
    )


# --- digits --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits():
    """The augmenter of the papers on digits, with the held-out part (X, y)."""
    X, y = load_digits(return_X_y=True)
    X, X_out, y, y_out = train_test_split(X, y, test_size=0.3, stratify=y, random_state=0)
    model = RHVAEAugmenter(decoder="direct", device="cpu", random_state=0).fit(X, y)
    return model, X, y, X_out, y_out


def nearest(rows, others):
    return NearestNeighbors(n_neighbors=1).fit(others).kneighbors(rows)[0][:, 0]


@pytest.mark.slow
def test_decoded_midpoints_of_geodesics_are_closer_to_digits_than_linear_ones(digits, capsys):
    """Bar: over 100 pairs, ten of each digit; distances to training rows and to others."""
    model, X, y, X_out, y_out = digits
    rng = np.random.default_rng(0)
    pairs = {k: X[y == k][rng.permutation((y == k).sum())[:20]] for k in range(10)}
    distances = {}
    for kind in ("geodesic", "linear"):
        known, held_out = [], []
        for k, rows in pairs.items():
            own = model._model(k)
            codes, _ = own.encode(model._row_encoder.codec.encode(rows))
            points, _ = connect(own.member, k, codes[:10], codes[10:], 3, kind)
            middle = model.decode(points[:, 1], k)
            known.append(nearest(middle, X[y == k]))
            held_out.append(nearest(middle, X_out[y_out == k]))
        distances[kind] = np.concatenate(known), np.concatenate(held_out)
    curved, straight = distances["geodesic"], distances["linear"]
    wins = [(a < b).mean() for a, b in zip(curved, straight, strict=True)]
    with capsys.disabled():
        print(
            f"\nmidpoints to the nearest training digit: geodesic {curved[0].mean():.2f}, linear "
            f"{straight[0].mean():.2f} (closer in {wins[0]:.0%}); held-out digit: geodesic "
            f"{curved[1].mean():.2f}, linear {straight[1].mean():.2f} (closer in {wins[1]:.0%})"
        )
    for a, b in zip(curved, straight, strict=True):
        assert a.mean() < b.mean()


@pytest.mark.slow
def test_scores_tell_a_digit_from_the_others(digits, capsys):
    """Each class against the rest, on rows that the model has not seen."""
    model, _, _, X_out, y_out = digits
    auc = []
    for k in range(10):
        scores = model.score_samples(X_out, np.full(len(X_out), k), n_importance=5)
        auc.append(roc_auc_score(y_out == k, scores))
    with capsys.disabled():
        print(f"\none-class detectors of digits: mean AUC {np.mean(auc):.4f}, least {min(auc):.4f}")
    assert np.mean(auc) > 0.95
    assert min(auc) > 0.85


def test_gaps_where_the_training_rows_have_none_are_counted():
    X, y = table()
    augmenter = quick(missing="keep").fit(X, y)
    X[:2, 1] = np.nan
    with pytest.raises(ValueError, match=r"2 row\(s\) of X have values missing"):
        augmenter.encode(X, y)
