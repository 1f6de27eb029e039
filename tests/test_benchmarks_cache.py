"""The benchmark of the cache runs, and counts what it says."""

import json
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def test_a_grid_with_the_cache_trains_once_per_fold(monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench_cache

    bench_cache.main(["--quick", "--repeats", "1", "--out", str(tmp_path)])
    (path,) = tmp_path.rglob("*.json")
    rows = {row["candidate"]: row for row in json.loads(path.read_text())["rows"]}
    assert {name: row["n_trainings"] for name, row in rows.items()} == {
        "memory": 3,
        "no memory": 6,
        "trainings": 3,
    }
    assert "n trainings" in capsys.readouterr().out
