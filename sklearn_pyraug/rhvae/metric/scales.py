"""Scales of the metric, and distances of the codes that make it up.

Shapes: K classes, N centroids per class, d latent dimensions.
"""

import math

import torch

__all__ = ["REACH", "auto_regularization", "distinct_distances", "inside_support", "metric_scale"]

# Radius of the samplers' support around a centroid, in units of its kernel's width:
# exp(-REACH²), a centroid's weight there, is 1e-7.
REACH = 4.0
# Codes nearer to each other than this share of the class's diameter are one code: two equal
# rows may differ in the last bits of their codes.
_COINCIDENT = 1e-5
# Weights of at most e^-60 are set to 0. They are negligible next to λ, but their products are
# subnormal numbers, which processors multiply many times more slowly.
MIN_LOG_WEIGHT = -60.0
MIN_WEIGHT = 1.001 * math.exp(MIN_LOG_WEIGHT)


def inside_support(w):
    """Return where a centroid is near enough, by its weight; shape (n_classes, n_points).

    `w` has the shape (n_classes, n_points, n_centroids); at a point that is not finite the
    weights are not numbers, and it is outside.
    """
    return w.amax(-1) > math.exp(-(REACH**2))


def distinct_distances(c, mask):
    """Return the Euclidean distances between the different centroids of every class.

    Parameters
    ----------
    c : Tensor of shape (n_classes, n_centroids, latent_dim)
    mask : Tensor of shape (n_classes, n_centroids)
        1 for a centroid, 0 for the padding of a short class.

    Returns
    -------
    distances : Tensor of shape (n_classes, n_centroids, n_centroids)
        Infinite from a centroid to itself, to one that coincides with it (nearer than 1e-5
        of the class's diameter), and from and to padding.
    """
    # The expanded square would lose all digits of a distance that is small compared with the codes.
    distances = torch.cdist(c, c, compute_mode="donot_use_mm_for_euclid_dist")
    pair = (mask.unsqueeze(1) * mask.unsqueeze(2)).bool()
    diameter = torch.where(pair, distances, 0.0).amax((1, 2), keepdim=True)
    return torch.where(pair & (distances > _COINCIDENT * diameter), distances, torch.inf)


def metric_scale(M, mask):
    """Return the median over a class's centroids of det(Mᵢ)^(1/d), shape (n_classes,).

    The mean stretch, geometrically, of the inverse metric at a code.

    Parameters
    ----------
    M : Tensor of shape (n_classes, n_centroids, latent_dim ** 2)
        The positive definite matrices of the metric, flat.
    mask : Tensor of shape (n_classes, n_centroids)
    """
    d = math.isqrt(M.shape[-1])
    log_scale = torch.linalg.slogdet(M.unflatten(-1, (d, d))).logabsdet / d
    return torch.where(mask.bool(), log_scale, torch.nan).nanmedian(-1).values.exp()


def auto_regularization(latent_dim, scale=1.0, void_share=0.01):
    """Return the regularisation that leaves little of the density to the void.

    Around a lone code the density √det G⁻¹ is about (s exp(−r²/T²) + λ)^(d/2), where s is the
    metric's scale there, on a support that is a ball of radius 4 T. Without the floor λ it is the
    peak s^(d/2) exp(−d r²/(2 T²)). λ is chosen so that it adds `void_share` of the peak's mass:

    ∫ u^(d−1) [(exp(−u²) + λ/s)^(d/2) − exp(−d u²/2)] du = `void_share` ∫ u^(d−1) exp(−d u²/2) du,

    u = r / T from 0 to 4, whatever T. The flanks of the peak, where exp(−u²) and λ/s are of one
    size, count the more the larger d is. The same holds for the metric of the posterior
    covariances, with s = det(Σᵢ)^(−1/d). A fixed λ cannot do that: 0.01 adds 16 % to the mass of
    the peak at d = 2, 17 % at d = 10 and 100 % at d = 50, for s = 1.

    Parameters
    ----------
    latent_dim : int
        d.
    scale : float, default=1.0
        s; see :func:`metric_scale`. An untrained metric network starts near 1.
    void_share : float, default=0.01
        Mass that the floor adds, relative to the mass of a code's peak.

    Returns
    -------
    lam : float
        λ, in the unit of the scale.
    """
    d = latent_dim
    u = torch.linspace(0.0, REACH, 4001, dtype=torch.float64)[1:]
    log_peak = (d - 1.0) * u.log() - 0.5 * d * u.square()

    def added(log_lam):
        # (1 + λ exp(u²))^(d/2) − 1 relative to the peak, in logarithms, because in hundreds of
        # dimensions neither fits a float64.
        power = 0.5 * d * torch.log1p(torch.exp(log_lam + u.square()))
        log_factor = power + torch.log(-torch.expm1(-power))
        return float((log_peak + log_factor).logsumexp(0).sub(log_peak.logsumexp(0)).exp())

    low, high = -100.0, 100.0
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if added(middle) < void_share else (low, middle)
    return scale * math.exp(high)
