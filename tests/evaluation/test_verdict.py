"""The verdict and the scores of a report: how they are derived, and what they advise."""

import re
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from shared import quick, table

from sklearn_pyraug import augmentation_report, compare
from sklearn_pyraug._evaluation.results import make_line
from sklearn_pyraug._evaluation.verdict import find_scores

NAMES = ["column shapes", "column pairs", "coverage", "utility", "privacy"]


def drawn(rng, n=120, shift=3.0):
    """Return independent rows of two classes that can be told apart, and their labels."""
    y = np.repeat([0, 1], n // 2)
    return rng.normal(size=(n, 3)) + shift * y[:, None], y


@pytest.fixture(scope="module")
def sets():
    """Training rows, synthetic rows of the same kind and rows held out, with labels."""
    rng = np.random.default_rng(0)
    return [part for _ in range(3) for part in drawn(rng)]


def lights(report):
    return tuple(light.light for light in report.verdict)


def sentence(report, question):
    (light,) = [x for x in report.verdict if x.question == question]
    return light.sentence


def test_independent_rows_are_realistic_useful_and_private(sets):
    report = compare(*sets, n_permutations=0, random_state=0)
    assert lights(report) == ("green", "green", "green")
    assert list(report.scores) == NAMES
    for score in report.scores.values():
        # A second set of real rows: each score has a standard deviation of some hundredths.
        assert abs(score.value - score.baseline) < 15
    assert report.scores["utility"].value > 85


def test_copies_are_realistic_and_not_private(sets):
    X, y, _, _, *holdout = sets
    report = compare(X, y, X, y, *holdout, n_permutations=0, random_state=0)
    assert lights(report) == ("green", "green", "red")
    assert sentence(report, "private").startswith("Copies of training rows: 120 of 120")
    assert "since most of them are copies" in sentence(report, "realistic")
    assert report.scores["privacy"].value == 0
    # Without rows held out, too.
    assert lights(compare(X, y, X, y, n_permutations=0, random_state=0))[2] == "red"


def test_rows_beside_training_rows_are_not_private(sets):
    X, y, _, _, *holdout = sets
    report = compare(X, y, X + 1e-3, y, *holdout, n_permutations=0, random_state=0)
    assert lights(report)[2] == "red"
    assert sentence(report, "private").startswith(
        "Attacks find training rows: it can be told who was among them (membership AUC 1.00"
    )
    for measure in ("linkability", "attribute inference"):
        assert report.overall(measure).marked


def test_noise_is_neither_realistic_nor_useful(sets):
    X, y, *_, X_holdout, y_holdout = sets
    X_new = 20 * np.random.default_rng(1).normal(size=X.shape)
    report = compare(X, y, X_new, y, X_holdout, y_holdout, n_permutations=0, random_state=0)
    assert lights(report)[:2] == ("red", "red")
    assert lights(report)[2] != "red"
    assert "(precision 0.0" in sentence(report, "realistic")
    assert report.scores["coverage"].value < 20


def test_without_rows_held_out_two_questions_are_open(sets):
    report = compare(*sets[:4], n_permutations=0, random_state=0)
    assert lights(report) == ("green", "unknown", "unknown")
    for question in ("useful", "private"):
        assert "aside before the generator is trained" in sentence(report, question)
    assert np.isnan([report.scores[name].value for name in ("utility", "privacy")]).all()


def test_few_rows_held_out_tell_little(sets):
    few = [part[50:70] for part in sets[4:]]
    report = compare(*sets[:4], *few, n_permutations=0, random_state=0)
    assert lights(report)[2] == "unknown"
    assert "20 rows held out are too few" in sentence(report, "private")
    assert "needs 100 rows held out" in report.overall("membership at 1 % false").note
    assert "times as many rows" in report.overall("membership AUC").note
    assert "needs 100 rows held out" in str(report).replace("\n  ", " ")
    report = compare(*few, *sets[2:], n_permutations=0, random_state=0)
    assert "but 20 training rows are too few" in sentence(report, "private")


def test_what_one_class_of_few_rows_leaves_open_is_told(sets):
    """A mean over classes was shown with the margin of all rows, and red lights lay within it."""
    X, y, X_new, y_new, X_holdout, y_holdout = sets
    kept = np.r_[:60, 60:64]
    few = X_holdout[kept], y_holdout[kept]
    report = compare(X, y, X_new, y_new, *few, n_permutations=0, random_state=0)
    # Four rows make up half of the balanced accuracy.
    told = sentence(report, "useful")
    margin = float(re.search(r"±(.+?)\)", told)[1])
    assert margin > 0.1
    assert sentence(report, "realistic").endswith("rows of class 1 for an answer on these alone.")
    line = make_line("train synthetic, test real", "(all)", 0.75, 0.9)
    assert line.marked
    assert lights(replace(report, lines=(line, *report.lines)))[1] == "unknown"


def test_shares_of_close_rows_in_classes_of_few_rows_are_chance():
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(10), 12)
    sets = [part for _ in range(3) for part in (rng.normal(size=(120, 3)) + y[:, None], y)]
    assert lights(compare(*sets, n_permutations=0, random_state=0))[2] == "green"


def test_two_rows_are_no_grounds_for_a_yes(sets):
    X, y, X_new, y_new, *_ = (part[[0, -1]] for part in sets)
    report = compare(X, y, X_new, y_new, n_permutations=0, random_state=0)
    assert lights(report) == ("unknown", "unknown", "unknown")
    assert "at least 6" in sentence(report, "realistic")


def test_marks_of_few_rows_are_chance(sets):
    """Five independent rows were called far from real ones."""
    X, y, X_new, y_new, *holdout = sets
    kept = np.r_[:3, 60:62]
    report = compare(X, y, X_new[kept], y_new[kept], *holdout, n_permutations=0, random_state=0)
    assert any(x.marked and x.kind == "fidelity" for x in report.lines)
    assert lights(report)[0] == "unknown"


def test_other_shares_of_classes_are_told(sets):
    X, y, X_new, y_new, *holdout = sets
    kept = np.r_[:10, 60:120]
    report = compare(X, y, X_new[kept], y_new[kept], *holdout, n_permutations=0, random_state=0)
    assert "other shares" in report.basis
    assert "other shares" not in compare(*sets, n_permutations=0, random_state=0).basis


def test_labels_that_no_column_tells_leave_usefulness_open():
    rng = np.random.default_rng(0)
    sets = [part for _ in range(3) for part in drawn(rng, shift=0.0)]
    light = compare(*sets, n_permutations=0, random_state=0).verdict[1]
    assert light.light == "unknown"
    assert "hardly anything" in light.sentence


def test_a_class_that_differs_is_named(sets):
    X, y, X_new, *rest = sets
    # Narrower than the class, because all rows together are wide.
    X_new = np.where((y == 1)[:, None], (X_new - 3) * 0.3 + 3, X_new)
    report = compare(X, y, X_new, *rest, n_permutations=0, random_state=0)
    assert lights(report)[0] == "amber"
    assert "class 1" in sentence(report, "realistic")


@pytest.mark.parametrize(
    ("parameters", "told", "not_told"),
    [
        ({}, ("min_distance='auto'", "scale=(0.5, 1.0)", "decoder='direct'"), ()),
        ({"min_distance": "auto"}, ("decoder='direct'",), ("min_distance",)),
        ({"decoder": "direct"}, ("min_distance='auto'",), ("decoder", "scale")),
    ],
)
def test_the_advice_fits_the_augmenter(parameters, told, not_told):
    X, y = table((20, 20))
    augmenter = quick(**parameters).fit(X, y)
    # Its rows are replaced by copies, for which there is advice.
    augmenter.sample = lambda n_samples: (X, y)
    text = sentence(augmentation_report(augmenter, X, y, n_permutations=0), "private")
    assert all(words in text for words in told)
    assert not any(words in text for words in not_told)
    general = sentence(compare(X, y, X, y, n_permutations=0), "private")
    assert "min_distance" not in general


def test_single_values_have_a_remedy_of_their_own(sets):
    """The advice was min_distance, which leaves each value as it is."""
    X, y, _, _, *holdout = sets
    augmenter = quick().fit(X, y)
    # Within a class, each column is shuffled by itself.
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.permuted(X[y == k], axis=0) for k in (0, 1)])
    augmenter.sample = lambda n_samples: (rows, y)
    report = augmentation_report(augmenter, X, y, *holdout, n_permutations=0, random_state=0)
    text = sentence(report, "private")
    assert "singling out" in text
    assert "Columns(value_mapping=None)" in text


def test_the_printed_report_begins_with_the_verdict(sets):
    text = str(compare(*sets[:4], n_permutations=0, random_state=0))
    lines = text.splitlines()
    assert lines[0].startswith("Realistic? (+) yes: ")
    assert [line for line in lines if line.startswith("Private?   (?) unknown: ")]
    assert [line for line in lines if line.startswith(" column shapes ")]


def test_a_score_is_made_of_one_line(sets):
    report = compare(*sets, n_permutations=0, random_state=0)
    overall = {line.measure: line for line in report.lines if line.is_overall}
    assert [score.name for score in find_scores(overall)] == NAMES
    line = overall["mean column difference"]
    score = report.scores["column shapes"]
    assert_allclose(
        [score.value, score.baseline], [100 - 100 * line.value, 100 - 100 * line.baseline]
    )
    risks = [
        (x.value - x.baseline) / (1 - x.baseline)
        for x in map(
            report.overall,
            ("membership AUC", "membership at 1 % false", "linkability", "attribute inference"),
        )
    ]
    assert_allclose(report.scores["privacy"].value, 100 * (1 - max(0, *risks)))


@pytest.mark.parametrize(
    ("measure", "value", "baseline", "margin", "marked"),
    [
        ("two-sample AUC", 0.85, 0.5, 0.0, True),
        ("two-sample AUC", 0.85, float("nan"), 0.0, True),
        # The classifier tells real rows from each other just as well.
        ("two-sample AUC", 0.85, 0.8, 0.0, False),
        ("membership AUC", 0.65, 0.5, 0.05, True),
        ("membership AUC", 0.65, 0.5, 0.2, False),
        ("linkability", 0.35, 0.2, 0.1, True),
        ("linkability", 0.35, 0.2, 0.16, False),
    ],
)
def test_what_chance_or_the_baseline_explains_is_not_marked(
    measure, value, baseline, margin, marked
):
    assert make_line(measure, 0, value, baseline, margin=margin).marked == marked
