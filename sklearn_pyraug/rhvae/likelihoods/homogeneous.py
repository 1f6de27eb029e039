"""Observation models of rows whose columns are all of one kind.

Shapes: K classes, B rows per class, D columns; x and theta are (K, B, D).
"""

import math

import torch
from torch import nn

from ..weighting import weighted_moments

# How far `inverse_link` stays away from the probabilities 0 and 1.
LINK_MARGIN = 0.05


class GaussianLikelihood(nn.Module):
    """log p(x|z) = Σ_j log N(x_j; theta_j, s_j²), with one learned scale per column.

    s_j² = min_scale² + exp(2 raw_j): the floor keeps the density bounded where a column
    is constant within a class.

    Parameters
    ----------
    n_classes, n_features : int
        K and D.
    """

    # Smallest standard deviation, in the units of x: standardised columns, or grey values.
    min_scale = 0.05

    def __init__(self, n_classes, n_features):
        super().__init__()
        self.raw_scale = nn.Parameter(torch.zeros(n_classes, 1, n_features))

    @torch.no_grad()
    def start_at(self, rows, weights=None):
        """Start from each class's column means and standard deviations.

        Parameters
        ----------
        rows : list of Tensor, each of shape (n_k, n_features)
        weights : list of Tensor, each of shape (n_k,), or None, default=None
            Weights of the rows; None for equal ones.

        Returns
        -------
        theta : Tensor of shape (n_classes, n_features)
            The parameters of the best constant prediction.
        """
        if weights is None:
            moments = [(x.mean(0), x.std(0, correction=0)) for x in rows]
        else:
            pairs = [weighted_moments(x, w) for x, w in zip(rows, weights, strict=True)]
            moments = [(mean, variance.sqrt()) for mean, variance in pairs]
        std = torch.stack([deviation for _, deviation in moments]).unsqueeze(1)
        self.raw_scale.copy_(std.clamp_min(self.min_scale).log())
        return torch.stack([mean for mean, _ in moments])

    def variance(self):
        """Return s² of shape (K, 1, D)."""
        # Above e^10 a larger scale makes no difference, and its square would overflow.
        return self.min_scale**2 + torch.exp(2.0 * self.raw_scale.clamp(max=10.0))

    def log_prob(self, x, theta):
        """Return log p(x | theta) in nats, shape (K, B)."""
        var = self.variance()
        return -0.5 * ((x - theta).square() / var + torch.log(2.0 * math.pi * var)).sum(-1)

    def mean(self, theta):
        """Return E[x | theta], shape (K, B, D)."""
        return theta

    def inverse_link(self, r):
        """Return the theta whose mean is the row `r`: r itself, of shape (K, B, D)."""
        return r

    def sample(self, theta, noise):
        """Draw x from p(x | theta).

        Parameters
        ----------
        theta : Tensor of shape (K, B, D)
        noise : Tensor of shape (K, B, D)
            Uniform on [0, 1), made by each class's own stream.
        """
        # Uniform noise can be 0, whose normal quantile is infinite.
        normal = torch.special.ndtri(noise.clamp(1e-6, 1.0 - 1e-6))
        return theta + self.variance().sqrt() * normal


class IsotropicLikelihood(GaussianLikelihood):
    """log p(x|z) = Σ_j log N(x_j; theta_j, s²), s² = min_scale² + exp(2 raw).

    With a scale of its own, a pixel that is black in all training images would forbid every
    warp that brings ink to it.

    Parameters
    ----------
    n_classes, n_features : int
        K and D.
    """

    def __init__(self, n_classes, n_features):
        super().__init__(n_classes, n_features)
        self.raw_scale = nn.Parameter(torch.zeros(n_classes, 1, 1))

    @torch.no_grad()
    def start_at(self, rows, weights=None):
        """Start from the root mean square of each class's deviations from its mean row.

        Rows, weights and theta are those of :meth:`GaussianLikelihood.start_at`.
        """
        if weights is None:
            moments = [(x.mean(0), x.var(0, correction=0)) for x in rows]
        else:
            moments = [weighted_moments(x, w) for x, w in zip(rows, weights, strict=True)]
        scale = torch.stack([variance.mean().sqrt() for _, variance in moments])
        self.raw_scale.copy_(scale.clamp_min(self.min_scale).log().view(-1, 1, 1))
        return torch.stack([mean for mean, _ in moments])


class BernoulliLikelihood(nn.Module):
    """log p(x|z) = Σ_j x_j theta_j − softplus(theta_j), theta the logits.

    As usual for variational autoencoders, x may lie anywhere in [0, 1] (grey values).

    Parameters
    ----------
    n_classes, n_features : int
        K and D; there is nothing to learn.
    """

    n_trials = 1

    def __init__(self, n_classes, n_features):
        super().__init__()

    @torch.no_grad()
    def start_at(self, rows, weights=None):
        """Start from each class's mean, shrunk away from 0 and 1 (Laplace's rule).

        Rows, weights and theta are those of :meth:`GaussianLikelihood.start_at`.
        """
        if weights is None:
            totals = [x.sum(0) for x in rows]
        else:
            pairs = zip(rows, weights, strict=True)
            totals = [len(x) * weighted_moments(x, w)[0] for x, w in pairs]
        return torch.stack(
            [torch.logit((t + 0.5) / (len(x) + 1.0)) for x, t in zip(rows, totals, strict=True)]
        )

    def log_prob(self, x, theta):
        """Return log p(x | theta) in nats, shape (K, B)."""
        return (x * theta - nn.functional.softplus(theta)).sum(-1)

    def mean(self, theta):
        """Return E[x | theta] = sigmoid(theta), shape (K, B, D)."""
        return torch.sigmoid(theta)

    def inverse_link(self, r):
        """Return a theta whose mean is near `r`: logit(r), r kept in [0.05, 0.95].

        A reference row is an example, not a certainty. With larger logits, the decoder would first
        have to unlearn them before it could tell another row from it.
        """
        return torch.logit(r, eps=LINK_MARGIN)

    def sample(self, theta, noise):
        """Draw x in {0, 1} from p(x | theta), given uniform noise of shape (K, B, D)."""
        return (noise < torch.sigmoid(theta)).to(theta.dtype)


class BinomialLikelihood(BernoulliLikelihood):
    """A grey value as the share of successes in n = 3 trials, theta the logits.

    log p(x|z) = n Σ_j (x_j theta_j − softplus(theta_j)), up to the binomial coefficients, which
    do not depend on z. A grey value varies less about its mean than a coin does. With the
    likelihood of a coin, the model would take the differences of rows for noise, and ignore codes.

    Parameters
    ----------
    n_classes, n_features : int
        K and D; there is nothing to learn.

    Notes
    -----
    n is provisional: on 8 x 8 digits n = 4, on chest X-rays n = 2 did best of 1, 2 and 4, with 50
    rows a class or fewer and 3 splits; 3 lies between.
    """

    n_trials = 3

    def log_prob(self, x, theta):
        """Return log p(x | theta) in nats, without the coefficients, shape (K, B)."""
        return self.n_trials * super().log_prob(x, theta)

    def sample(self, theta, noise):
        """Draw x in {0, 1/n, ..., 1} from p(x | theta), given uniform noise of shape (K, B, D)."""
        n, p = self.n_trials, torch.sigmoid(theta)
        successes, below = torch.zeros_like(p), torch.zeros_like(p)
        for k in range(n):
            below = below + math.comb(n, k) * p**k * (1.0 - p) ** (n - k)
            successes = successes + (noise >= below)
        return successes / n
