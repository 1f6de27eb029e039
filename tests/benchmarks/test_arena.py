"""The arena: its page agrees with its results, and baselines and rivals do what they claim."""

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from benchmarks import datasets
from benchmarks.arena import command, page, store
from benchmarks.arena.protocols import PROTOCOLS, Protocol, Run
from benchmarks.gain import data, external, jobs, phantoms, pictures, resamplers, scoring, table

JUDGES = ("k-NN", "logistic")


def record(method, seed, score, judge="k-NN", name="wine"):
    key = {"protocol": "default sizes", "set": name, "seed": seed, "method": method}
    numbers = dict.fromkeys(table.NUMBERS, 0.5) | {"balanced_accuracy": score}
    texts = {"train": jobs.AUGMENTED, "classifier": judge, "note": "", "error": ""}
    return key | numbers | texts


# --- the page -------------------------------------------------------------------------------


def test_the_page_and_the_readme_agree_with_the_stored_means():
    folder = command.ROOT / "benchmarks" / "arena"
    rows = store.read(folder / "scores.csv")
    facts = json.loads((folder / "facts.json").read_text())
    for name, lines in page.parts(rows, facts).items():
        text = (command.ROOT / name).read_text()
        assert page.fill(text, lines) == text, (
            f"{name}: run python -m benchmarks.arena --report-only"
        )
    assert (folder / "scores.csv").stat().st_size < 300_000
    assert (command.ROOT / page.PICTURE).exists() or not page.panels(rows)


def test_a_page_without_marks_is_refused():
    with pytest.raises(ValueError, match="README.md lacks the lines <!-- arena: begin"):
        page.fill("no marks", "", "README.md")


def test_a_method_that_other_classifiers_judged_is_not_there():
    protocol = Protocol("", (Run(("none", "SMOTE"), ("wine",), 1),), ("k-NN",))
    rows = store.rows_of([record("none", 0, 0.6)], ("k-NN",), {})
    rows |= {("wine", "SMOTE"): {"seconds": 0.1, "CNN splits": 1.0, "CNN balanced_accuracy": 60.0}}
    assert page.there(rows, protocol) == (["wine"], ["none"], [])


def test_critical_difference_of_the_literature():
    """Demšar (2006), section 3.2.2: four methods on fourteen sets."""
    assert page.critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)


def test_holm_corrects_for_the_number_of_tests():
    p = page.holm(np.array([0.01, 0.04, 0.03]))
    np.testing.assert_allclose(p, [0.03, 0.06, 0.06])


# --- the means ------------------------------------------------------------------------------


def test_fewer_splits_are_paired_with_none():
    """None has 60 and 80; the method was run on the easy split only, and gained 5 there."""
    records = [record("none", 0, 0.6), record("none", 1, 0.8), record("SMOTE", 1, 0.85)]
    rows = store.rows_of(records, ("k-NN",), {})
    assert rows["wine", "SMOTE"]["k-NN balanced_accuracy"] == pytest.approx(75.0)
    assert rows["wine", "SMOTE"]["k-NN splits"] == 1
    # Stored figures of "none" stay while they have more splits.
    before = {("wine", "none"): rows["wine", "none"] | {"k-NN splits": 9.0}}
    again = store.rows_of(records[1:], ("k-NN",), before)
    assert again["wine", "SMOTE"]["k-NN balanced_accuracy"] == pytest.approx(75.0)
    kept = {name: again["wine", "none"][name] for name in before["wine", "none"] if "k-NN" in name}
    assert kept == {name: before["wine", "none"][name] for name in kept}


def test_a_classifier_that_one_set_lacks_keeps_its_scores_on_the_others():
    records = [record("none", 0, 0.6), record("none", 0, 0.7, "CNN", "iris")]
    rows = store.rows_of(records, ("k-NN", "CNN"), {})
    assert rows["iris", "none"]["CNN balanced_accuracy"] == pytest.approx(70.0)


def test_means_survive_a_file(tmp_path):
    rows = store.rows_of([record("none", 0, 0.61237)], ("k-NN",), {})
    store.write(tmp_path / "scores.csv", rows)
    read = store.read(tmp_path / "scores.csv")["wine", "none"]
    assert read["k-NN balanced_accuracy"] == 61.24
    assert np.isnan(read["SVC balanced_accuracy"])
    assert store.read(tmp_path / "absent.csv") == {}


def test_only_what_is_missing_is_planned():
    protocol = Protocol("", (Run(("none", "SMOTE", "ours"), ("wine", "iris"), 2),), JUDGES)
    args = command.make_parser().parse_args([])
    planned = command.plan(args, protocol, ["wine"], {"ours"}, [], {})
    assert {(t.set, t.seed, t.method) for t in planned} == {
        ("wine", seed, method) for seed in (0, 1) for method in ("none", "SMOTE")
    }
    whole = [record(m, s, 0.9, j) for m in ("none", "SMOTE") for s in (0, 1) for j in JUDGES]
    assert command.plan(args, protocol, ["wine"], {"ours"}, whole, {}) == []
    stored = store.rows_of(whole, JUDGES, {})
    assert command.plan(args, protocol, ["wine"], {"ours"}, [], stored) == []


def test_protocols_name_methods_and_sets_that_there_are():
    for protocol in PROTOCOLS.values():
        data.expand_sets(protocol.sets)
        for run in protocol.runs:
            for method in run.methods:
                assert any(resamplers.applies(method, name) for name in run.sets)


def test_what_is_not_installed_is_left_out_with_a_line(monkeypatch, capsys):
    monkeypatch.setitem(external.MODULES, "SMOTE-IPF", "no_such_module")
    assert "SMOTE-IPF" in command.lacking(PROTOCOLS)
    assert "SMOTE-IPF is left out: no_such_module cannot be imp" in capsys.readouterr().err


def test_published_figures_leave_tabpfn_out(tmp_path):
    (tmp_path / "tabebm").mkdir()
    text = "method,knn,lr,mlp,rf,tabpfn,xgboost,MEAN\ntabebm,5,1,1,1,-90,2,0\nother,1,1,1,1,1,1,1\n"
    (tmp_path / "tabebm" / "biodeg_n20_improvement.csv").write_text(text)
    assert command.published(tmp_path) == {"biodeg20": {"TabEBM": 2.0}}


@pytest.mark.slow
def test_quick_runs_and_resumes(tmp_path, capsys):
    command.main(["--quick", "--out", str(tmp_path)])
    first = (tmp_path / "arena.csv").read_text()
    assert "| `ours`" in capsys.readouterr().out
    command.main(["--quick", "--out", str(tmp_path)])
    assert (tmp_path / "arena.csv").read_text() == first


# --- methods without new rows ----------------------------------------------------------------


@pytest.fixture
def imbalanced():
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [180, 20])
    return rng.normal(size=(200, 2)) + y[:, None], y


def test_the_moved_threshold_is_the_prevalence(imbalanced):
    X, y = imbalanced
    model = LogisticRegression().fit(X, y)
    expected = balanced_accuracy_score(y, model.predict_proba(X)[:, 1] > y.mean())
    moved = scoring.evaluate(LogisticRegression(), X, y, X, y, "prevalence-threshold")
    plain = scoring.evaluate(LogisticRegression(), X, y, X, y)
    assert moved["balanced_accuracy"] == expected > plain["balanced_accuracy"]
    assert moved["log_loss"] == plain["log_loss"]


@pytest.mark.parametrize("free", scoring.FREE)
def test_free_baselines_suit_classifiers_without_probabilities_or_weights(free, imbalanced):
    X, y = imbalanced
    assert np.isnan(scoring.evaluate(SVC(), X, y, X, y, free)["log_loss"])
    plain = scoring.evaluate(KNeighborsClassifier(5), X, y, X, y)
    changed = scoring.evaluate(KNeighborsClassifier(5), X, y, X, y, free)
    assert (changed == plain) == (free == "class-weights")


# --- data and rivals ------------------------------------------------------------------------


def test_tables_of_tabebm(tmp_path):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    lines = ["MouseID,a,b,class"]
    lines += [f"m{i},{rng.normal():.3f},{'' if i == 3 else i},{'xyz'[i % 3]}" for i in range(600)]
    (tmp_path / "tabebm-protein.csv").write_bytes(b"\xef\xbb\xbf" + "\r".join(lines).encode())
    X, _ = datasets.load_tabebm(tmp_path, "protein")
    assert X[3, 1] == pytest.approx(np.delete(np.arange(600), 3).mean())
    split = data.load_split("protein50", 0, tmp_path)
    assert (len(split.y_train), len(split.y_test)) == (50, 500)
    counts = data.target_counts("protein50", split.y_train)
    assert sum(counts.values()) == 550
    assert max(counts.values()) - min(counts.values()) <= 2


@pytest.mark.parametrize("shape", [(8, 8), (6, 5, 4)])
@pytest.mark.parametrize("name", ["mixup", "CutMix", "elastic"])
def test_pictures_keep_their_shape_and_range(name, shape):
    rows = np.random.default_rng(0).uniform(size=(5, int(np.prod(shape))))
    new = pictures.IMAGES[name](rows, 7, np.random.default_rng(1), shape)
    assert new.shape == (7, rows.shape[1])
    assert rows.min() - 1e-9 <= new.min() <= new.max() <= rows.max() + 1e-9


def test_a_rare_class_that_a_generator_misses_is_reported(monkeypatch):
    X, y = np.arange(40.0).reshape(20, 2), np.repeat([0, 1], [16, 4])
    split = data.Split(X, y, X, y, None, 0)
    monkeypatch.setitem(
        external.GENERATORS, "TVAE", lambda X, y, seed: lambda n: (X[:5], np.zeros(5, dtype=int))
    )
    new = resamplers.resample("TVAE", split, data.Features(X, None), {0: 20, 1: 20})
    assert np.bincount(new.y).tolist() == [4, 16]
    assert "16 of 20 rows are plain SMOTE's" in new.note


@pytest.mark.parametrize("name", [*external.VARIANTS, "Geometric-SMOTE", "ARF"])
def test_rivals_balance(name, imbalanced):
    if external.absent(name):
        pytest.skip(f"{name} is not installed")
    X, y = imbalanced
    split = data.Split(X, y, X, y, None, 0)
    new = resamplers.resample(name, split, data.Features(X, None), {0: 180, 1: 180})
    counts = np.bincount(new.y if new.whole else np.concatenate([y, new.y]))
    assert counts[1] > 0.8 * counts[0]


# --- mixed and on the fly -------------------------------------------------------------------


def test_two_methods_share_the_new_rows():
    split = data.load_split("digits20", 0)
    counts = dict.fromkeys(range(10), 25)
    new = resamplers.resample("pair + affine", split, data.Features(split.X_train, (8, 8)), counts)
    assert np.bincount(new.y).tolist() == [5] * 10


def test_the_network_sees_each_batch_transformed_anew():
    split = data.load_split("digits20", 0)
    features = data.Features(split.X_train, split.sample_shape)
    alone = resamplers.resample("affine on the fly", split, features, dict.fromkeys(range(10), 25))
    assert len(alone.y) == 0
    transform = resamplers.on_the_fly("pair + affine on the fly", split)
    rows = split.X_train[:4]
    first, second = transform(rows), transform(rows)
    assert first.shape == rows.shape
    assert not (first == second).all(axis=1).any()
    batches = []
    network = phantoms.Cnn(
        2, 0, sample_shape=(8, 8), transform=lambda x: batches.append(x.shape) or x / 2
    )
    network.fit(split.X_train, split.y_train)
    assert batches == [(phantoms.BATCH_SIZE, 64)] * 2
    with pytest.raises(ValueError, match="for the CNN"):
        scoring.make_classifier("k-NN", split, transform)
