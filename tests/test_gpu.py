"""Tests on a CUDA device, skipped where there is none.

``pytest --device cuda`` takes the augmenters of all other tests there, too.
"""

import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from shared import quick, table
from sklearn.datasets import load_digits, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sklearn_pyraug import MLP, Checkpoint, RHVAEAugmenter, RHVAEEmbedder, augmentation_report
from sklearn_pyraug.pipeline import make_pipeline
from sklearn_pyraug.rhvae.training import net as training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


class KilledError(Exception):
    """Stands in for the end of a process."""


SAMPLERS = ["hmc", "independent_mh", "random_walk", "geodesic", "prior", "posterior"]


def on_gpu(**parameters):
    """Return an augmenter that trains in no time on the GPU."""
    return quick(**{"device": "cuda"} | parameters)


def images(n_per_class=12, side=16):
    """Return grey images of bars of two directions, flattened, and their labels."""
    rng = np.random.default_rng(0)
    X = np.zeros((2 * n_per_class, side, side))
    for i, place in enumerate(rng.integers(2, side - 2, size=2 * n_per_class)):
        X[(i, slice(None), place) if i < n_per_class else (i, place)] = 1.0
    X = X + rng.uniform(0, 0.2, size=X.shape)
    return X.clip(0, 1), np.repeat(["down", "right"], n_per_class)


def states():
    """Return the states of torch's global generators."""
    return [torch.get_rng_state(), torch.cuda.get_rng_state()]


# --- fit and sample ---------------------------------------------------------------------------


def test_auto_takes_the_gpu():
    augmenter = quick(device="auto").fit(*table())
    assert augmenter.device_ == "cuda"
    assert {h.device for h in augmenter.history_.values()} == {"cuda"}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("decoder", ["auto", "residual", "direct"])
def test_every_decoder_and_sampler(decoder, sampler):
    X, y = table()
    before = states()
    metric = "posterior" if sampler == "independent_mh" else "auto"
    augmenter = on_gpu(decoder=decoder, metric=metric, sampler=sampler)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert_array_equal(X_res[: len(X)], X)
    assert np.isfinite(X_res).all()
    assert np.bincount(y_res).tolist() == [40, 40, 40]
    for old, new in zip(before, states(), strict=True):
        assert torch.equal(old, new)
    # Nothing stays on the device between calls.
    group = augmenter._generators.trained[0]
    tensors = [*group.generator.stack.parameters(), group.generator.latent.c]
    assert {t.device.type for t in tensors} == {"cpu"}


@pytest.mark.parametrize("decoder", ["auto", "direct"])
@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_images(networks, decoder):
    X, y = images()
    augmenter = on_gpu(encoder=networks, decoder=decoder, sample_shape=(16, 16))
    X_new, y_new = augmenter.fit(X.reshape(len(X), -1), y).sample(3)
    assert X_new.shape == (6, 256)
    assert X_new.min() >= 0
    assert X_new.max() <= X.max()


def test_volumes():
    X = np.repeat(images(8, 8)[0][:, None], 8, axis=1)
    X_res, _ = on_gpu(encoder="conv").fit_resample(X, np.repeat([0, 1], [10, 6]))
    assert X_res.shape == (40, 8, 8, 8)


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_training_and_drawing_repeat(decoder):
    X, y = table()
    a, b = (on_gpu(decoder=decoder).fit_resample(X, y)[0] for _ in range(2))
    assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_rows_are_nearly_those_of_the_cpu(decoder):
    """The streams are the CPU's everywhere: only rounding tells the devices apart."""
    X, y = table()
    settings = {"decoder": decoder, "sampler": "posterior", "max_epochs": 1}
    on_cpu, there = (quick(device=d, **settings).fit_resample(X, y)[0] for d in ("cpu", "cuda"))
    assert_allclose(there, on_cpu, rtol=1e-3, atol=1e-3 * X.std())


def test_jobs_make_no_difference():
    X, y = table((30, 12, 8, 9))
    a, b = (on_gpu(n_jobs=n, shared=False).fit_resample(X, y)[0] for n in (1, 2))
    assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_it_learns():
    X, y = load_iris(return_X_y=True)
    keep = np.r_[0:50, 50:65, 100:115]
    pipe = make_pipeline(RHVAEAugmenter(random_state=0, device="cuda"), KNeighborsClassifier())
    assert cross_val_score(pipe, X[keep], y[keep], cv=3).mean() > 0.9


def test_grid_search():
    X, y = table()
    grid = GridSearchCV(
        make_pipeline(on_gpu(), KNeighborsClassifier(3)),
        {"rhvaeaugmenter__latent_dim": [1, 2]},
        cv=2,
        n_jobs=2,
        error_score="raise",
    )
    assert grid.fit(X, y).best_score_ > 0.3


# --- latent tools -----------------------------------------------------------------------------


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_latent_tools_agree_with_the_cpu(decoder):
    X, y = load_digits(return_X_y=True)
    X, y = X[y < 2][:60], y[y < 2][:60]
    there = RHVAEAugmenter(random_state=0, max_epochs=20, decoder=decoder, device="cuda").fit(X, y)
    here = pickle.loads(pickle.dumps(there)).set_params(device="cpu")
    z = there.encode(X, y)
    assert_allclose(z, here.encode(X, y), rtol=1e-6, atol=1e-8)
    assert_allclose(there.score_samples(X, y), here.score_samples(X, y), rtol=1e-5)
    own = z[y == 0]
    assert_allclose(there.decode(own, 0), here.decode(own, 0), rtol=1e-5, atol=1e-5)
    assert_allclose(there.log_volume(own, 0), here.log_volume(own, 0), rtol=1e-6, atol=1e-6)
    a, b = (m.interpolate(*X[y == 0][:2], 0, n_steps=8) for m in (there, here))
    assert_allclose(a.length, b.length, rtol=1e-4)
    assert_allclose(a.X, b.X, rtol=1e-3, atol=1e-3)


def test_embedder():
    X, _ = load_iris(return_X_y=True)
    embedder = RHVAEEmbedder(latent_dim=2, max_epochs=10, random_state=0, device="cuda").fit(X)
    z = embedder.transform(X)
    twin = pickle.loads(pickle.dumps(embedder)).set_params(device="cpu")
    assert_allclose(twin.transform(X), z, rtol=1e-6, atol=1e-8)
    assert_allclose(twin.inverse_transform(z), embedder.inverse_transform(z), rtol=1e-5, atol=1e-5)


def test_report():
    X, y = table()
    report = augmentation_report(on_gpu().fit(X, y), X, y)
    assert len(report.to_frame())


# --- files ------------------------------------------------------------------------------------


_WITHOUT = """
import pickle, sys
import numpy as np, torch
from sklearn_pyraug import RHVAEAugmenter
assert not torch.cuda.is_available()
loaded = RHVAEAugmenter.load(sys.argv[1])
with open(sys.argv[2], "rb") as file:
    unpickled = pickle.load(file)
unpickled.set_params(device="cpu")
a, b = loaded.set_params(device="cpu").sample(3)[0], unpickled.sample(3)[0]
assert np.array_equal(a, b)
np.save(sys.argv[3], a)
"""


def test_files_are_read_on_a_machine_without_a_gpu(tmp_path, monkeypatch):
    augmenter = on_gpu().fit(*table())
    augmenter.save(tmp_path / "a.pyraug")
    (tmp_path / "a.pickle").write_bytes(pickle.dumps(augmenter))
    expected = augmenter.set_params(device="cpu").sample(3)[0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    paths = [str(tmp_path / name) for name in ("a.pyraug", "a.pickle", "rows.npy")]
    subprocess.run([sys.executable, "-c", _WITHOUT, *paths], check=True)
    assert_allclose(np.load(paths[2]), expected, rtol=1e-6)


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_a_training_cut_short_goes_on(decoder, tmp_path, monkeypatch):
    X, y = table()
    parameters = {"max_epochs": 6, "decoder": decoder}
    expected = on_gpu(**parameters).fit_resample(X, y)[0]
    parameters |= {"checkpoint": Checkpoint(tmp_path, interval=1)}
    original, seen = training.StackNet.train_step, []

    def train_step(self, batch, **fit_params):
        seen.append(batch)
        if len(seen) == 4:
            raise KilledError
        return original(self, batch, **fit_params)

    with monkeypatch.context() as patch:
        patch.setattr(training.StackNet, "train_step", train_step)
        with pytest.raises(KilledError):
            on_gpu(**parameters).fit(X, y)
    assert_allclose(on_gpu(**parameters).fit_resample(X, y)[0], expected, rtol=1e-3, atol=1e-3)


# --- memory -----------------------------------------------------------------------------------


def test_out_of_memory_falls_back_to_the_cpu():
    """The device's memory does run out here; nothing is simulated."""
    X, y = table((60, 40), n_features=4000)
    free = on_gpu(encoder=MLP((2000,)), decoder="direct")
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    held = torch.cuda.memory_reserved()
    torch.cuda.set_per_process_memory_fraction((held + 2e8) / total)
    try:
        with pytest.warns(UserWarning, match="memory of device='cuda' ran out"):
            X_res, _ = free.fit_resample(X, y)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert X_res.shape == (240, 4000)
    assert {h.device for h in free.history_.values()} == {"cpu"}


def test_memory_is_given_back():
    augmenter = on_gpu(encoder=MLP((256,))).fit(*table())
    augmenter.sample(10)
    after_first = torch.cuda.memory_allocated()
    for _ in range(3):
        augmenter.fit(*table()).sample(10)
    assert torch.cuda.memory_allocated() <= after_first + 2**20
    # cuBLAS keeps a workspace for each thread and stream, of 32 MiB on the largest devices.
    assert after_first < 256 * 2**20


# --- command line -----------------------------------------------------------------------------


def test_command_line(tmp_path):
    X, y = table()
    lines = [
        "a,b,c,d,target",
        *(",".join(map(str, [*x, f"c{t}"])) for x, t in zip(X, y, strict=True)),
    ]
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    command = [sys.executable, "-m", "sklearn_pyraug", "augment", "rows.csv", "-o", "more.csv"]
    command += ["--target", "target", "--device", "cuda", "--factor", "1", "--set", "max_epochs=3"]
    subprocess.run(command, check=True, cwd=tmp_path)
    assert len((tmp_path / "more.csv").read_text().splitlines()) == 61
