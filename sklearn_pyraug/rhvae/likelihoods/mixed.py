"""The observation model of a table whose columns are of several kinds.

Shapes: K classes, B rows per class, D code columns, of which G are Gaussian, M Bernoulli and C
belong to categories; x and theta are (K, B, D).
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from .homogeneous import LINK_MARGIN, GaussianLikelihood

# Probability that `inverse_link` gives to all levels other than that of the reference row.
_LINK_SHARE = 0.1


class Block(NamedTuple):
    """Neighbouring code columns of one kind.

    Attributes
    ----------
    kind : {"gaussian", "bernoulli", "categorical"}
        A categorical block is one categorical column, with one code column per level.
    start, stop : int
        The code columns [start, stop).
    """

    kind: str
    start: int
    stop: int


class CodeLayout(NamedTuple):
    """What each code column of a mixed table is.

    Attributes
    ----------
    blocks : tuple of Block
        At most one Gaussian block, then at most one Bernoulli block, then the categorical ones;
        together they are the columns [0, D).
    indicators : tuple of int
        For each Gaussian code column the code column of its indicator, a Bernoulli one that is
        1 where the row has no continuous value, or -1 where every row has one.

    Examples
    --------
    >>> from sklearn_pyraug.rhvae.likelihoods.mixed import Block, CodeLayout
    >>> blocks = Block("gaussian", 0, 2), Block("bernoulli", 2, 3), Block("categorical", 3, 6)
    >>> layout = CodeLayout(blocks, indicators=(-1, 2))
    >>> layout.n_codes, layout.span("bernoulli"), layout.span("categorical")
    (6, (2, 3), (3, 6))
    """

    blocks: tuple[Block, ...]
    indicators: tuple[int, ...]

    @property
    def n_codes(self):
        """Number of code columns D."""
        return self.blocks[-1].stop

    def span(self, kind):
        """Return (start, stop) of all code columns of a kind; they are equal if there are none."""
        spans = [(b.start, b.stop) for b in self.blocks if b.kind == kind]
        return (spans[0][0], spans[-1][1]) if spans else (0, 0)


class MixedLikelihood(nn.Module):
    """Gaussian, Bernoulli and categorical columns side by side.

    log p(x|z) = Σ_j w_j log N(x_j; theta_j, s_j²)          over Gaussian columns,
               + Σ_j x_j theta_j − softplus(theta_j)         over Bernoulli columns,
               + Σ_b Σ_{j in b} x_j log softmax_b(theta)_j   over categorical blocks b,

    with w_j = 1 − x_i where the Gaussian column j has the indicator i, else 1: a value that is
    missing says nothing of its column's mean.

    Parameters
    ----------
    n_classes, n_features : int
        K and D.
    layout : CodeLayout
        Of D code columns.
    """

    def __init__(self, n_classes, n_features, layout):
        super().__init__()
        K = n_classes
        self.sizes = tuple(
            stop - start for start, stop in map(layout.span, ("gaussian", "bernoulli"))
        )
        self.sizes += (n_features - sum(self.sizes),)
        self.gaussian = GaussianLikelihood(K, self.sizes[0])
        # Offsets within the categorical columns.
        first = n_features - self.sizes[2]
        self.spans = tuple(
            (b.start - first, b.stop - first) for b in layout.blocks if b.kind == "categorical"
        )
        masked = [j for j, i in enumerate(layout.indicators) if i >= 0]
        segment = [s for s, (a, b) in enumerate(self.spans) for _ in range(a, b)]
        # Buffers lead with the class axis, as everything in a stack does.
        self._keep("masked", masked, K)
        self._keep("indicator", [layout.indicators[j] for j in masked], K)
        self._keep("segment", segment, K)
        member = nn.functional.one_hot(self.segment, max(len(self.spans), 1))
        self.register_buffer("member", member.to(torch.get_default_dtype()))

    def _keep(self, name, indices, n_classes):
        indices = torch.tensor(indices, dtype=torch.int64)
        self.register_buffer(name, indices.expand(n_classes, -1).clone())

    @torch.no_grad()
    def start_at(self, rows, weights=None):
        """Start from each class's means, standard deviations and shares of the levels.

        Shares are shrunk towards equal ones, as if one more row had been seen; means and
        deviations are those of the rows that have a value. Rows, weights and theta are those of
        :meth:`.GaussianLikelihood.start_at`.
        """
        n_levels = self._n_levels()
        thetas, deviations = [], []
        for x, row_weight in zip(rows, weights or [None] * len(rows), strict=True):
            g, m, c = x.split(self.sizes, -1)
            w = self._weight(x.unsqueeze(0)).squeeze(0)
            if row_weight is not None:
                # Weights of mean 1, whose sums are numbers of rows.
                v = (row_weight / row_weight.mean()).to(x).unsqueeze(1)
                w, m, c = v * w, v * m, v * c
            w = w.expand_as(g)
            n = w.sum(0).clamp_min(torch.finfo(w.dtype).tiny)
            mean = (w * g).sum(0) / n
            var = (w * (g - mean).square()).sum(0) / n
            # A class without any value in a column keeps the column's scale.
            deviations.append(torch.where(w.sum(0) > 0, var.sqrt(), 1.0))
            share = torch.logit((m.sum(0) + 0.5) / (len(x) + 1.0))
            level = torch.log((c.sum(0) + 1.0 / n_levels) / (len(x) + 1.0))
            thetas.append(torch.cat([mean, share, level]))
        std = torch.stack(deviations).unsqueeze(1)
        self.gaussian.raw_scale.copy_(std.clamp_min(self.gaussian.min_scale).log())
        return torch.stack(thetas)

    def _weight(self, x):
        """Return w of shape (K, B, G), or (1, 1, 1) where no column has an indicator."""
        if self.masked.shape[1] == 0:
            return x.new_ones(1, 1, 1)
        ones = x.new_ones(*x.shape[:2], self.sizes[0])
        observed = 1.0 - x.index_select(-1, self.indicator[0])
        return ones.index_copy(-1, self.masked[0], observed)

    def _n_levels(self):
        """Return, for each categorical code column, the number L of levels of its block."""
        return self.member[0].sum(0).index_select(0, self.segment[0])

    def _softmax(self, theta):
        """Return the probabilities of all levels and, per block, the log of their divisor.

        Parameters
        ----------
        theta : Tensor of shape (K, B, C)

        Returns
        -------
        p : Tensor of shape (K, B, C)
        log_sum : Tensor of shape (K, B, n_blocks)
            log Σ_{j in b} exp(theta_j).
        """
        segment = self.segment[0].expand(theta.shape)
        top = theta.new_full((*theta.shape[:2], len(self.spans)), -math.inf)
        top = top.scatter_reduce(-1, segment, theta.detach(), "amax")
        e = torch.exp(theta - top.index_select(-1, self.segment[0]))
        total = torch.bmm(e, self.member)
        return e / torch.bmm(total, self.member.mT), top + total.log()

    def log_prob(self, x, theta):
        """Return log p(x | theta) in nats, shape (K, B)."""
        (g, m, c), (tg, tm, tc) = x.split(self.sizes, -1), theta.split(self.sizes, -1)
        var = self.gaussian.variance()
        normal = -0.5 * ((g - tg).square() / var + torch.log(2.0 * math.pi * var))
        log_p = (self._weight(x) * normal).sum(-1)
        log_p = log_p + (m * tm - nn.functional.softplus(tm)).sum(-1)
        if self.spans:
            _, log_sum = self._softmax(tc)
            log_p = log_p + (c * tc).sum(-1) - (torch.bmm(c, self.member) * log_sum).sum(-1)
        return log_p

    def mean(self, theta):
        """Return E[x | theta], shape (K, B, D): means and probabilities."""
        g, m, c = theta.split(self.sizes, -1)
        return torch.cat([g, torch.sigmoid(m), self._softmax(c)[0] if self.spans else c], -1)

    def inverse_link(self, r):
        """Return a theta whose mean is near `r`, shape (K, B, D).

        r itself in Gaussian columns, and the column's mean 0 where r has no value; logit(r), r
        kept in [0.05, 0.95]; and log(0.9 r + 0.1 / L) of a column of L levels.
        """
        g, m, c = r.split(self.sizes, -1)
        return torch.cat(
            [
                g * self._weight(r),
                torch.logit(m, eps=LINK_MARGIN),
                torch.log((1.0 - _LINK_SHARE) * c + _LINK_SHARE / self._n_levels()),
            ],
            -1,
        )

    def sample(self, theta, noise):
        """Draw x from p(x | theta).

        Parameters
        ----------
        theta : Tensor of shape (K, B, D)
        noise : Tensor of shape (K, B, D)
            Uniform on [0, 1), made by each class's own stream. A categorical block uses the
            first of its columns.
        """
        (g, m, c), (ug, um, uc) = theta.split(self.sizes, -1), noise.split(self.sizes, -1)
        parts = [self.gaussian.sample(g, ug), (um < torch.sigmoid(m)).to(theta.dtype)]
        for a, b in self.spans:
            below = torch.softmax(c[..., a:b], -1).cumsum(-1)[..., :-1]
            level = (uc[..., a : a + 1] >= below).sum(-1)
            parts.append(nn.functional.one_hot(level, b - a).to(theta.dtype))
        return torch.cat(parts, -1)
