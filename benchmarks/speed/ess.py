"""Effective sample size of Markov chains.

Bulk ESS of Vehtari, Gelman, Simpson, Carpenter and Bürkner, "Rank-normalization, folding, and
localization", Bayesian Analysis 16 (2021): chains are split in half, all draws are replaced
by the normal scores of their ranks, and the autocorrelations are summed up to where Geyer's
initial monotone sequence ends. Chains that sit at different places count for little.
"""

import numpy as np
from scipy import fft, special, stats

__all__ = ["bulk_ess", "ess"]


def _autocovariance(x):
    """Return the biased autocovariances of each row of x, (n_chains, n_draws), by FFT."""
    n = x.shape[1]
    size = fft.next_fast_len(2 * n)
    spectrum = fft.rfft(x - x.mean(axis=1, keepdims=True), size, axis=1)
    return fft.irfft(np.abs(spectrum) ** 2, size, axis=1)[:, :n] / n


def ess(chains):
    """Return the effective sample size of the mean of all draws.

    S / τ with τ = 1 + 2 Σ_t ρ_t, where ρ_t = 1 − (W − mean_m s²_m ρ_{t,m}) / V; W is the mean
    variance within chains and V = W (n − 1)/n + variance of the chains' means (equations
    10 and 11 of the paper).

    Parameters
    ----------
    chains : array-like of shape (n_chains, n_draws)
        At least 5 draws a chain.

    Returns
    -------
    size : float
        NaN where all draws are the same.
    """
    x = np.asarray(chains, dtype=float)
    n_chains, n = x.shape
    if n < 5:
        raise ValueError(f"ess needs 5 draws a chain, got {n}.")
    covariance = _autocovariance(x).mean(axis=0)
    within = covariance[0] * n / (n - 1)
    total = covariance[0]
    if n_chains > 1:
        total = total + x.mean(axis=1).var(ddof=1)
    if not total > 0.0:
        return float("nan")
    rho = 1.0 - (within - covariance) / total
    rho[0] = 1.0
    # Sums of neighbours are positive and fall for a reversible chain: what is not is noise.
    # The last pair only bounds the others, as in Stan and ArviZ.
    n_pairs = (n - 1) // 2
    pairs = rho[0 : 2 * n_pairs : 2] + rho[1 : 2 * n_pairs : 2]
    negative = np.flatnonzero(pairs[:-1] < 0.0)
    end = negative[0] if len(negative) else n_pairs - 1
    tau = -1.0 + 2.0 * np.minimum.accumulate(pairs[:end]).sum() + max(rho[2 * end], 0.0)
    # More than S log10(S) effective draws are not believed.
    size = n_chains * n
    return float(size / max(tau, 1.0 / np.log10(size)))


def bulk_ess(chains):
    """Return the bulk effective sample size.

    Parameters
    ----------
    chains : array-like of shape (n_chains, n_draws)
        At least 10 draws a chain.

    Returns
    -------
    size : float
    """
    x = np.asarray(chains, dtype=float)
    half = x.shape[1] // 2
    x = np.concatenate([x[:, :half], x[:, -half:]])
    ranks = stats.rankdata(x).reshape(x.shape)
    return ess(special.ndtri((ranks - 0.375) / (x.size + 0.25)))
