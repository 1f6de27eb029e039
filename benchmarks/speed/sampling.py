"""Drawing new rows: seconds, effective samples and distance to the target, ours and Pyraug's.

Ours is trained on 10 classes of 50 images, once with each metric, and drawn from as
`sampler="auto"` does: by Hamiltonian chains on the density √det G⁻¹(z) of the learned metric, by
independent Metropolis-Hastings on √det G(z) of the posteriors' covariances. Pyraug gets the metric
that ours has learned, so that both run chains on the same density, and draws as many rows; a
further row shows Pyraug with a model that it trained itself. It knows no metric of covariances.
Pyraug draws one class after another, and here it draws one of them: its times are those of as many
rows of all classes.
Reported are

- seconds for all rows, decoded, and per 1,000 rows;
- the bulk effective sample size (ArviZ's) of as many recorded steps for all, summed over classes,
  median over latent coordinates, of which a sampler is credited with the share of steps that
  it keeps: of our Hamiltonian chains those after the adaptation of the step size, of others all;
- the sliced Wasserstein distance of the chains' last positions to a long run of ours on the same
  density, so that a fast chain cannot be a bad one.

    python -m benchmarks.speed.sampling --data FOLDER

FOLDER holds LeCun's t10k-*-ubyte.gz files; without it the 8 x 8 digits of scikit-learn,
enlarged to 28 x 28, stand in.
"""

import importlib
import math
from typing import NamedTuple
from unittest import mock

import numpy as np
import torch
from scipy import ndimage
from sklearn.datasets import load_digits

from benchmarks import datasets, harness, rivals
from sklearn_pyraug.rhvae import DrawRequest, FitSettings, Output, TrainingData, TrainingSettings
from sklearn_pyraug.rhvae.generator import train_generator
from sklearn_pyraug.rhvae.latent import SamplerSettings
from sklearn_pyraug.rhvae.model import Architecture, FlowSettings
from sklearn_pyraug.rhvae.samplers import (
    hmc_init,
    hmc_step,
    independent_mh,
    metric_log_density,
    n_adaptation_steps,
    sample_hmc,
    sample_independent_mh,
)

# What Pyraug's sampler does by default.
N_STEPS, N_LEAPFROG = 100, 15
SAME, DEFAULT = "ours, same length", "ours, default"
# Steps of `IndependentMH`.
EXACT, N_EXACT = "ours, default of metric='posterior'", 4
SHARED, OWN = "Pyraug, our metric", "Pyraug, own model"


class Plan(NamedTuple):
    """How much to do.

    Attributes
    ----------
    K, n, side, d : classes, rows of a class, side of the images, latent dimensions.
    n_draws : rows to draw per class, one chain each.
    n_steps, n_leapfrog : length of the chains.
    n_epochs : training epochs, of all models.
    n_reference, n_reference_steps : chains per class and steps of the long run.
    n_rival : classes that Pyraug learns and draws.
    """

    K: int = 10
    n: int = 50
    side: int = 28
    d: int = 10
    n_draws: int = 50
    n_steps: int = N_STEPS
    n_leapfrog: int = N_LEAPFROG
    n_epochs: int = 30
    n_reference: int = 200
    n_reference_steps: int = 200
    n_rival: int = 1


QUICK = Plan(3, 20, 8, 4, 20, 20, 5, 10, 100, 60)


# --- data -------------------------------------------------------------------------------------


def load_rows(plan, folder, seed):
    """Return a list of K tensors of shape (n, side²), grey values in [0, 1]."""
    if folder is None:
        images, y = load_digits(return_X_y=True)
        images = images.reshape(-1, 8, 8) / 16.0
    else:
        images, y = datasets.load_mnist(folder)
        images = images.reshape(-1, 28, 28)
    rng = np.random.default_rng(seed)
    rows = []
    for k in range(plan.K):
        chosen = images[rng.permutation(np.flatnonzero(y == k))[: plan.n]]
        scale = plan.side / chosen.shape[1]
        if scale != 1.0:
            chosen = ndimage.zoom(chosen, (1, scale, scale), order=1)
        rows.append(torch.tensor(chosen.reshape(plan.n, -1).clip(0.0, 1.0), dtype=torch.float32))
    return rows


# --- our chains -------------------------------------------------------------------------------


def starts(n_chains, n_centroids, generators):
    """Spread chains evenly over the centroids of each class; a list of index tensors."""
    rounds = -(-n_chains // n_centroids)
    return [
        torch.cat([torch.randperm(n_centroids, generator=g) for _ in range(rounds)])[:n_chains]
        for g in generators
    ]


def last_positions(metric, n_chains, n_steps, n_leapfrog, seed, step_size=None):
    """Run our chains; returns their ends, (K, n_chains, d), and the diagnostics."""
    K, n_centroids, _ = metric.c.shape
    generators = rivals.streams(seed, K)["mcmc"]
    start = starts(n_chains, n_centroids, generators)
    z, info = sample_hmc(
        metric, start, generators, n_steps=n_steps, n_leapfrog=n_leapfrog, step_size=step_size
    )
    return torch.stack(z), info


@torch.no_grad()
def record_ours(metric, n_chains, n_steps, n_leapfrog, n_recorded, seed):
    """Record our chains, at the step size with which a run of `n_steps` ends.

    The steps that adapt the step size are left out; the recording goes on
    for `n_recorded` steps, as an autocorrelation cannot be read off a short chain.

    Returns
    -------
    chains : Tensor of shape (n_classes, n_chains, n_recorded, latent_dim)
    acceptance : float
    """
    _, info = last_positions(metric, n_chains, n_steps, n_leapfrog, seed)
    step_size = info["step_size"].view(-1, 1, 1)
    K, n_centroids, d = metric.c.shape
    generators = rivals.streams(seed + 1, K)["mcmc"]
    index = torch.stack(starts(n_chains, n_centroids, generators)).to(metric.c.device)
    target = metric_log_density(metric)
    state = hmc_init(metric.c.gather(1, index.unsqueeze(-1).expand(-1, -1, d)), target)
    chains, acceptance = [], []
    for step in range(n_adaptation_steps(n_steps) + n_recorded):
        noise = torch.stack([torch.randn(n_chains, d, generator=g) for g in generators])
        uniform = torch.stack([torch.rand(n_chains, generator=g) for g in generators])
        noise, log_uniform = noise.to(metric.c), uniform.log().to(metric.c)
        state, step_info = hmc_step(state, noise, log_uniform, step_size, n_leapfrog, target)
        if step >= n_adaptation_steps(n_steps):
            chains.append(state.z)
            acceptance.append(float(step_info.is_accepted.float().mean()))
    return torch.stack(chains, dim=2), float(np.mean(acceptance))


def total_ess(chains):
    """Sum the bulk ESS over classes, take the median over coordinates.

    Parameters
    ----------
    chains : Tensor of shape (n_classes, n_chains, n_draws, latent_dim)
    """
    from arviz_stats.base import array_stats

    x = chains.double().cpu().numpy()
    sizes = array_stats.ess(x, chain_axis=1, draw_axis=2, method="bulk")
    return float(np.median(np.sum(sizes, axis=0)))


def moved_share(chains):
    """Return the share of steps that moved the chain, of (n_classes, n_chains, n_draws, d)."""
    return float((chains[:, :, 1:] != chains[:, :, :-1]).any(-1).double().mean())


# --- distance ---------------------------------------------------------------------------------


def sliced_wasserstein(a, b, n_projections=200, seed=0):
    """Return the mean 1-Wasserstein distance of projections on random directions.

    ∫ |F_a⁻¹(u) − F_b⁻¹(u)| du, averaged over uniform unit vectors; both quantile functions
    are steps, so the integral is a sum over the union of their jumps.

    Parameters
    ----------
    a : ndarray of shape (n_a, d)
    b : ndarray of shape (n_b, d)
    n_projections : int, default=200
    seed : int, default=0

    Returns
    -------
    distance : float
        In the units of a and b.
    """
    directions = np.random.default_rng(seed).normal(size=(a.shape[1], n_projections))
    directions /= np.linalg.norm(directions, axis=0)
    a, b = np.sort(a @ directions, axis=0), np.sort(b @ directions, axis=0)
    n_a, n_b = len(a), len(b)
    # In units of 1 / (n_a n_b) all jumps are integers.
    edges = np.union1d(np.arange(1, n_a + 1) * n_b, np.arange(1, n_b + 1) * n_a)
    width = np.diff(edges, prepend=0) / (n_a * n_b)
    gaps = np.abs(a[(edges - 1) // n_b] - b[(edges - 1) // n_a])
    return float((width[:, None] * gaps).sum(axis=0).mean())


def mean_distance(z, reference):
    """Average the sliced Wasserstein distance over classes, (K, n, d) against (K, m, d)."""
    z, reference = z.double().cpu().numpy(), reference.double().cpu().numpy()
    return float(np.mean([sliced_wasserstein(a, b) for a, b in zip(z, reference, strict=True)]))


def reference_scale(reference, n_draws, n_subsets=10):
    """Return the distance of draws that are as good as the reference.

    Returns
    -------
    halves : float
        Of one half of the reference to the other.
    subset : float
        Of `n_draws` of its draws to the rest: what a perfect sampler of so few scores.
    """
    m = reference.shape[1]
    g = torch.Generator().manual_seed(0)
    subset = []
    for _ in range(n_subsets):
        order = torch.randperm(m, generator=g)
        subset.append(mean_distance(reference[:, order[:n_draws]], reference[:, order[n_draws:]]))
    order = torch.randperm(m, generator=g)
    halves = mean_distance(reference[:, order[: m // 2]], reference[:, order[m // 2 :]])
    return halves, float(np.mean(subset))


# --- the comparison ---------------------------------------------------------------------------


def draw_rows(generator, plan, streams, settings, device):
    """Draw and decode the rows of all classes."""
    requests = [
        DrawRequest(k, k, plan.n_draws, mcmc, decode)
        for k, (mcmc, decode) in enumerate(zip(streams["mcmc"], streams["decode"], strict=True))
    ]
    generator.draw(requests, settings, Output(), device=device)


class Ours:
    """Our sampler at a given chain length; called, it draws and decodes all rows."""

    def __init__(self, generator, metric, plan, n_steps, n_leapfrog, device, seed):
        self.generator, self.metric, self.plan, self.device = generator, metric, plan, device
        self.n_steps, self.n_leapfrog, self.seed = n_steps, n_leapfrog, seed
        self.streams = rivals.streams(seed, plan.K)

    def __call__(self):
        settings = SamplerSettings("hmc", self.n_steps, self.n_leapfrog)
        draw_rows(self.generator, self.plan, self.streams, settings, self.device)

    def positions(self, seed):
        """Return the ends of fresh chains, (K, n_draws, d)."""
        arguments = (self.plan.n_draws, self.n_steps, self.n_leapfrog)
        z, _ = last_positions(self.metric, *arguments, seed)
        return z

    def record(self):
        """Return recorded chains, their acceptance rate, and the number of steps kept."""
        arguments = (self.plan.n_draws, self.n_steps, self.n_leapfrog, self.plan.n_steps)
        chains, acceptance = record_ours(self.metric, *arguments, self.seed)
        return chains, acceptance, self.n_steps - n_adaptation_steps(self.n_steps)


class OursExact:
    """Our independent Metropolis-Hastings on the metric of posterior covariances."""

    n_leapfrog = 0

    def __init__(self, generator, plan, device, seed):
        self.generator, self.plan, self.device, self.seed = generator, plan, device, seed
        self.n_steps = N_EXACT
        self.streams = rivals.streams(seed, plan.K)

    def __call__(self):
        """Draw and decode all rows."""
        draw_rows(
            self.generator,
            self.plan,
            self.streams,
            SamplerSettings("independent_mh", self.n_steps),
            self.device,
        )

    def chains(self, n_chains, n_steps, seed):
        """Return what is known of fresh chains: their ends, every step, the acceptance rate."""
        seen = []

        class Listener(independent_mh.Trace):
            def add(self, z):
                seen.append(z)
                super().add(z)

        metric = self.generator.latent.metric
        generators = rivals.streams(seed, self.plan.K)["mcmc"]
        start = starts(n_chains, metric.c.shape[1], generators)
        with mock.patch.object(independent_mh, "Trace", Listener):
            z, _, info = sample_independent_mh(metric, start, generators, n_steps=n_steps)
        return torch.stack(z), torch.stack(seen[1:], 2), float(info["acceptance_rate"].mean())

    def positions(self, seed):
        """Return the ends of fresh chains, (K, n_draws, d)."""
        return self.chains(self.plan.n_draws, self.n_steps, seed)[0]

    def long_run(self, seed):
        """Return the ends of many long chains, (K, n_reference, d)."""
        return self.chains(self.plan.n_reference, self.plan.n_reference_steps, seed)[0]

    def record(self):
        """Return recorded chains, their acceptance rate, and the number of steps kept."""
        _, chains, acceptance = self.chains(self.plan.n_draws, self.plan.n_steps, self.seed)
        return chains, acceptance, self.n_steps


class Pyraug:
    """Pyraug's sampler over K models, one after another."""

    def __init__(self, models, plan):
        self.models, self.plan = models, plan
        self.n_steps, self.n_leapfrog = plan.n_steps, plan.n_leapfrog
        self.ends = []

    def __call__(self):
        arguments = (self.plan.n_draws, self.n_steps, self.n_leapfrog)
        drawn = [rivals.sample_pyraug(model, *arguments) for model in self.models]
        self.ends.append(torch.stack([z for _, z in drawn]))

    def positions(self, seed):
        """Return the ends of chains, (K, n_draws, d): of a timed run, as a new one is long."""
        if not self.ends:
            torch.manual_seed(seed)
            self()
        return self.ends.pop()

    def record(self):
        """Return recorded chains, the share of steps that moved, and the number of steps kept."""
        arguments = (self.plan.n_draws, self.n_steps, self.n_leapfrog)
        chains = torch.stack([rivals.record_pyraug(m, *arguments) for m in self.models])
        return chains, moved_share(chains), self.n_steps


def train_ours(rows, plan, args, **settings):
    """Train ours with the estimators' temperature; further settings are the flow's.

    Returns
    -------
    generator : Generator
    metric : Metric or PosteriorMetric
        On the device.
    """
    flow = FlowSettings(
        latent_dim=plan.d, temperature=math.sqrt(plan.d), rescale_regularization=True, **settings
    )
    generator, _, _ = train_generator(
        [TrainingData(x) for x in rows],
        FitSettings(
            Architecture(rows[0].shape[1], "bernoulli", (500,)),
            flow,
            TrainingSettings(plan.n_epochs, patience=None, verbose=1),
        ),
        rivals.streams(args.seed, plan.K),
        device=args.device,
        description="training ours",
    )
    metric = generator.latent.metric
    metric = metric._replace(
        **{k: v.to(args.device) for k, v in metric._asdict().items() if torch.is_tensor(v)}
    )
    return generator, metric


@torch.no_grad()
def pyraug_candidates(generator, metric, rows, plan, args):
    """Train Pyraug's models; returns them as they are, and copies with our metric."""
    torch.manual_seed(args.seed)
    x = torch.stack(rows)
    rows = rows[: plan.n_rival]
    with harness.progress(len(rows) * plan.n_epochs, "training Pyraug") as bar, torch.enable_grad():
        own = rivals.fit_pyraug(rows, plan.d, plan.n_epochs, device=args.device, progress=bar)
    c, L = generator.stack.encode(x).mu, generator.stack.metric_network(x)
    shared = []
    for k in range(len(rows)):
        model = rivals.build_pyraug(x.shape[2], plan.d).to(args.device).eval()
        # Its own trained networks; only the metric is ours.
        model.load_state_dict(own[k].state_dict())
        factor = L[k].to(args.device)
        T, lam = float(metric.T[k]), float(metric.lam)
        rivals.set_pyraug_metric(model, c[k].to(args.device), factor, T, lam)
        shared.append(model)
    return {SHARED: Pyraug(shared, plan), OWN: Pyraug(own, plan)}


@torch.no_grad()
def density_gap(metric, models, z):
    """Return the largest difference of the two log-densities at z, (K, n, d)."""
    ours, _ = metric_log_density(metric)(z)
    theirs = torch.stack([rivals.pyraug_log_density(m, z[k]) for k, m in enumerate(models)])
    return float((ours[: len(models)] - theirs).abs().max())


def measure_distances(samplers, metric, plan, args):
    """Return the distance of each sampler's draws to a long run, and the notes on the scale."""
    with harness.progress(1, "long run"):
        reference, _ = last_positions(
            metric, plan.n_reference, plan.n_reference_steps, plan.n_leapfrog, args.seed + 77
        )
    distances = {}
    for name, sampler in harness.progress(list(samplers.items()), "distances"):
        if name != OWN:  # which has another density
            runs = [sampler.positions(args.seed + 1000 + r) for r in range(args.repeats)]
            own = sampler.long_run(args.seed + 77) if name == EXACT else reference
            ends = torch.cat(runs, dim=1)
            distances[name] = mean_distance(ends, own[: len(ends)])
    n_draws = args.repeats * plan.n_draws
    halves, subset = reference_scale(reference, n_draws)
    spread = float(reference.std(1).mean())
    note = (
        f"Sliced Wasserstein distances of {n_draws} ends of chains a class, pooled over "
        f"{args.repeats} runs, to a long run ({plan.n_reference} chains a class, "
        f"{plan.n_reference_steps} steps); means over classes. For scale: {n_draws} ends of the "
        f"long run to the rest {subset:.3f}, one half to the other {halves:.3f}, the centroids, "
        f"where all chains start, {mean_distance(metric.c, reference):.3f}; standard deviation of "
        f"a coordinate {spread:.3f}."
    )
    return reference, distances, note


def warm_up(samplers, seed):
    """Let every sampler take a few steps: a full run of Pyraug would be long."""
    for sampler in samplers.values():
        full, sampler.n_steps = sampler.n_steps, 2
        sampler()
        sampler.n_steps = full
        if isinstance(sampler, Pyraug):
            sampler.ends.clear()
    torch.manual_seed(seed)


def report_samplers(samplers, results, distances, plan, report):
    """Add a row for each sampler; return the seconds per effective sample of each run."""
    n_rows = plan.K * plan.n_draws
    has_rival = SHARED in samplers
    per_sample = {}
    for name, sampler in harness.progress(list(samplers.items()), "recording chains"):
        chains, acceptance, n_kept = sampler.record()
        recorded = total_ess(chains) * plan.K / len(chains)
        size = recorded * n_kept / chains.shape[2]
        per_sample[name] = [t / size for t in results[name]]
        report.add(
            **{
                "sampler": name,
                "steps x leapfrog": f"{sampler.n_steps} x {sampler.n_leapfrog}",
                "median_s": harness.median(results[name]),
                "per 1,000 rows_s": 1e3 / n_rows * harness.median(results[name]),
                "Pyraug ÷ this": harness.ratio(results, name, SHARED) if has_rival else None,
                "acceptance": acceptance,
                f"bulk ESS of {chains.shape[2]} steps": recorded,
                "steps kept": n_kept,
                "effective samples": size,
                "per effective sample_ms": 1e3 * harness.median(per_sample[name]),
            },
            **{"sliced Wasserstein": distances.get(name)},
        )
    return per_sample


def compare_with_pyraug(samplers, per_sample, metric, reference, report):
    """Add the ratios to Pyraug, and say how far the densities agree."""
    for row, name in zip(report.rows, samplers, strict=True):
        row["Pyraug ÷ this, per effective sample"] = harness.ratio(per_sample, name, SHARED)
    gap = density_gap(metric, samplers[SHARED].models, reference)
    report.note(
        f"Largest difference of the two log-densities at the long run's draws: {gap:.2g}. "
        "Pyraug adds 1e-10 to √det, which can double it far from the centroids (0.69 = log 2); "
        "beyond 4 T from all of them ours ends and Pyraug's goes on as a constant. "
        f"'{OWN}' has another density, learned by itself: it has no distance to the long run. "
        f"That of '{EXACT}' is to a long run on its own density."
    )


def main():
    """Train, measure, write the report."""
    parser = harness.make_parser(__doc__.splitlines()[0])
    parser.set_defaults(repeats=2)
    parser.add_argument("--epochs", type=int, help="training epochs of all models")
    args = parser.parse_args()
    plan = QUICK if args.quick else Plan()
    if args.epochs is not None:
        plan = plan._replace(n_epochs=args.epochs)
    args.repeats = min(args.repeats, 2) if args.quick else args.repeats
    harness.prepare(args)
    report = harness.Report("sampling", parser.description, args)
    # Fail before the work where it is missing.
    importlib.import_module("arviz_stats.base")

    rows = load_rows(plan, args.data, args.seed)
    generator, metric = train_ours(rows, plan, args)
    exact, _ = train_ours(rows, plan, args, metric="posterior", n_leapfrog=0)
    default = SamplerSettings()
    shared = (metric, plan)
    samplers = {
        SAME: Ours(generator, *shared, plan.n_steps, plan.n_leapfrog, args.device, args.seed),
        DEFAULT: Ours(
            generator, *shared, default.n_steps, default.n_leapfrog, args.device, args.seed
        ),
        EXACT: OursExact(exact, plan, args.device, args.seed),
    }
    found = rivals.installed("pyraug")
    if found:
        samplers |= pyraug_candidates(generator, metric, rows, plan, args)

    warm_up(samplers, args.seed)
    results = harness.measure_in_turn(samplers, args.repeats, warmup=0, progress="drawing")
    for name, sampler in samplers.items():
        if isinstance(sampler, Pyraug):
            results[name] = [t * plan.K / len(sampler.models) for t in results[name]]
    reference, distances, scale = measure_distances(samplers, metric, plan, args)
    per_sample = report_samplers(samplers, results, distances, plan, report)
    if found:
        compare_with_pyraug(samplers, per_sample, metric, reference, report)
    else:
        report.note("Pyraug is not installed and was left out.")
    source = "LeCun's test images" if args.data else "scikit-learn's digits, enlarged"
    report.note(
        f"{plan.K} classes of {plan.n} rows, {plan.side**2} columns ({source}), latent dimension "
        f"{plan.d}, {plan.n_epochs} epochs of training; {plan.K * plan.n_draws} rows drawn, "
        f"{plan.n_draws} chains a class."
    )
    report.note(
        "Bulk ESS over all chains of a class, summed over classes, median over coordinates, of as "
        "many recorded steps for all. Of these a run keeps some: of our Hamiltonian chains those "
        "after the adaptation of the step size, of others all; Pyraug's are recorded from their "
        "start. The whole time is divided by the ESS kept."
    )
    report.note(scale)
    report.write()


if __name__ == "__main__":
    main()
