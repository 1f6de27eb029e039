"""Tests of the display of losses, drawn without a screen."""

from types import SimpleNamespace

import numpy as np
import pytest
from imblearn.over_sampling import SMOTE
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError

from sklearn_pyraug import RHVAEAugmenter, RHVAEEmbedder
from sklearn_pyraug.plotting import SyntheticSamplesDisplay, TrainingCurvesDisplay
from sklearn_pyraug.rhvae import ClassHistory

pytest.importorskip("matplotlib")


def record(n_epochs, best_epoch, held_out=True, level=0.0):
    train = level + 10.0 / np.arange(1, n_epochs + 1)
    valid = train + 1 if held_out else np.full(n_epochs, np.nan)
    return ClassHistory(train, valid, best_epoch, n_rollbacks=0)


def record_with_terms(n_epochs, best_epoch, **options):
    kept = record(n_epochs, best_epoch, **options)
    return kept._replace(
        train_reconstruction=0.75 * kept.train_loss, valid_reconstruction=0.75 * kept.valid_loss
    )


def fitted(history):
    return SimpleNamespace(history_=history)


def marks(ax, marker):
    """Return [(epoch, loss)] of the marks of a kind."""
    lines = [
        line for line in ax.lines if line.get_marker() == marker and len(line.get_xdata()) == 1
    ]
    return [(line.get_xdata()[0], line.get_ydata()[0]) for line in lines]


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_curves_and_marks_are_those_of_the_records():
    history = {"a": record(8, 5), "b": record(6, 6, level=2.0)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history))
    for name, kept in history.items():
        train, valid = display.lines_[name]
        assert_array_equal(train.get_xdata(), np.arange(1, len(kept.train_loss) + 1))
        assert_array_equal(train.get_ydata(), kept.train_loss)
        assert_array_equal(valid.get_ydata(), kept.valid_loss)
        assert train.get_linestyle() == "--"
        assert valid.get_linestyle() == "-"
        assert (kept.best_epoch, kept.valid_loss[kept.best_epoch - 1]) in marks(display.ax_, "o")
        assert (len(kept.train_loss), kept.valid_loss[-1]) in marks(display.ax_, "|")
    a, b = (display.lines_[name][0] for name in "ab")
    assert a.get_color() != b.get_color()
    assert a.get_marker() != b.get_marker()
    assert display.ax_.get_xlabel() == "epoch"
    assert display.ax_.get_ylabel() == "negative ELBO (nats per row)"
    assert legend_texts(display.ax_)[-2:] == ["a", "b"]


def test_without_held_out_rows_one_curve_and_no_word_of_them():
    display = TrainingCurvesDisplay.from_estimator(fitted({0: record(4, 3, held_out=False)}))
    assert len(display.lines_["0"]) == 1
    assert legend_texts(display.ax_) == ["training rows", "best epoch", "stopped"]
    assert marks(display.ax_, "o") == [(3, 10 / 3)]


def test_a_shared_generator_is_drawn_once():
    one = record(5, 2)
    copy = record(5, 2)  # as read from a file
    display = TrainingCurvesDisplay.from_estimator(fitted({"a": one, "b": one, "c": copy}))
    assert list(display.lines_) == ["all classes"]
    assert display.ax_.get_title().endswith("(all classes)")


def test_all_lines_can_be_told_apart_up_to_24_classes():
    history = {k: record(9, 4, level=k) for k in range(24)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history))
    looks = {(a.get_color(), a.get_marker()) for a, _ in display.lines_.values()}
    assert len(looks) == 24
    assert legend_texts(display.ax_)[-24:] == [str(k) for k in range(24)]


def test_more_classes_are_counted_instead_of_named():
    history = {k: record(9, 4, level=k) for k in range(25)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history))
    assert display.ax_.get_title().endswith("(25 classes)")
    assert "24" not in legend_texts(display.ax_)


def test_epochs_that_classes_share_are_drawn_once_and_their_own_are_widened():
    histories = {name: record(12, 11) for name in "ab"}
    for level, history in enumerate(histories.values()):
        history.train_loss[10:] += level
    display = TrainingCurvesDisplay.from_estimator(fitted(histories), terms=False)
    ax = display.ax_
    common = ax.lines[0]
    assert common.get_color() == "black"
    assert_array_equal(common.get_xdata(), np.arange(1, 11))
    assert_array_equal(display.lines_["b"][0].get_xdata(), [10, 11, 12])
    left, border, right = ax.transData.transform([(1, 0), (10, 0), (12, 0)])[:, 0]
    assert (right - border) / (right - left) == pytest.approx(0.4)
    assert "each its own" in legend_texts(ax)


def test_the_first_epochs_do_not_rule_the_axis():
    history = record(40, 40)
    history.train_loss[:2] = 1e6
    ax = TrainingCurvesDisplay.from_estimator(fitted({"a": history})).ax_
    low, high = ax.get_ylim()
    late = [*history.train_loss[4:], *history.valid_loss[4:]]
    assert low < min(late) < max(late) < high < 2 * max(late)


def test_first_epoch_leaves_out_what_comes_before():
    history = {"short": record(3, 2), "long": record(9, 4, level=1.0)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history), first_epoch=4)
    assert_array_equal(display.lines_["long"][0].get_xdata(), np.arange(4, 10))
    assert len(display.lines_["short"][0].get_xdata()) == 0
    assert [epoch for epoch, _ in marks(display.ax_, "o")] == [4]
    assert [epoch for epoch, _ in marks(display.ax_, "|")] == [9]


@pytest.mark.parametrize("first_epoch", [0, 10, 2.0])
def test_a_first_epoch_outside_training_is_refused(first_epoch):
    with pytest.raises(ValueError, match=rf"`first_epoch` is {first_epoch}; give .* 1 to 9"):
        TrainingCurvesDisplay.from_estimator(fitted({0: record(9, 4)}), first_epoch=first_epoch)


def test_the_terms_have_panels_of_their_own():
    history = {
        "a": record_with_terms(8, 5),
        "b": record(6, 6, level=1.0),
        "c": record_with_terms(3, 1, level=2.0),
    }
    display = TrainingCurvesDisplay.from_estimator(fitted(history))
    assert len(display.axes_) == 3
    assert display.ax_ is display.axes_[0]
    assert set(display.term_lines_) == {"reconstruction", "divergence"}
    for name in "ac":
        for i, kind in enumerate(("train", "valid")):
            loss = getattr(history[name], f"{kind}_loss")
            for term, share in (("reconstruction", 0.75), ("divergence", 0.25)):
                assert_allclose(display.term_lines_[term][name][i].get_ydata(), share * loss)
    assert display.term_lines_["divergence"]["b"] == []
    assert len(display.lines_["b"]) == 2
    assert [ax.get_ylabel() for ax in display.axes_[1:]] == [
        "reconstruction (nats per row)",
        "divergence (nats per row)",
    ]
    assert [epoch for epoch, _ in marks(display.axes_[2], "|")] == [8, 3]
    assert legend_texts(display.axes_[2])[-3:] == ["a", "b", "c"]
    assert "terms" in display.figure_.get_suptitle()


def test_the_terms_can_be_left_out():
    history = {"a": record_with_terms(8, 5)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history), terms=False)
    assert len(display.axes_) == 1
    assert display.term_lines_ == {}
    with pytest.raises(ValueError, match="`ax` holds 2 axes, and 1 is drawn on; give it alone"):
        display.plot([display.ax_, display.ax_])


def test_a_given_axes_is_parted_for_the_terms():
    from matplotlib.figure import Figure

    figure = Figure()
    left, _ = figure.subplots(1, 2)
    history = {"a": record_with_terms(8, 5)}
    display = TrainingCurvesDisplay.from_estimator(fitted(history), ax=left)
    assert len(display.axes_) == 3
    assert not left.axison
    three = Figure().subplots(3)
    assert display.plot(three).axes_.tolist() == three.tolist()


def test_a_given_axes_is_drawn_on():
    from matplotlib.figure import Figure

    figure = Figure()
    left, right = figure.subplots(1, 2)
    display = TrainingCurvesDisplay.from_estimator(fitted({0: record(9, 4)}), ax=right)
    assert display.ax_ is right
    assert display.figure_ is figure
    assert not left.lines
    assert display.plot(left).ax_ is left


def test_a_trained_augmenter_is_drawn():
    X, y = load_iris(return_X_y=True)
    augmenter = RHVAEAugmenter(
        max_epochs=2, validation_fraction=0.2, shared=True, random_state=0
    ).fit(X, y)
    display = TrainingCurvesDisplay.from_estimator(augmenter)
    train, valid = display.lines_["all classes"]
    assert_array_equal(train.get_ydata(), augmenter.history_[0].train_loss)
    assert_array_equal(valid.get_ydata(), augmenter.history_[0].valid_loss)
    known, other = display.term_lines_["divergence"]["all classes"]
    assert_array_equal(known.get_ydata(), augmenter.history_[0].train_divergence)
    assert_array_equal(other.get_ydata(), augmenter.history_[0].valid_divergence)


def test_an_embedder_has_one_training():
    embedder = RHVAEEmbedder(max_epochs=2, random_state=0).fit(load_iris().data)
    (train, *_) = TrainingCurvesDisplay.from_estimator(embedder).lines_["all rows"]
    assert_array_equal(train.get_ydata(), embedder.history_.train_loss)


def test_an_unfitted_augmenter_is_refused():
    with pytest.raises(NotFittedError, match="RHVAEAugmenter has no `history_`; fit it"):
        TrainingCurvesDisplay.from_estimator(RHVAEAugmenter())
    with pytest.raises(NotFittedError, match="RHVAEAugmenter instance is not fitted yet"):
        SyntheticSamplesDisplay.from_estimator(RHVAEAugmenter(), np.eye(4), [0, 0, 1, 1])
    with pytest.raises(AttributeError, match="SMOTE has no `sample`; give"):
        SyntheticSamplesDisplay.from_estimator(SMOTE(), np.eye(4), [0, 0, 1, 1])


def test_nothing_trained_is_refused():
    with pytest.raises(ValueError, match="holds no epoch: no class was trained"):
        TrainingCurvesDisplay.from_estimator(fitted({}))
