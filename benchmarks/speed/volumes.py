"""Volumes: peak memory and seconds of a few training steps and draws at the size of a brain scan.

    python -m benchmarks.speed.volumes
    python -m benchmarks.speed.volumes --shapes 84x104x89 --arms deformation direct --device cuda
    python -m benchmarks.speed.volumes --shapes 84x104x89 --arms default --threads 2

Every arm runs in a fresh process on phantom heads (``sklearn_pyraug.datasets``):

deformation  the default: learned from coarse copies, drawn at the full size
full size    the same warps by convolutions of the volumes as they are
direct       the papers' generator by convolutional networks, with its Hamiltonian flow
default      a whole ``fit_resample`` at the defaults, of `--n-per-class` volumes of two classes
"""

import time

import numpy as np
import torch

from benchmarks import harness
from sklearn_pyraug import RHVAEAugmenter
from sklearn_pyraug.datasets import make_brain_phantoms
from sklearn_pyraug.rhvae import (
    Architecture,
    FitSettings,
    FlowSettings,
    TrainingData,
    TrainingSettings,
    train_reference_generator,
)

ARMS = ("deformation", "full size", "direct")
DEFAULT = "default"
SHAPES = ("32x40x32", "84x104x89")
# What the project has promised at 84 x 104 x 89 and 8 rows a step, in bytes.
MOST_BYTES = 6 * 2**30
N_ROWS = 16
BATCH_SIZE = 8


def run_arm(arm, shape, epochs, seed, device="cpu"):
    """Train a few epochs and draw; return the losses of the first class and the new volumes."""
    X, y = make_brain_phantoms(N_ROWS, shape, random_state=seed)
    if arm == "full size":
        return _full_size(X, y, epochs, seed, device)
    decoder = "direct" if arm == "direct" else "auto"
    augmenter = RHVAEAugmenter(
        decoder=decoder, max_epochs=epochs, batch_size=BATCH_SIZE, random_state=seed, device=device
    )
    augmenter.fit(X, y)
    new, _ = augmenter.sample(2)
    return augmenter.history_[0].train_loss, new.shape, bool(np.isfinite(new).all())


def run_default(shape, n_per_class, seed, device="cpu"):
    """Augment volumes of two classes at the defaults; return seconds of the processor."""
    X, y = make_brain_phantoms(2 * n_per_class, shape, random_state=seed)
    start = time.process_time()
    X_res, _ = RHVAEAugmenter(random_state=seed, device=device).fit_resample(X, y)
    return time.process_time() - start, len(X_res), bool(np.isfinite(X_res).all())


def _full_size(X, y, epochs, seed, device):
    rows = torch.from_numpy(X.reshape(len(X), -1))
    architecture = Architecture(
        rows.shape[1], "isotropic", sample_shape=X.shape[1:], decoder="deformation", width=8
    )
    flow = FlowSettings(10, n_leapfrog=0, second_order=False)
    streams = {
        name: [torch.Generator().manual_seed(seed + i)]
        for i, name in enumerate(("weights", "shuffle", "noise", "split"))
    }
    _, history, _ = train_reference_generator(
        [TrainingData(rows, torch.from_numpy(y))],
        FitSettings(architecture, flow, TrainingSettings(epochs, BATCH_SIZE)),
        streams,
        device=device,
    )
    return history[0].train_loss, None, True


def _default_row(text, args):
    measured = harness.peak_memory_and_time(
        run_default, _shape(text), args.n_per_class, args.seed, args.device
    )
    processor, n_rows, finite = measured.result
    return {
        "shape": text,
        "arm": DEFAULT,
        "rows": n_rows,
        "seconds_s": measured.seconds,
        "processor_s": processor,
        "peak_mib": measured.peak / 2**20,
        "below_6_gib": measured.peak < MOST_BYTES,
        "finite": finite,
    }


def _arm_row(text, arm, args):
    """Return the row of one arm at one size."""
    measured = harness.peak_memory_and_time(
        run_arm, arm, _shape(text), args.epochs, args.seed, args.device
    )
    loss, _, finite = measured.result
    return {
        "shape": text,
        "arm": arm,
        "epochs": args.epochs,
        "seconds_s": measured.seconds,
        "peak_mib": measured.peak / 2**20,
        "below_6_gib": measured.peak < MOST_BYTES,
        "first_loss": float(loss[0]),
        "last_loss": float(loss[-1]),
        "finite": finite,
    }


def _shape(text):
    return tuple(int(side) for side in text.split("x"))


def main():
    """Measure every arm at every size."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), metavar="DxHxW")
    parser.add_argument("--arms", nargs="+", choices=[*ARMS, DEFAULT], default=list(ARMS))
    parser.add_argument("--epochs", type=int, default=3, help="two steps each, or one per class")
    parser.add_argument("--n-per-class", type=int, default=50, help="volumes of the arm default")
    args = parser.parse_args()
    harness.prepare(args)
    if args.quick:
        args.shapes, args.epochs = ["16x18x17"], 2
        args.n_per_class = 8
    report = harness.Report("volumes", parser.description, args)
    with harness.progress(len(args.shapes) * len(args.arms), "volumes") as bar:
        for text in args.shapes:
            for arm in args.arms:
                is_default = arm == DEFAULT
                report.add(**_default_row(text, args) if is_default else _arm_row(text, arm, args))
                bar.update()
    report.note(
        f"{N_ROWS} volumes of two classes, {BATCH_SIZE} rows a step; peak: largest resident set "
        "of the process, interpreter, imports and data included, without a GPU's own memory. "
        "Losses: nats per row."
    )
    report.note(
        "Seconds: training, and a draw of two volumes a class where there is an estimator; each in "
        "a new process, which has a GPU to set up first."
    )
    report.write()


if __name__ == "__main__":
    main()
