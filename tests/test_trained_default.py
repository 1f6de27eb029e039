"""The default is what its name says: Riemannian, Hamiltonian, and one generator for each label."""

import numpy as np
import pytest
import torch
from shared import table
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.rhvae.metric.posterior import PosteriorMetric


@pytest.fixture(scope="module")
def augmenter():
    X, y = table((25, 14, 3))
    augmenter = RHVAEAugmenter(max_epochs=40, augmentation_factor=2, random_state=0, device="cpu")
    augmenter.fit_resample(X, y)
    return augmenter


def weights(augmenter, k):
    """The weights of the networks of class k, by name."""
    stack = augmenter._model(k).member.stack
    return {name: p.detach() for name, p in stack.named_parameters()}


def test_networks_differ_between_labels(augmenter):
    """All of them, the decoder's last layer too; a class of 3 rows keeps the shared ones."""
    zero, one, two = (weights(augmenter, k) for k in range(3))
    for name, p in zero.items():
        assert not torch.equal(p, one[name]), name
        assert not torch.equal(p, two[name]), name
    # Fine-tuned weights have moved little.
    moved = max(float((p - two[name]).abs().max()) for name, p in zero.items())
    assert 0.0 < moved < 0.05
    assert augmenter.n_epochs_[2] < augmenter.n_epochs_[0]


def test_there_is_a_metric_for_each_label_that_the_data_made(augmenter):
    metrics = [augmenter._model(k).member.latent_of(k).metric for k in range(3)]
    for k, metric in enumerate(metrics):
        assert isinstance(metric, PosteriorMetric)
        model = augmenter._model(k)
        labels, pairs = model.member.labels[0], model.member.pairs[0]
        x, r = model.member.rows[0][pairs.T]
        with torch.no_grad():
            posterior = model.member.stack.encode(x[None], r[None])
        # Of the codes of the pairs under the label's own encoder, and of its own shares of them.
        close = {"rtol": 1e-4, "atol": 1e-5}
        torch.testing.assert_close(metric.c, posterior.mu, **close)
        torch.testing.assert_close(metric.precision, torch.exp(-posterior.log_var), **close)
        n = int((labels == k).sum())
        own = labels[pairs[:, 0]] == k
        share = float(metric.share[0, own].sum())
        assert share > n / (n + 50)
        assert float(metric.share.sum()) == pytest.approx(1.0)
        assert len(pairs.unique(dim=0)) == len(pairs)
    assert not torch.equal(metrics[0].share, metrics[1].share)
    assert not torch.equal(metrics[0].c, metrics[1].c)


def test_a_flow_ran(augmenter):
    for k in range(2):
        record, stack = augmenter.history_[k], augmenter._model(k).member.stack
        assert stack.flowing
        assert stack.settings.n_leapfrog >= 1
        # In standard deviations of the posterior; less where the codes of many rows overlap.
        assert record.flow_shift > 0.02
        assert record.flow_volume_error < 0.1
    assert augmenter.history_[2].flow_shift is None


def test_draws_are_accepted_or_rejected(augmenter):
    for info in augmenter.sampler_info_.values():
        assert 0.5 < info["acceptance_rate"] < 1.0


def test_latent_tools_work_on_it(augmenter):
    X, y = table((25, 14, 3))
    z = augmenter.encode(X, y)
    on, off = (augmenter.log_volume(codes, label=0) for codes in (z[y == 0], z[y == 0] + 30.0))
    assert np.isfinite(on).all()
    assert on.min() > off.max()
    assert np.isfinite(augmenter.score_samples(X, y)).all()
    first, second = np.flatnonzero(y == 0)[:2]
    curve = augmenter.interpolate(X[first], X[second], label=0, n_steps=5)
    assert np.isfinite(curve.X).all()
    assert 0.0 < curve.length < np.inf
    for sampler in ("geodesic", "random_walk", "hmc"):
        X_new, _ = augmenter.set_params(sampler=sampler).sample(3)
        assert np.isfinite(X_new).all()


def test_new_rows_of_wide_tables_are_no_hubs():
    """Between real rows they would be the nearest neighbours of everything."""
    rng = np.random.default_rng(0)
    y = np.arange(560) % 2
    X = rng.standard_normal((560, 400))
    X[:, :20] += 0.8 * (2 * y[:, None] - 1)
    train, test = slice(60), slice(60, None)
    scores = []
    resampled = RHVAEAugmenter(augmentation_factor=4, random_state=0, device="cpu").fit_resample(
        X[train], y[train]
    )
    for X_train, y_train in ((X[train], y[train]), resampled):
        scores.append(KNeighborsClassifier().fit(X_train, y_train).score(X[test], y[test]))
    assert scores[1] > scores[0] - 0.03
