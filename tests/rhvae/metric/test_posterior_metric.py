"""The metric of the posterior covariances, and HMC on it."""

import math

import pytest
import torch
from shared import draw, spread, stream

from sklearn_pyraug.rhvae.metric.posterior import make_posterior_metric
from sklearn_pyraug.rhvae.samplers import metric_log_density, sample_hmc

K, C, N, D = 2, 4, 5, 3  # classes, points, centroids, latent dimensions


def test_width_and_regularization_per_class():
    mu, log_var, mask = draw(0, K, N, D), draw(1, K, N, D), torch.ones(K, N).double()
    z = draw(2, K, C, D)
    both = torch.tensor([0.7, 1.9], dtype=torch.float64).view(K, 1, 1)
    together = make_posterior_metric(mu, log_var, mask, 0.1 * both, rho=both).at(z)
    for k, value in enumerate((0.7, 1.9)):
        alone = make_posterior_metric(mu, log_var, mask, 0.1 * value, rho=value)
        torch.testing.assert_close(together.G[k], alone.at(z).G[k])


def test_the_width_is_exact_in_float64():
    """It went through torch's default dtype: √3 had 8 digits, and scores depended on that dtype."""
    metric = make_posterior_metric(draw(0, K, N, D), draw(1, K, N, D), torch.ones(K, N), 0.1)
    assert metric.rho.flatten().tolist() == [math.sqrt(D)] * K


def test_float32_suffices_for_precise_posteriors(random_seed):
    """Standard deviations of 0.05 to 1, as an encoder has them, at the density's own points."""
    d, n = 10, 50
    mu = draw(random_seed, 1, n, d)
    log_var = 2.0 * torch.linspace(math.log(0.05), 0.0, d, dtype=torch.float64).expand(1, n, d)
    metric = make_posterior_metric(mu, log_var, torch.ones(1, n).double(), 1e-3)
    z = mu + torch.exp(0.5 * log_var) * draw(random_seed + 1, 1, n, d)
    exact = metric_log_density(metric)(z)
    single = metric._replace(
        **{
            k: v.float()
            for k, v in metric._asdict().items()
            if v is not None and torch.is_tensor(v)
        }
    )
    got = metric_log_density(single)(z.float())
    torch.testing.assert_close(got[0].double(), exact[0], rtol=1e-4, atol=1e-3)
    assert (got[1] - exact[1]).norm() < 1e-3 * exact[1].norm()


# --- HMC on it -----------------------------------------------------------------------------


def test_step_size_follows_the_posteriors_widths(random_seed):
    """The same class at a hundredth of the size needs a hundredth of the step."""
    mu, log_var = draw(random_seed, 1, 20, 2), draw(random_seed + 1, 1, 20, 2) - 2.0
    mu = torch.cat([mu, 0.01 * mu])
    log_var = torch.cat([log_var, log_var + 2.0 * math.log(0.01)])
    rho = torch.full((2, 1, 1), 2.0, dtype=torch.float64)
    lam = torch.tensor([1e-3, 10.0], dtype=torch.float64).view(2, 1, 1)
    metric = make_posterior_metric(mu, log_var, torch.ones(2, 20).double(), lam, rho=rho)
    _, info = sample_hmc(
        metric, [spread(200, 20)] * 2, [stream(1), stream(1)], n_steps=100, n_leapfrog=5
    )
    assert ((info["acceptance_rate"] - 0.8).abs() < 0.1).all()
    # Not exactly: rounding turns an acceptance now and then.
    assert (info["step_size"][1] / info["step_size"][0]).item() == pytest.approx(0.01, rel=0.1)
