"""One training step of all classes: ours, Pyraug, pythae, and a plain VAE as the lower bound.

A step zeroes the gradients, evaluates the objective and its gradients on one minibatch of every
class, and lets Adam move the weights. The likelihood is Bernoulli for all, the rows are uniform
in [0, 1], networks have one hidden layer of 500 units. The rivals' flow has 3 leapfrog steps, ours
one of the splitting, as long as the three, or the papers' 3. A last row per size takes ours through
the training loop, to show what the loop adds.

    python -m benchmarks.speed.training_step
    python -m benchmarks.speed.training_step --sizes 10,50,784,10 --device cuda --stack-of-one
"""

import argparse
import math
from typing import NamedTuple

import torch

from benchmarks import harness, rivals
from sklearn_pyraug.rhvae import TrainingSettings
from sklearn_pyraug.rhvae.training.data import ClassRows
from sklearn_pyraug.rhvae.training.net import train_stack

N_LEAPFROG = 3
BATCH_SIZE = 100
OURS, PAPERS, LOOP = "ours", "ours, papers' leapfrog", "ours, training loop"
FLOOR = "plain VAE (floor)"
# As `as_published` has it; its flow is as long as that of the default.
LEAPFROG = {
    "integrator": "leapfrog",
    "n_leapfrog": N_LEAPFROG,
    "leapfrog_step": 0.01,
    "second_order": True,
}


class Size(NamedTuple):
    """K classes of n rows and D columns, d latent dimensions."""

    K: int
    n: int
    D: int
    d: int

    @classmethod
    def parse(cls, text):
        """Read ``10,50,784,10``."""
        try:
            size = cls(*map(int, text.split(",")))
        except (TypeError, ValueError):
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form K,n,D,d") from None
        if min(size) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} has a number below 1")
        return size

    @property
    def batch_size(self):
        """Rows of a class in one step, as our loop cuts n rows: into equal parts."""
        return -(-self.n // -(-self.n // BATCH_SIZE))

    def rows(self, seed):
        """Return a list of K tensors of shape (n, D), uniform in [0, 1]."""
        g = torch.Generator().manual_seed(seed)
        return [torch.rand(self.n, self.D, generator=g) for _ in range(self.K)]


SIZES = [Size(10, 50, 784, 10), Size(2, 50, 2000, 5), Size(2, 500, 30, 5), Size(10, 50, 784, 2)]
QUICK_SIZES = [Size(3, 20, 64, 4), Size(2, 150, 30, 2)]


class TrainingLoop:
    """Our training of one stack by the loop, `n_epochs` at each call."""

    def __init__(self, rows, d, n_epochs, device):
        self.step = rivals.StackStep(rows, d)
        self.rows = [ClassRows(x, x[:0]) for x in rows]
        self.streams = rivals.streams(1, len(rows))
        self.settings = TrainingSettings(n_epochs, BATCH_SIZE, patience=None)
        self.n_steps = n_epochs * -(-len(rows[0]) // BATCH_SIZE)
        self.device = device

    def __call__(self):
        train_stack(self.step.stack, self.rows, self.settings, self.streams, self.device)


def candidates(size, args, found):
    """Return the training steps to compare, by name."""
    rows = size.rows(args.seed)
    batches = [x[: size.batch_size] for x in rows]
    torch.manual_seed(args.seed)
    steps = {
        OURS: rivals.StackStep(batches, size.d, device=args.device),
        PAPERS: rivals.StackStep(batches, size.d, device=args.device, **LEAPFROG),
        FLOOR: rivals.StackStep(batches, size.d, device=args.device, n_leapfrog=0),
    }
    for name, build in (("Pyraug", rivals.build_pyraug), ("pythae", rivals.build_pythae)):
        if found[name]:
            models = [build(size.D, size.d, N_LEAPFROG) for _ in rows]
            steps[name] = rivals.OneAfterAnother(models, batches, device=args.device)
    steps[LOOP] = TrainingLoop(rows, size.d, args.loop_epochs, args.device)
    return steps


def several(step, n):
    """Return a function that takes `n` steps, for those that are too short to be timed."""

    def run():
        for _ in range(n):
            step()

    return run


def measure(steps, args, title):
    """Time the steps in turn; returns seconds per step.

    Ours and the floor take ``args.steps`` steps a round: they are short beside a rival's.
    """
    share = {
        name: s.n_steps if name == LOOP else args.steps if isinstance(s, rivals.StackStep) else 1
        for name, s in steps.items()
    }
    functions = {name: s if name == LOOP else several(s, share[name]) for name, s in steps.items()}
    results = harness.measure_in_turn(functions, args.repeats, progress=title)
    return {name: [t / share[name] for t in times] for name, times in results.items()}


def report_size(report, size, args, found):
    """Measure one size and add its rows."""
    steps = candidates(size, args, found)
    results = measure(steps, args, str(tuple(size)))
    for name, step in steps.items():
        if name != LOOP and not math.isfinite(step.loss()):
            report.note(f"The loss of {name} at {tuple(size)} is no longer finite.")
    for name, seconds in results.items():
        rival = harness.ratio(results, name, "Pyraug") if found["Pyraug"] else None
        report.add(
            **{
                "K, n, D, d": tuple(size),
                "candidate": name,
                "median_ms": 1e3 * harness.median(seconds),
                "fastest_ms": 1e3 * min(seconds),
                "÷ floor": harness.ratio(results, FLOOR, name),
                "Pyraug ÷ this": rival,
                "÷ ours": harness.ratio(results, OURS, name),
            }
        )


def report_stack_of_one(report, size, args):
    """Compare a stack of K classes with one class alone: what parallel hardware saves."""
    one = size._replace(K=1)
    steps = {}
    for s in (size, one):
        batches = [x[: s.batch_size] for x in s.rows(args.seed)]
        steps[str(s.K)] = rivals.StackStep(batches, s.d, device=args.device)
    results = measure(steps, args, "stack of one")
    times = harness.ratio(results, "1", str(size.K))
    for name, seconds in results.items():
        report.add(
            **{
                "K, n, D, d": (int(name), *size[1:]),
                "candidate": f"ours, {name} in the stack",
                "median_ms": 1e3 * harness.median(seconds),
                "fastest_ms": 1e3 * min(seconds),
            }
        )
    report.note(f"A stack of {size.K} takes {times:.2f} times as long as a stack of one.")


def main():
    """Measure all sizes and write the report."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=Size.parse, nargs="+", metavar="K,n,D,d")
    parser.add_argument("--stack-of-one", action="store_true", help="K classes against one")
    parser.add_argument("--steps", type=int, help="steps of ours in a timed round")
    parser.add_argument("--loop-epochs", type=int, help="epochs of the training loop in a round")
    args = parser.parse_args()
    args.sizes = args.sizes or (QUICK_SIZES if args.quick else SIZES)
    args.steps = args.steps or (2 if args.quick else 3)
    args.loop_epochs = args.loop_epochs or (3 if args.quick else 10)
    args.repeats = min(args.repeats, 2) if args.quick else args.repeats
    harness.prepare(args)
    found = {"Pyraug": rivals.installed("pyraug"), "pythae": rivals.installed("pythae")}

    report = harness.Report("training_step", parser.description, args)
    for size in args.sizes:
        report_size(report, size, args, found)
    if args.stack_of_one:
        report_stack_of_one(report, args.sizes[0], args)
    report.note("Ratios are medians of the ratios within each round; all take turns.")
    report.note(
        f"A step takes at most {BATCH_SIZE} rows of every class. Pyraug and pythae train K models "
        "one after another, with Adam as their trainers call it (not fused)."
    )
    report.note(
        "Hidden units: ours and the floor 500 in every network; Pyraug's defaults 500, and 400 in "
        "the metric network; pythae's 512 and 400. The floor has no metric network and no flow."
    )
    report.note(
        f"The training loop is timed over {args.loop_epochs} epochs, its preparation included, "
        "and draws rows and noise for every step; its ÷ ours is the loop's overhead."
    )
    for name, there in found.items():
        if not there:
            report.note(f"{name} is not installed and was left out.")
    report.write()


if __name__ == "__main__":
    main()
