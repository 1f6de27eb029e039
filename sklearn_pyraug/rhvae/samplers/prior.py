"""The prior of the latent space."""

import torch


@torch.no_grad()
def sample_prior(n, d, generators, *, device="cpu"):
    """Draw from the prior N(0, I), whatever the classes' codes are.

    Parameters
    ----------
    n : sequence of int
        Draws of every class.
    d : int
        Latent dimension.
    generators : sequence of torch.Generator
        One CPU stream per class; what a class draws depends on nothing but its own.
    device : str, default="cpu"
        Where the results go.

    Returns
    -------
    z : list of Tensor of float32, each of shape (n[k], d)
    info : dict of str to Tensor of shape (n_classes,)
        ``step_size``, the standard deviation, is 1. The draws are independent:
        ``acceptance_rate`` is 1 and ``divergence_rate`` 0.
    """
    z = [torch.randn(n_k, d, generator=g).to(device) for n_k, g in zip(n, generators, strict=True)]
    ones = torch.ones(len(z), device=device)
    return z, {"acceptance_rate": ones, "divergence_rate": 0.0 * ones, "step_size": ones}
