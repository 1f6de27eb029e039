"""The report: what it measures, marks and leaves blank, and its table, frame and page."""

import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from shared import quick, table
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

from sklearn_pyraug import AugmentationReport, RHVAEAugmenter, augmentation_report, compare
from sklearn_pyraug._evaluation.compare import _alerts
from sklearn_pyraug._evaluation.rows import Rows
from sklearn_pyraug.metrics import (
    precision_recall_density_coverage,
    train_on_synthetic,
    training_proximity,
)

pd = pytest.importorskip("pandas")

CLOSENESS = {"distance to closest record", "distance ratio", "authenticity", "memorization share"}
FIDELITY = {"precision", "recall", "density", "coverage", "two-sample AUC", "sliced Wasserstein"}
VOID = {"meta", "img"}
SHAPES = {"circle", "image", "line", "path", "rect"}


class Rigged:
    """A fitted augmenter whose rows are chosen from some of each class."""

    def __init__(self, X, y, without=()):
        self.X, self.y, self.classes_ = X, np.asarray(y), np.unique(y)
        self.without = without

    def sample(self, n_samples):
        if set(n_samples) & set(self.without):
            raise ValueError("no generator")
        rows = [np.resize(np.flatnonzero(self.y == k), n) for k, n in n_samples.items()]
        rows = np.concatenate(rows)
        X = self.X.iloc[rows] if hasattr(self.X, "iloc") else self.X[rows]
        return X, self.y[rows]


class Page(HTMLParser):
    """Reads a page: its tags must close, and what it would load or run is recorded."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.loaded, self.text = [], [], [], ""
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in VOID | SHAPES:
            self.open.append(tag)
        self.loaded += [v for k, v in attrs if k in ("src", "href")]
        assert not [k for k, _ in attrs if k.startswith("on")]

    def handle_startendtag(self, tag, attrs):
        assert tag in SHAPES
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def iris(labels=False):
    """Return training rows, labels, rows held out and theirs."""
    data = load_iris()
    y = data.target_names[data.target] if labels else data.target
    X, X_holdout, y, y_holdout = train_test_split(
        data.data, y, test_size=0.5, stratify=y, random_state=0
    )
    return X, y, X_holdout, y_holdout


def frame_of(n=60, seed=0):
    """Return a frame of numbers, categories and missing values, and labels that are text."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "age": rng.normal(50, 10, n),
            "blood <b>&": pd.Categorical(rng.choice(list("ABO"), n)),
            "city": rng.choice(["Bonn", "Rome"], n).astype(object),
            "smokes": rng.random(n) < 0.5,
        }
    )
    X.loc[::7, "age"] = np.nan
    X.loc[::9, "blood <b>&"] = np.nan
    return X, np.repeat(["ill <i>", "well"], [n // 3, n - n // 3])


def values(report, label="(all)"):
    return {line.measure: line.value for line in report.lines if line.label == label}


def marked(report, label="(all)"):
    return {line.measure for line in report.lines if line.label == label and line.marked}


def line_of(report, measure, label="(all)"):
    (line,) = [x for x in report.lines if (x.measure, x.label) == (measure, label)]
    return line


# What is measured


def test_values_are_those_of_the_measures():
    """With one scale a column, the coded rows are the standardised ones."""
    X, y, X_holdout, y_holdout = iris()
    augmenter = Rigged(X_holdout[::-1] + 0.1, y_holdout[::-1])
    report = augmentation_report(augmenter, X, y, random_state=0)
    X_new, y_new = augmenter.sample({0: 25, 1: 25, 2: 25})
    mean, std = X.mean(axis=0), X.std(axis=0)
    Z, Z_new = (X - mean) / std, (X_new - mean) / std
    for label, kept, kept_new in (("(all)", y >= 0, y_new >= 0), (1, y == 1, y_new == 1)):
        expected = precision_recall_density_coverage(Z[kept], Z_new[kept_new])._asdict()
        for name, value in expected.items():
            assert_allclose(line_of(report, name, label).value, value)
    assert report.n_real == report.n_synthetic == {0: 25, 1: 25, 2: 25}
    assert report.n_holdout == {}


def test_rows_held_out_are_the_reference_and_the_baseline():
    X, y, X_holdout, y_holdout = iris(labels=True)
    augmenter = Rigged(X, y)
    classifier = LogisticRegression(max_iter=1000)
    report = augmentation_report(
        augmenter, X, y, X_holdout, y_holdout, classifier=classifier, random_state=0
    )
    X_new, y_new = augmenter.sample(dict.fromkeys(np.unique(y), 25))
    # For fidelity, copies are the training rows themselves.
    for name in FIDELITY - {"two-sample AUC"}:
        line = line_of(report, name)
        assert_allclose(line.value, line.baseline)
    scores = train_on_synthetic(classifier, X, y, X_new, y_new, X_holdout, y_holdout)
    line = line_of(report, "train synthetic, test real")
    assert (line.value, line.baseline) == (
        scores.train_synthetic_test_real,
        scores.train_real_test_real,
    )
    assert line_of(report, "train real, test synthetic").value == scores.train_real_test_synthetic
    line = line_of(report, "training proximity")
    mean, std = X.mean(axis=0), X.std(axis=0)
    expected = training_proximity(*((Z - mean) / std for Z in (X_new, X, X_holdout)), scale=None)
    assert (line.value, line.baseline) == (expected.share, 0.5)
    assert report.n_holdout == dict.fromkeys(np.unique(y).tolist(), 25)


@pytest.mark.parametrize("with_holdout", [False, True])
def test_a_copier_is_marked_for_privacy_and_not_for_fidelity(with_holdout):
    X, y, *holdout = iris()
    report = augmentation_report(
        Rigged(X, y), X, y, *(holdout if with_holdout else ()), random_state=0
    )
    for label in ("(all)", 0, 1, 2):
        assert marked(report, label) >= CLOSENESS
        assert not marked(report, label) & FIDELITY
        assert values(report, label)["memorization share"] == 1
        assert values(report, label)["authenticity"] == 0
        assert ("training proximity" in marked(report, label)) == with_holdout


@pytest.mark.parametrize("with_holdout", [False, True])
def test_a_stranger_is_marked_for_fidelity_and_not_for_privacy(with_holdout):
    X, y, *holdout = iris()
    report = augmentation_report(
        Rigged(X + 20, y), X, y, *(holdout if with_holdout else ()), random_state=0
    )
    for label in ("(all)", 0, 1, 2):
        assert marked(report, label) >= FIDELITY | {"largest column difference"}
        assert not marked(report, label) & (CLOSENESS - {"distance ratio"})
        assert values(report, label)["coverage"] == 0
        assert values(report, label)["largest column difference"] == 1
    assert {"column 0", "column 3"} <= marked(report)


def test_p_values():
    """Those of far rows are the lowest possible; the baseline is that of real rows alone."""
    X, y, *holdout = iris()
    names = {"two-sample p-value", "MMD² p-value"}
    report = augmentation_report(
        Rigged(X + 20, y), X, y, *holdout, n_permutations=19, random_state=0
    )
    for label in ("(all)", 0, 1, 2):
        assert {values(report, label)[name] for name in names} == {1 / 20}
    usual = [line.baseline for line in report.lines if line.measure in names]
    assert len(usual) == 8
    # The halves are random: eight p-values below 0.1 have a probability of 10^-8.
    assert max(usual) > 0.1
    without = augmentation_report(
        Rigged(X + 20, y), X, y, *holdout, n_permutations=0, random_state=0
    )
    assert not {line.measure for line in without.lines} & names
    assert len(without.lines) == len(report.lines) - 8
    for line in without.lines:
        if line.measure == "two-sample AUC":
            assert line.value == values(report, line.label)["two-sample AUC"]


def test_fresh_rows_of_the_same_distribution_are_not_marked(random_seed):
    """A share of 400 rows has a standard deviation of 0.025; 0.1 above the baseline is 4."""
    rng = np.random.default_rng(random_seed)
    X, X_new, X_holdout = rng.normal(size=(3, 400, 3))
    y = np.repeat([0, 1], 200)
    report = augmentation_report(Rigged(X_new, y), X, y, X_holdout, y, random_state=random_seed)
    # Labels are random here, so classifiers score at chance.
    assert marked(report) <= {"train synthetic, test real"}


def test_the_column_that_differs_is_first():
    X, y = table((40, 40), 5)
    X_new = X.copy()
    X_new[:, 3] += 3
    report = augmentation_report(Rigged(X_new, y), X, y, random_state=0)
    columns = [line for line in report.lines if line.kind == "columns"]
    assert columns[0].measure == "column 3"
    assert columns[0].value == line_of(report, "largest column difference").value
    assert [line.value for line in columns[1:]] == [0] * 4
    assert report.plots.columns[0].name == "column 3"


def test_utility_needs_rows_held_out():
    X, y, *_ = iris()
    line = line_of(compare(X, y, X + 0.1, y, random_state=0), "train synthetic, test real")
    assert np.isnan(line.value)
    assert line.note == "needs rows held out"


def test_rows_of_few_categories_may_agree():
    X, y, X_holdout, _ = iris()
    X, X_new = (pd.DataFrame(np.round(Z) > 2).astype(str) for Z in (X, X_holdout))
    assert compare(X, y, X_new, y, random_state=0).alerts == ()
    assert len(compare(X, y, X, y, random_state=0).alerts) == 1
    # The many held-out rows have most of the values that exist, the few training rows do not.
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, 10, (n, 3)).astype(float) for n in (20, 100, 1000)]
    assert _alerts(*(Rows(X, None, X) for X in sets)) == ((), 0)


def test_rows_that_stand_in_two_sets_are_told():
    X, y, X_holdout, y_holdout = iris()
    assert compare(X, y, X + 0.1, y, X_holdout + 0.01, y_holdout).alerts == ()
    (same,) = compare(X, y, X[::-1], y[::-1], random_state=0).alerts
    assert same.startswith("The synthetic rows are the training rows")
    mixed = np.concatenate([X[:5], X_holdout[:3], X[8:75] + 0.013])
    report = compare(X, y, mixed, y, np.concatenate([X[:2], X_holdout]), [*y[:2], *y_holdout])
    copies, overlap, seen = report.alerts
    assert re.match(r"\d+ of 75 synthetic rows equal a training row", copies)
    assert re.match(r"\d+ of 77 rows held out equal a training row", overlap)
    assert re.match(r"\d+ of 75 synthetic rows equal a row held out", seen)
    assert "WARNING" in str(report)
    assert copies in report.to_html()
    with pytest.raises(ValueError, match="all rows of `X_holdout` are rows of `X`"):
        compare(X, y, X + 0.1, y, X[:20], y[:20])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X.rename(columns={"age": "years"}), "Column 0 is 'years' in `X_new` and 'age'"),
        (lambda X: X.drop(columns="age"), "`X_new` has 3 columns and `X` has 4"),
        (lambda X: X.assign(age="x"), "'age' holds numbers in `X` and categories in `X_new`"),
    ],
)
def test_columns_that_differ_are_named(change, message):
    X, y = frame_of()
    with pytest.raises(ValueError, match=message):
        compare(X, y, change(X), y)


def test_the_report_is_the_comparison_of_the_rows_drawn():
    X, y, *holdout = iris()
    augmenter = Rigged(X + 0.1, y)
    report = augmentation_report(augmenter, X, y, *holdout, random_state=3)
    drawn = augmenter.sample(dict.fromkeys(range(3), 25))
    again = compare(X, y, *drawn, *holdout, random_state=3)
    pd.testing.assert_frame_equal(report.to_frame(), again.to_frame())


# Which augmenters, and which rows


def test_an_unfitted_augmenter_is_cloned_and_fitted():
    X, y = table()
    augmenter = quick()
    report = augmentation_report(augmenter, X, y, random_state=0)
    fitted = augmentation_report(quick().fit(X, y), X, y, random_state=0)
    assert not hasattr(augmenter, "classes_")
    pd.testing.assert_frame_equal(report.to_frame(), fitted.to_frame())
    assert "close rows" not in values(report)


def test_after_fit_resample_the_classes_that_grew_are_compared():
    X, y = table((20, 12, 8))
    augmenter = quick(augmentation_factor=1.0)
    augmenter.fit_resample(X, y)
    report = augmentation_report(augmenter, X, y, random_state=0)
    assert report.n_synthetic == {0: 0, 1: 12, 2: 8}
    assert np.isnan(list(values(report, 0).values())).all()
    assert line_of(report, "coverage", 0).note == "there are no synthetic rows of the class"
    assert line_of(report, "copies", 2).value == 0
    privacy = augmenter.privacy_
    assert line_of(report, "close rows").value == privacy.share
    assert line_of(report, "close rows").baseline == privacy.expected_share
    assert "there are no synthetic rows of the class" in str(report).replace("\n  ", " ")


def test_an_error_of_the_augmenter_is_raised():
    X, y = table()
    with pytest.raises(ValueError, match="no generator"):
        augmentation_report(Rigged(X, y, without=(0, 1, 2)), X, y)


def test_small_classes_are_blank_and_say_why():
    X, y = table((30, 4, 1))
    report = augmentation_report(Rigged(X + 0.1, y), X, y, random_state=0)
    assert not np.isnan(line_of(report, "coverage", 0).value)
    assert np.isnan(line_of(report, "coverage", 1).value)
    assert line_of(report, "coverage", 1).note.startswith("needs 6 rows in either set")
    assert not np.isnan(line_of(report, "sliced Wasserstein", 1).value)
    assert all(np.isnan(value) for value in values(report, 2).values())
    # Halves of two rows allow a baseline for few measures.
    assert np.isnan(line_of(report, "two-sample AUC", 1).baseline)
    assert "needs 6 rows" in str(report)
    assert all(len(line) <= 80 for line in str(report).splitlines())
    Page(report.to_html())


def test_a_class_without_rows_held_out():
    X, y = table((20, 20))
    kept = y == 0
    report = augmentation_report(Rigged(X, y), X, y, X[kept] + 0.1, y[kept], random_state=0)
    assert np.isnan(line_of(report, "coverage", 1).value)
    assert line_of(report, "training proximity", 1).note == "the class has no rows held out"
    assert not np.isnan(line_of(report, "memorization share", 1).value)
    assert np.isnan(line_of(report, "memorization share", 1).baseline)


def test_frames_of_categories_and_missing_values():
    X, y = frame_of()
    X_holdout, y_holdout = frame_of(seed=1)
    augmenter = quick(missing="keep").fit(X, y)
    report = augmentation_report(augmenter, X, y, X_holdout, y_holdout, random_state=0)
    assert not np.isnan(list(values(report).values())).any()
    assert {line.measure for line in report.lines if line.kind == "columns"} == {
        f"column {name}" for name in X
    }
    copier = augmentation_report(Rigged(X, y), X, y, random_state=0)
    assert values(copier)["distance to closest record"] == 0
    assert values(copier)["largest column difference"] == 0


def test_two_categories_lie_one_apart():
    X = pd.DataFrame({"a": list("xyxy") * 10, "b": np.tile([0.0, 2.0], 20)})
    y = np.repeat([0, 1], 20)
    X_new = X.assign(a="z", b=0.0)
    report = augmentation_report(Rigged(X_new, y), X, y, random_state=0)
    # The root mean square over two columns, of which one agrees.
    assert_allclose(values(report)["distance to closest record"], np.sqrt(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("library", ["polars", "pyarrow"])
def test_other_frames_give_the_same(library):
    module = pytest.importorskip(library)
    pytest.importorskip("narwhals")
    X, y = frame_of()
    X = X.drop(columns="blood <b>&").fillna({"age": 50.0})
    convert = module.from_pandas if library == "polars" else module.Table.from_pandas
    reports = [augmentation_report(quick(), rows, y, random_state=0) for rows in (X, convert(X))]
    assert set(values(reports[0])) == set(values(reports[1]))
    assert not np.isnan(values(reports[1])["largest column difference"])
    Page(reports[1].to_html())


@pytest.mark.slow
def test_images_are_flattened():
    rng = np.random.default_rng(0)
    X, y = rng.random((30, 8, 8)), np.repeat([0, 1], 15)
    report = augmentation_report(Rigged(X, y), X, y, X[::-1] + 0.1, y[::-1], random_state=0)
    flat = Rigged(X.reshape(30, -1), y)
    flat.sample_shape_ = (8, 8)
    other = augmentation_report(
        flat, X.reshape(30, -1), y, X[::-1].reshape(30, -1) + 0.1, y[::-1], random_state=0
    )
    pd.testing.assert_frame_equal(report.to_frame(), other.to_frame())
    trained = augmentation_report(quick(decoder="direct"), X, y, random_state=0)
    assert trained.n_synthetic == {0: 15, 1: 15}


def test_lists_of_numbers_beside_text_and_masked_images():
    X, y = frame_of()
    X = X[["age", "city", "smokes"]].fillna(50)
    rows = [X.to_numpy(), X.assign(age=X["age"] + 0.5).to_numpy()]
    asked = {"categorical_features": [1], "n_permutations": 0, "random_state": 0}
    of_arrays = compare(rows[0], y, rows[1], y, **asked)
    of_lists = compare(rows[0].tolist(), y, rows[1].tolist(), y, **asked)
    assert of_lists.to_frame().equals(of_arrays.to_frame())
    images = np.ma.masked_less(np.random.default_rng(0).random((len(y), 8, 8)), 0.1)
    with pytest.raises(ValueError, match=f"with {np.ma.count_masked(images)} missing pixels"):
        compare(images, y, images, y)


def test_sparse_rows():
    X, y = table()
    X = np.where(X > 1, X, 0)
    expected = augmentation_report(Rigged(X, y), X, y, random_state=0)
    report = augmentation_report(
        Rigged(sparse.csr_array(X), y), sparse.coo_array(X), y.tolist(), random_state=0
    )
    pd.testing.assert_frame_equal(report.to_frame(), expected.to_frame())


def test_seeds():
    X, y = table((20, 20))
    frames = [
        augmentation_report(Rigged(X + 0.1, y), X, y, random_state=seed).to_frame()
        for seed in (0, 0, 1)
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert not frames[0].equals(frames[2])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"augmenter": object()}, TypeError, "has no sample"),
        ({"X_holdout": np.zeros((3, 4))}, ValueError, "`y_holdout` is None"),
        ({"y": np.zeros(3)}, ValueError, "`X` has the shape .* and `y` has 3 labels"),
        (
            {"X_holdout": np.zeros((3, 2)), "y_holdout": [0, 1, 2]},
            ValueError,
            "`X_holdout` has 2 columns and `X` has 4",
        ),
        (
            {"X_holdout": np.zeros((3, 4)), "y_holdout": [0, 1, 7]},
            ValueError,
            "`y_holdout` has the label 7, which y does not have",
        ),
        ({"y": np.full(40, 9)}, ValueError, "`y` has the label 9, which the augmenter's"),
        # Before the augmenter is fitted, which would raise another error.
        (
            {"augmenter": RHVAEAugmenter(max_epochs=0), "classifier": 3},
            TypeError,
            "`classifier` is 3",
        ),
        ({"random_state": "x"}, ValueError, "random_state"),
        ({"n_permutations": -1}, ValueError, "`n_permutations` is -1; give an integer of at"),
        (
            {"X": np.full((40, 2, 2), np.nan)},
            ValueError,
            "`X` holds images with 160 missing pixels, .* Fill them in all sets",
        ),
        (
            {"X": np.full((40, 2), np.inf)},
            ValueError,
            r"Input X contains infinity .* column 0 \(40 infinite\), .* Replace these values",
        ),
    ],
)
def test_errors(change, error, message):
    X, y = table()
    arguments = {"augmenter": Rigged(X, y), "X": X, "y": y} | change
    with pytest.raises(error, match=message):
        augmentation_report(**arguments)


# The result


@pytest.fixture(scope="module")
def report():
    """Return the report of a frame whose names and labels are no harmless HTML."""
    X, y = frame_of()
    return augmentation_report(Rigged(X, y), X, y, *frame_of(seed=1), random_state=0)


def test_it_prints_within_80_columns(report):
    lines = str(report).splitlines()
    assert max(map(len, lines)) <= 80
    summary = "60 synthetic rows, 60 training rows, 60 rows held out, 2 classes."
    assert summary in lines
    (line,) = [line for line in lines if line.startswith(" memorization share")]
    assert re.fullmatch(r" memorization share +1\.000 ! .*1\.00\.\.1\.00! lower is better", line)
    assert repr(report) == f"<AugmentationReport: {summary}>"


def test_it_cannot_be_changed(report):
    assert isinstance(report, AugmentationReport)
    with pytest.raises(AttributeError):
        report.lines = ()


def test_to_frame(report):
    frame = report.to_frame()
    names = ["measure", "class", "value", "baseline", "direction", "marked", "note"]
    assert list(frame.columns) == names
    assert len(frame) == len(report.lines)
    assert not frame.duplicated(["measure", "class"]).any()
    assert set(frame["class"]) == {"(all)", "ill <i>", "well"}
    assert frame["value"].dtype == frame["baseline"].dtype == float
    assert (frame["direction"] != "").all()


def test_the_page_is_one_file_that_loads_and_runs_nothing(report):
    html = report.to_html()
    page = Page(html)
    # Three heat maps.
    assert page.tags.count("image") == 3
    assert all(src.startswith("data:image/png;base64,") for src in page.loaded)
    assert "script" not in html
    assert "http" not in re.sub('base64,[^"]*', "", html)
    assert "url(" not in html
    assert "prefers-color-scheme: dark" in html


def test_the_page_answers_first_and_draws_every_column(report):
    text = Page(report.to_html()).text
    order = ["May these", "Realistic?", "Useful?", "Private?", "Warning: ", "Scores", "precision"]
    order += ["Columns that differ most", "differ most first", "Pairs of columns", "Missing values"]
    places = [text.index(words) for words in [*order, "How this was made"]]
    assert places == sorted(places)
    for name in report.plots.columns:
        assert f"{name.name} differs by" in text
    assert len(report.plots.columns) == 4
    assert "age15.0 %15.0 %" in text  # 9 of 60
    for words in (
        "No. Copies of training rows: 60 of 60",
        "scikit-learn",
        "UTC",
        "classifier",
        "Rigged",
    ):
        assert words in text
    # Every measure is explained, and each class has its baseline.
    assert "Share of real rows that lie where synthetic rows lie." in text
    line = line_of(report, "recall", "well")
    assert f"{line.value_text}{line.baseline_text}" in text


def test_notebooks_show_the_page_without_changing_their_own_style(report):
    part = report._repr_html_()
    Page(part)
    assert "<html" not in part
    assert part.split("<style>")[0] == '<div class="pyraug">\n'
    style = part.split("<style>")[1].split("</style>")[0]
    rules = re.findall(r"([^{}]+)\{[^{}]*\}", re.sub(r"@media [^{]*\{", "", style))
    assert len(rules) > 20
    assert all(".pyraug" in name for rule in rules for name in rule.split(","))


def test_wide_tables_are_cut_with_a_sentence():
    X, y = table((20, 20), 90)
    report = augmentation_report(Rigged(X + 0.1, y), X, y, n_permutations=0, random_state=0)
    html = report.to_html()
    text = Page(html).text
    assert "60 of 90 columns" in text
    assert "The 24 columns that differ most" in text
    assert len(html) < 200_000


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [((8, 8), (8, 8)), ((3, 6, 7), (6, 7, 3)), ((9, 8, 7), (8, 7)), ((200, 4), (67, 2))],
)
def test_images_are_drawn_beside_the_closest_real_ones(shape, pixels):
    rng = np.random.default_rng(0)
    X, y = rng.random((12, *shape)), np.repeat(["a", "b"], 6)
    report = compare(X, y, X[::-1] + 0.01, y[::-1], n_permutations=0, random_state=0)
    pictures = report.plots.pictures
    assert pictures.labels == ["a"] * 5 + ["b"] * 5
    assert pictures.real.shape == pictures.synthetic.shape == (10, *pixels)
    assert_allclose(pictures.synthetic - pictures.real, 0.01)
    page = Page(report.to_html())
    assert page.tags.count("img") == 30
    assert "closest real image" in page.text
    # A single pixel says nothing.
    assert "Columns that differ most" not in page.text
    flat = compare(
        X.reshape(12, -1),
        y,
        X.reshape(12, -1)[::-1] + 0.01,
        y[::-1],
        sample_shape=shape,
        n_permutations=0,
        random_state=0,
    )
    assert_allclose(flat.plots.pictures.real, pictures.real)


def test_names_are_escaped(report):
    html = report.to_html()
    assert "<i>" not in html
    assert "<b>" not in html
    text = Page(html).text
    assert "ill <i>" in text
    assert "column blood <b>&" in text


def test_no_rare_category_and_no_number_of_a_row_is_told():
    X, y = frame_of()
    X.loc[0, "city"], X.loc[1, "age"] = "Quillfeather", 31337.4242
    report = augmentation_report(Rigged(X, y), X, y, random_state=0)
    html = re.sub('base64,[^"]*', "", report.to_html())
    names = [h.bins for h in report.plots.columns if isinstance(h.bins, tuple)]
    for text in (html, str(report), str(report.to_frame()), str(names)):
        assert "Quillfeather" not in text
        assert "31337" not in text


def test_no_class_has_the_name_of_all_rows():
    """Its lines stood for those of all rows."""
    X, y = table((20, 20))
    labels = np.where(y == 0, "(all)", "ill")
    with pytest.raises(ValueError, match=r"`y` has the label '\(all\)', which stands for all rows"):
        compare(X, labels, X + 0.1, labels)


@pytest.mark.parametrize("where", ["X", "X_holdout"])
def test_errors_show_no_values(where):
    X, y = table((20, 20))
    bad = pd.DataFrame(X).astype(object)
    bad.iloc[0, 1] = "Quillfeather"
    sets = {"X": X, "X_holdout": X} | {where: bad}
    with pytest.raises(ValueError, match="1") as caught:
        augmentation_report(Rigged(X, y), y=y, y_holdout=y, **sets)
    assert "Quillfeather" not in str(caught.value)


def test_huge_values_are_measured_and_drawn():
    X, y = table((20, 20))
    X_new = X.copy()
    X_new[0], X_new[1] = 1e300, -1e300
    report = augmentation_report(Rigged(X_new, y), X, y, random_state=0)
    assert not np.isnan(values(report)["coverage"])
    Page(report.to_html())


def test_the_page_needs_no_matplotlib(report, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert Page(report.to_html()).tags.count("svg") > 8


def test_files_are_written_whole_and_not_over_others(report, tmp_path):
    path = tmp_path / "report.html"
    assert report.to_html(path) is None
    assert path.read_text(encoding="utf-8") == report.to_html()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        report.to_html(path)
    path.write_text("old")
    report.to_html(str(path), overwrite=True)
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_histograms_are_shares(report):
    for histogram in (report.plots.distances, *report.plots.columns):
        assert_allclose([histogram.real.sum(), histogram.synthetic.sum()], 1)
    assert report.plots.distances.synthetic[0] == 1
