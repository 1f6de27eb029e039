"""How fast Markov chains forget where they were.

Shapes: S recorded steps, K classes, C recorded chains per class, d latent dimensions.
"""

from collections import deque

import torch
from torch.nn.utils.rnn import pad_sequence

# Bounds of what is recorded for a class. The standard error of a correlation of 256 independent
# chains is at most 1/16.
_MAX_CHAINS = 256
_MAX_STEPS = 200
_MAX_LAG = 50


def followed_chains(counts):
    """Choose the chains whose positions are recorded: all, or 256 evenly among more.

    The choice for a class only depends on the number of its own chains.

    Parameters
    ----------
    counts : sequence of int
        Chains of every class.

    Returns
    -------
    index : Tensor of int64, shape (n_classes, n_followed)
        0 for the padding of a class with fewer chains than another.
    mask : Tensor of float32, shape (n_classes, n_followed)
        1 for a chain, 0 for padding.
    """
    sizes = [min(n, _MAX_CHAINS) for n in counts]
    index = [torch.arange(m) * n // max(m, 1) for n, m in zip(counts, sizes, strict=True)]
    mask = [torch.ones(m) for m in sizes]
    return pad_sequence(index, batch_first=True), pad_sequence(mask, batch_first=True)


class Trace:
    """Where some chains of each class were in the last 200 steps.

    Parameters
    ----------
    counts : sequence of int
        Chains of every class.
    like : Tensor
        Of the dtype and on the device of the positions.
    """

    def __init__(self, counts, like):
        index, mask = followed_chains(counts)
        self._index = index.to(like.device).unsqueeze(-1)
        self._mask = mask.to(like)
        self._positions = deque(maxlen=_MAX_STEPS)

    def add(self, z):
        """Record the positions z after a step, of shape (n_classes, n_chains, latent_dim)."""
        self._positions.append(z.gather(1, self._index.expand(-1, -1, z.shape[-1])))

    def autocorrelation(self):
        """Return :func:`autocorrelation` of what was recorded; of no step, a lag 0 of nan."""
        if not self._positions:
            return self._mask.new_full((len(self._mask), 1), torch.nan)
        return autocorrelation(torch.stack(tuple(self._positions)), self._mask)


def autocorrelation(z, mask):
    r"""Return the correlation between the places of a chain some steps apart.

    With a(s, c) = z(s, c) − z̄, the place of chain c at step s from the mean z̄ over all
    chains and steps of the class,

    R(t) = Σ ⟨a(s, c), a(s + t, c)⟩ / √(Σ ‖a(s, c)‖² Σ ‖a(s + t, c)‖²),

    all sums over the chains c and over the S − t steps s that have a step t later. It is 1 at
    lag 0 and lies between −1 and 1. All coordinates are taken together, as the latent axes
    mean nothing by themselves: R does not change if the latent space is rotated, and wide
    directions count for more.

    The mean is that of all chains, not of each, so that chains that stay where they started,
    each in another mode, have a correlation of 1: in the limit of long chains R is the
    combined autocorrelation of Vehtari et al. (2021, equation 10). Theirs divides by the
    variance of all steps; that of the steps compared bounds R, and in short chains that have
    not settled keeps it from exceeding 1. For the autocovariances of one chain see Geyer
    (1992, section 3.1). The estimate needs several chains: the mean of a single short one lies
    near that chain wherever it is.

    Parameters
    ----------
    z : Tensor of shape (n_steps, n_classes, n_chains, latent_dim)
        Where the chains were, step by step.
    mask : Tensor of shape (n_classes, n_chains)
        1 for a chain, 0 for padding.

    Returns
    -------
    R : Tensor of shape (n_classes, n_lags + 1)
        At lag 0, 1, ... up to n_steps − 1, at most 50; not a number where nothing varies: of
        a class without chains, or of chains that all stay at one place.

    References
    ----------
    C. J. Geyer, "Practical Markov chain Monte Carlo", Statistical Science 7(4), 1992.

    A. Vehtari, A. Gelman, D. Simpson, B. Carpenter, P.-C. Bürkner, "Rank-normalization,
    folding, and localization: an improved R̂ for assessing convergence of MCMC", Bayesian
    Analysis 16(2), 2021 (arXiv 1903.08008).
    """
    n_steps = len(z)
    weight = mask.unsqueeze(-1)
    mean = (z * weight).sum((0, 2)) / (n_steps * mask.sum(1, keepdim=True))
    a = (z - mean.unsqueeze(1)) * weight
    square = a.square().sum((2, 3))
    R = []
    for t in range(min(n_steps - 1, _MAX_LAG) + 1):
        product = (a[: n_steps - t] * a[t:]).sum((0, 2, 3))
        R.append(product / (square[: n_steps - t].sum(0) * square[t:].sum(0)).sqrt())
    return torch.stack(R, -1).clamp(-1.0, 1.0)  # rounding may exceed 1
