"""The benchmarks' own parts: what they time, count and write must be correct, too."""

import importlib.metadata
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from benchmarks import harness, rivals
from benchmarks.speed import sampling, training_step

BENCHMARKS = Path(harness.__file__).parent

# --- timing ---------------------------------------------------------------------------------


def test_candidates_take_turns_and_warm_up_is_left_out():
    calls = []
    candidates = {name: lambda name=name: calls.append(name) for name in "ABC"}
    results = harness.measure_in_turn(candidates, repeats=2, warmup=1, progress="turns")
    assert calls == list("ABC" * 3)
    assert {name: len(times) for name, times in results.items()} == {"A": 2, "B": 2, "C": 2}
    assert all(t > 0 for times in results.values() for t in times)


def test_the_device_is_waited_for_before_each_reading_of_the_clock():
    calls = []
    harness.measure_in_turn(
        {"A": lambda: calls.append("A")}, 2, 0, synchronize=lambda: calls.append("wait")
    )
    assert calls == ["wait", "A", "wait"] * 2


def test_a_candidate_is_charged_with_its_own_time(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock[0])

    def spend(seconds):
        clock[0] += seconds

    candidates = {"fast": lambda: spend(1.0), "slow": lambda: spend(4.0)}
    results = harness.measure_in_turn(candidates, 3)
    assert results == {"fast": [1.0] * 3, "slow": [4.0] * 3}


def test_the_ratio_is_paired_by_round():
    """A slow round must cancel: the ratio of the medians would be 1.5 here."""
    results = {"ours": [1.0, 2.0, 10.0], "rival": [2.0, 3.0, 40.0]}
    assert harness.ratio(results, "ours", "rival") == 2.0
    assert harness.ratio(results, "rival", "ours") == 0.5
    assert harness.median([3.0, 1.0, 2.0, 4.0]) == 2.5


def test_progress_takes_an_iterable_or_a_total():
    assert list(harness.progress([3, 4], "some")) == [3, 4]
    with harness.progress(2, "some") as bar:
        bar.update()
        assert bar.n == 1


# --- options --------------------------------------------------------------------------------


def test_options_and_their_defaults():
    args = harness.make_parser("What").parse_args([])
    assert (args.quick, args.repeats, args.threads, args.device) == (False, 5, None, "cpu")
    assert (args.data, args.out) == (None, BENCHMARKS / "results")
    args = harness.make_parser("What").parse_args("--quick --repeats 2 --data a --out b".split())
    assert (args.quick, args.repeats, args.data, args.out) == (True, 2, Path("a"), Path("b"))


def test_no_repeats_are_refused(capsys):
    with pytest.raises(SystemExit):
        harness.make_parser("What").parse_args(["--repeats", "0"])
    assert "not a positive number" in capsys.readouterr().err


def test_prepare_sets_the_threads():
    before = torch.get_num_threads()
    try:
        harness.prepare(SimpleNamespace(threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# --- memory ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_peak_memory_is_that_of_the_call_alone():
    """getrusage charges a child with the peak of the process that started it."""
    ballast = np.ones(2**25)  # 256 MiB
    measured = harness.peak_memory_and_time(np.ones, 2**23)  # 64 MiB
    assert measured.result.shape == (2**23,)
    assert measured.seconds > 0.0
    assert measured.peak > measured.baseline + 2**26
    own = harness._status_bytes("VmHWM")
    if own is not None:  # Linux
        assert measured.baseline > 0
        assert measured.peak < own
    del ballast


@pytest.mark.slow
def test_a_failure_in_the_child_is_reported():
    with pytest.raises(RuntimeError, match="math domain error|nonnegative input"):
        harness.peak_memory_and_time(math.sqrt, -1.0)


# --- the report -----------------------------------------------------------------------------


@pytest.fixture
def report(tmp_path):
    """A report into a folder whose name must not appear in it."""
    arguments = ["--out", str(tmp_path / "secret"), "--data", str(tmp_path), "--quick"]
    report = harness.Report(
        "x", "What is measured.", harness.make_parser("x").parse_args(arguments)
    )
    report.add(size=(2, 50), candidate="a|b", median_ms=np.float64(3.14159), n_rows=1234567)
    report.add(size=(2, 50), candidate="c", median_ms=float("nan"), n_rows=np.int64(2))
    report.add(size=(2, 5), candidate="d", median_ms=1e-7, peak_mib=1234.5)
    report.note("A note.")
    return report


def test_a_report_comes_back_from_json(report, tmp_path, capsys):
    report.write()

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    text = (tmp_path / "secret" / "x.json").read_text(encoding="utf-8")
    read = json.loads(text, parse_constant=refuse)
    assert read["rows"][0] == {
        "size": [2, 50],
        "candidate": "a|b",
        "median_ms": 3.14159,
        "n_rows": 1234567,
    }
    assert read["rows"][1]["median_ms"] is None
    assert read["notes"] == ["A note."]
    assert read["options"] == {"quick": True, "repeats": 5, "device": "cpu", "seed": 0}
    assert read["machine"]["versions"]["torch"] == importlib.metadata.version("torch")
    assert read["machine"]["cores"] >= 1
    capsys.readouterr()


def test_the_markdown_table_has_units(report, tmp_path, capsys):
    report.write()
    page = (tmp_path / "secret" / "x.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out.strip() == page.strip()
    lines = [line for line in page.splitlines() if line.startswith("|")]
    cells = [[c.strip() for c in line.replace("\\|", "/").split("|")[1:-1]] for line in lines]
    assert cells[0] == ["size", "candidate", "median (ms)", "n rows", "peak (MiB)"]
    assert cells[2] == ["(2, 50)", "a/b", "3.14", "1,234,567", ""]
    assert cells[3] == ["(2, 50)", "c", "n/a", "2", ""]
    assert cells[4] == ["(2, 5)", "d", "1.00e-07", "", "1,234"]
    assert len({len(line) for line in lines}) == 1
    assert "- A note." in page
    assert "quick run" in page
    assert f"torch {importlib.metadata.version('torch')}" in page


def test_a_report_names_no_folder(report, tmp_path, capsys):
    report.write()
    capsys.readouterr()
    for file in (tmp_path / "secret").iterdir():
        text = file.read_text(encoding="utf-8")
        for private in (str(tmp_path), "secret", str(BENCHMARKS), str(Path.home())):
            assert private not in text


# --- distance and chains --------------------------------------------------------------------


@pytest.mark.parametrize(("n_a", "n_b"), [(50, 50), (7, 30), (30, 7), (1, 4)])
def test_sliced_wasserstein_in_one_dimension_is_scipys(n_a, n_b, random_seed):
    rng = np.random.default_rng(random_seed)
    a, b = rng.normal(size=(n_a, 1)), rng.normal(1.0, 2.0, size=(n_b, 1))
    expected = wasserstein_distance(a[:, 0], b[:, 0])
    assert sampling.sliced_wasserstein(a, b) == pytest.approx(expected, rel=1e-9)


def test_sliced_wasserstein_of_a_shift(random_seed):
    """A shift v moves every projection by |v.u|, which is |v| 2/pi on average in the plane."""
    a = np.random.default_rng(random_seed).normal(size=(40, 2))
    distance = sampling.sliced_wasserstein(a, a + np.array([3.0, 4.0]), n_projections=20000)
    # Standard deviation of |cos| is 0.31: 5 * 5 * 0.31 / sqrt(20000).
    assert distance == pytest.approx(5.0 * 2.0 / math.pi, abs=0.055)
    assert sampling.sliced_wasserstein(a, a) == 0.0


def test_ess_is_summed_over_classes():
    pytest.importorskip("arviz_stats", reason="the extra `bench` is not installed")
    chains = torch.randn(3, 4, 100, 2, generator=torch.Generator().manual_seed(0))
    one = [sampling.total_ess(chains[k : k + 1, ..., :1]) for k in range(3)]
    assert sampling.total_ess(chains[..., :1]) == pytest.approx(sum(one))


def test_share_of_steps_that_moved():
    chains = torch.zeros(1, 1, 5, 2)
    chains[0, 0, 2:, 0] = 1.0
    assert sampling.moved_share(chains) == 0.25


# --- training steps -------------------------------------------------------------------------


def test_sizes_are_read_from_the_command_line():
    size = training_step.Size.parse("2,250,30,5")
    assert size == (2, 250, 30, 5)
    assert size.batch_size == 84  # three equal parts, as in our training loop
    assert size._replace(n=50).batch_size == 50
    for text in ("2,250,30", "2,250,30,x", "2,0,30,5"):
        with pytest.raises(training_step.argparse.ArgumentTypeError, match="form|below 1"):
            training_step.Size.parse(text)


def test_seconds_are_per_step(monkeypatch):
    """Ours takes several steps in a round, the training loop several epochs, a rival one step."""
    clock = [0.0]
    monkeypatch.setattr(harness.time, "perf_counter", lambda: clock[0])

    def spend(self):
        clock[0] += 6.0

    loop_name = training_step.LOOP
    ours = object.__new__(type("Fake", (rivals.StackStep,), {"__call__": spend}))
    loop = type("Loop", (), {"__call__": spend, "n_steps": 12})()
    rival = type("Rival", (), {"__call__": spend})()
    args = SimpleNamespace(repeats=1, steps=3)
    steps = {"ours": ours, "rival": rival, loop_name: loop}
    results = training_step.measure(steps, args, "steps")
    assert results == {"ours": [6.0], "rival": [6.0], loop_name: [0.5]}


@pytest.mark.parametrize("n_leapfrog", [0, 2])
def test_a_step_of_the_stack_learns(n_leapfrog):
    g = torch.Generator().manual_seed(0)
    rows = [torch.rand(12, 6, generator=g) for _ in range(2)]
    step = rivals.StackStep(rows, 2, n_leapfrog=n_leapfrog, hidden=16, lr=1e-2)
    step()
    first = step.loss()
    for _ in range(20):
        step()
    assert step.loss() < first


# --- rivals ---------------------------------------------------------------------------------


def test_a_missing_rival_is_announced(monkeypatch, capsys):
    def missing(name):
        raise rivals.importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(rivals.importlib.metadata, "version", missing)
    assert not rivals.installed("pyraug")
    message = capsys.readouterr().err
    assert "pyraug is left out" in message
    assert "pip install --no-deps pyraug==0.0.6" in message


@pytest.fixture
def pyraug_model():
    """A Pyraug model trained for a moment, where Pyraug is installed."""
    pytest.importorskip("pyraug", reason="pip install --no-deps pyraug==0.0.6")
    pytest.importorskip("pyraug.models.rhvae", reason="pip install dill pydantic")
    torch.manual_seed(0)
    (model,) = rivals.fit_pyraug([torch.rand(10, 6)], 2, 2)
    return model


def test_the_recorded_chain_is_the_one_that_pyraug_runs(pyraug_model):
    torch.manual_seed(1)
    x, z = rivals.sample_pyraug(pyraug_model, 5, n_steps=4, n_leapfrog=2, step_size=0.5)
    torch.manual_seed(1)
    chains = rivals.record_pyraug(pyraug_model, 5, n_steps=4, n_leapfrog=2, step_size=0.5)
    assert x.shape == (5, 6)
    assert chains.shape == (5, 4, 2)
    torch.testing.assert_close(chains[:, -1], z, rtol=0, atol=0)


def test_pyraug_with_our_metric_has_our_density(pyraug_model):
    plan = sampling.QUICK._replace(K=2, n=10, side=8, d=2, n_epochs=1)
    args = SimpleNamespace(seed=0, device="cpu")
    rows = sampling.load_rows(plan, None, 0)
    assert [x.shape for x in rows] == [(10, 64)] * 2
    generator, metric = sampling.train_ours(rows, plan, args)
    samplers = sampling.pyraug_candidates(generator, metric, rows, plan, args)
    z, _ = sampling.last_positions(metric, 10, 6, 2, seed=0)
    models = samplers[sampling.SHARED].models
    assert sampling.density_gap(metric, models, z) < 1e-4
    chains, acceptance = sampling.record_ours(metric, 6, 12, 2, 9, seed=0)
    assert chains.shape == (2, 6, 9, 2)
    assert 0.0 < acceptance <= 1.0


def test_recorded_steps_of_independent_chains_end_where_these_do():
    plan = sampling.QUICK._replace(K=2, n=10, side=8, d=2, n_epochs=1, n_draws=5)
    rows = sampling.load_rows(plan, None, 0)
    args = SimpleNamespace(seed=0, device="cpu")
    generator, _ = sampling.train_ours(rows, plan, args, metric="posterior", n_leapfrog=0)
    exact = sampling.OursExact(generator, plan, "cpu", 0)
    z, chains, acceptance = exact.chains(5, 7, 0)
    assert chains.shape == (2, 5, 7, 2)
    assert torch.equal(chains[:, :, -1], z)
    assert 0.0 < acceptance <= 1.0
    exact()
