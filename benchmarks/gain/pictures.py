"""Image and volume transforms of `benchmarks.gain`, as rivals that draw new rows of one class.

All have the signature of :mod:`.generators`. Mixup and CutMix mix images of one class, because the
classifiers here take no shares of labels.
"""

import numpy as np
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.gain import external

__all__ = ["IMAGES", "VOLUMES", "cutmix", "elastic", "mixup"]

# Mixup's share is drawn from Beta(α, α) (Zhang et al., 2018).
ALPHA = 0.4
# Smoothness and standard deviation of elastic displacements, as shares of an image's side: 4 and
# about 1.5 pixels of 28 (Simard et al., 2003).
SMOOTHNESS, DISPLACEMENT = 1 / 7, 0.05


def mixup(rows, n_new, rng, sample_shape=None):
    """Mix random pairs: λ a + (1 − λ) b."""
    a, b = rows[rng.integers(len(rows), size=(2, n_new))]
    share = rng.beta(ALPHA, ALPHA, size=(n_new, 1))
    return share * a + (1.0 - share) * b


def cutmix(rows, n_new, rng, sample_shape):
    """Paste a random box of b into a; it has a share of 1 − λ of the image, λ ~ U(0, 1)."""
    new = []
    side = np.array(sample_shape)
    for a, b in rng.integers(len(rows), size=(n_new, 2)):
        half = side * rng.uniform() ** (1 / len(side)) / 2
        centre = rng.uniform(size=len(side)) * side
        low, high = np.clip(centre - half, 0, side), np.clip(centre + half, 0, side)
        box = tuple(map(slice, low.round().astype(int), high.round().astype(int)))
        image = rows[a].reshape(sample_shape).copy()
        image[box] = rows[b].reshape(sample_shape)[box]
        new.append(image.ravel())
    return np.array(new)


def elastic(rows, n_new, rng, sample_shape):
    """Warp random images by smooth random displacements."""
    side = np.array(sample_shape)
    grid = np.indices(sample_shape).astype(float)
    new = []
    for origin in rng.integers(len(rows), size=n_new):
        noise = rng.standard_normal((len(side), *sample_shape))
        shift = np.stack([gaussian_filter(x, SMOOTHNESS * side, mode="reflect") for x in noise])
        shift *= DISPLACEMENT * side.mean() / shift.std()
        image = rows[origin].reshape(sample_shape)
        new.append(map_coordinates(image, grid + shift, order=1, mode="nearest").ravel())
    return np.array(new)


def _with_torch(make, quantised):
    """Return a rival that applies a transform of torchvision or TorchIO to random images."""

    def draw(rows, n_new, rng, sample_shape):
        transform = make()
        new = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            for origin in rng.integers(len(rows), size=n_new):
                image = torch.as_tensor(rows[origin], dtype=torch.float32)
                image = image.reshape(1, *sample_shape)
                if quantised:
                    image = (255 * image).round().to(torch.uint8)
                image = transform(image).numpy().ravel()
                new.append(image / 255.0 if quantised else image)
        return np.array(new, dtype=float)

    return draw


def _torchvision(name):
    def make():
        external._import("torchvision")
        return getattr(external._import("torchvision.transforms.v2"), name)()

    return _with_torch(make, quantised=True)


def _torchio(*names):
    def make():
        package = external._import("torchio")
        return package.Compose([getattr(package, name)() for name in names])

    return _with_torch(make, quantised=False)


IMAGES = {
    "CutMix": cutmix,
    "elastic": elastic,
    "mixup": mixup,
    "TrivialAugment": _torchvision("TrivialAugmentWide"),
    "RandAugment": _torchvision("RandAugment"),
}
VOLUMES = {
    "TorchIO-affine": _torchio("RandomAffine"),
    "TorchIO-elastic": _torchio("RandomElasticDeformation"),
    "TorchIO-intensity": _torchio("RandomGamma", "RandomBiasField", "RandomNoise"),
}
