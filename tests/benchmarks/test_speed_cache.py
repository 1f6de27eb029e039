"""The benchmark of the cache runs, and its counts are correct."""

import json

import pytest

from benchmarks.speed import cache


@pytest.mark.slow
def test_a_grid_with_the_cache_trains_once_per_fold(tmp_path, capsys):
    cache.main(["--quick", "--repeats", "1", "--out", str(tmp_path)])
    (path,) = tmp_path.rglob("*.json")
    rows = json.loads(path.read_text())["rows"]
    assert [row["candidate"] for row in rows] == ["memory", "no memory", "trainings"] * 2
    assert [row["n_trainings"] for row in rows] == [3, 6, 3] * 2
    assert "n trainings" in capsys.readouterr().out
