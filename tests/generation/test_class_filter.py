"""Rows that another class finds more likely: what is dropped, what is drawn again, what is kept."""

import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal, assert_equal
from shared import quick, table
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

from sklearn_pyraug._generation import fitted as _generators
from sklearn_pyraug._generation import groups as _parallel
from sklearn_pyraug._generation import sample as _drawing
from sklearn_pyraug._generation.fitted import ClassGenerators, Output, Plan
from sklearn_pyraug._generation.groups import TrainedGroup
from sklearn_pyraug._generation.sample import ClassDraw, _best, _deficits, draw_classes
from sklearn_pyraug._random import attempt_seed
from sklearn_pyraug.rhvae import ClassHistory, Generator

FILTER = {"class_filter": "likelihood"}
NETWORKS = {
    "default": {},
    "default, per class": {"shared": False},
    "default, two generators": {"n_generators": 2},
    "direct": {"decoder": "direct"},
    "direct, two generators": {"decoder": "direct", "n_generators": 2},
}
every_network = pytest.mark.parametrize("networks", NETWORKS.values(), ids=NETWORKS)
# So few weights in a stack that every member is a group, and that there are jobs to share out.
ONE_MEMBER_A_GROUP = {"cpu": 1}


def overlapping(sizes=(20, 14, 9), seed=0):
    """Return classes whose centres lie one standard deviation apart."""
    X, y = table(sizes, seed=seed)
    return X - 1.5 * y[:, None], y


def separated(sizes=(20, 14, 9)):
    X, y = table(sizes)
    return X + 10.0 * y[:, None], y


# --- scores of classes ---------------------------------------------------------------------


class Bell:
    """Stands in for `score_rows`: member m finds rows as likely as N(mean_m, I) does."""

    def __init__(self, means):
        self.means = means

    def __call__(self, generator, rows, streams, device):
        means = torch.tensor([self.means[m] for m in generator.origins])
        return [-0.5 * (x - means.unsqueeze(1)).square().sum(-1).double() for x in rows]


def bells(groups, n_classes, *, fallback=(), n_generators=1, untrained=()):
    """Return generators whose groups are given by their members."""
    stack = torch.nn.Linear(1, 1)

    def history(m):
        losses = np.zeros(0 if m in untrained else 1)
        return ClassHistory(losses, losses, 0, 0)

    trained = [
        TrainedGroup(g, Generator(stack, None, g), [history(m) for m in g], None) for g in groups
    ]
    return ClassGenerators(
        None, None, Plan(n_generators=n_generators), trained, dict.fromkeys(fallback),
        {}, n_classes, {}, None, Output(class_filter="likelihood"), None,
    )  # fmt: skip


MEANS = {0: [0.0, 0.0], 1: [4.0, 0.0], 2: [0.0, 3.0]}
ROWS = {
    0: np.array([[0.0, 0.0], [2.0, 0.0], [3.0, 0.0], [1.0, 3.0]], np.float32),
    1: np.array([[4.0, 1.0], [0.0, 0.0]], np.float32),
    2: np.array([[0.0, 1.0]], np.float32),
}


@pytest.mark.parametrize("groups", [[[0, 1, 2]], [[2], [0, 1]], [[1], [2], [0]]])
def test_deficits_are_differences_to_the_most_likely_class(groups, monkeypatch):
    monkeypatch.setattr(_drawing, "score_rows", Bell(MEANS))
    got = _deficits(bells(groups, 3), ROWS, 0, "cpu", None)
    # Half the square distances: (2, 0) is a tie, (3, 0) has 4.5 and 0.5, (1, 3) has 5 and 0.5.
    assert_allclose(got[0], [0.0, 0.0, 4.0, 4.5], atol=1e-6)
    assert_allclose(got[1], [0.0, 8.0], atol=1e-6)
    assert_allclose(got[2], [1.5], atol=1e-6)


@pytest.mark.parametrize("absent", [{"fallback": [1]}, {"untrained": [1]}])
def test_a_class_without_a_generator_does_not_compete(absent, monkeypatch):
    monkeypatch.setattr(_drawing, "score_rows", Bell(MEANS))
    rows = {0: ROWS[0]}
    got = _deficits(bells([[0, 1], [2]], 3, **absent), rows, 0, "cpu", None)
    assert_allclose(got[0], [0.0, 0.0, 0.0, 4.5], atol=1e-6)
    alone = bells([[0, 1], [2]], 3, fallback=[1, 2])
    assert_array_equal(_deficits(alone, rows, 0, "cpu", None)[0], np.zeros(4))


def test_several_generators_of_a_class_are_a_mixture(monkeypatch):
    """Class 0 has its generators at 0 and 6, class 1 both at 4: (6, 0) is then class 0's."""
    means = {0: [0.0, 0.0], 1: [4.0, 0.0], 2: [6.0, 0.0], 3: [4.0, 0.0]}
    monkeypatch.setattr(_drawing, "score_rows", Bell(means))
    x = np.array([[6.0, 0.0], [4.5, 0.0]], np.float32)
    got = _deficits(bells([[0, 1], [2, 3]], 2, n_generators=2), {0: x}, 0, "cpu", None)[0]
    own = np.logaddexp(-0.5 * x[:, 0] ** 2, -0.5 * (x[:, 0] - 6) ** 2) - np.log(2)
    other = -0.5 * (x[:, 0] - 4) ** 2
    assert_allclose(got, np.maximum(other - own, 0.0), atol=1e-6)
    assert got[0] == 0 < got[1]


def test_a_row_that_is_impossible_everywhere_is_nobodys_else(monkeypatch):
    def nothing(generator, rows, streams, device):
        return [torch.full((2, len(x)), -torch.inf) for x in rows]

    monkeypatch.setattr(_drawing, "score_rows", nothing)
    got = _deficits(bells([[0, 1]], 2), {0: ROWS[0]}, 0, "cpu", None)
    assert_array_equal(got[0], np.zeros(4))


# --- rounds --------------------------------------------------------------------------------


def test_the_best_are_kept_in_the_order_of_drawing():
    deficit = np.array([0.0, 3.0, 0.0, 1.0])
    pool = _best(None, (np.arange(4), np.arange(4), deficit), 4)
    assert_array_equal(pool[0], [0, 2, 3, 1])
    pool = _best(pool, (np.array([4, 5]), np.array([4, 5]), np.array([2.0, 0.0])), 4)
    assert_array_equal(pool[0], [0, 2, 5, 3])
    assert_array_equal(pool[1], pool[0])
    assert_array_equal(pool[2], [0.0, 0.0, 0.0, 1.0])


@pytest.fixture
def scripted(monkeypatch):
    """Let every draw return its own number, and a function say which of these pass."""
    rounds = []

    def fill(generators, n_new, root, *arguments):
        rounds.append((dict(n_new), root))
        first = 100 * len(rounds)
        return {
            k: ClassDraw(
                [np.arange(first, first + n, dtype=np.float32)[:, None]],
                [np.arange(first, first + n)],
                {"step_size": float(len(rounds))},
            )
            for k, n in n_new.items()
        }

    def install(deficit):
        monkeypatch.setattr(_drawing, "_fill", fill)
        monkeypatch.setattr(
            _drawing,
            "_deficits",
            lambda generators, rows, *arguments: {k: deficit(k, T[:, 0]) for k, T in rows.items()},
        )
        return rounds

    return install


def test_what_is_missing_is_drawn_again(scripted):
    """Class 0 loses every other row, class 1 none."""
    rounds = scripted(lambda k, T: T % 2 if k == 0 else 0 * T)
    drawn = draw_classes(bells([[0, 1]], 2), {0: 5, 1: 3}, 7, None, "cpu", None)
    assert [n for n, _ in rounds] == [{0: 5, 1: 3}, {0: 2}, {0: 1}]
    assert_array_equal(drawn[0].rows[0][:, 0], [100, 102, 104, 200, 300])
    assert_array_equal(drawn[0].origins[0], [100, 102, 104, 200, 300])
    assert_array_equal(drawn[1].origins[0], [100, 101, 102])
    # Three rows of eight, and none.
    assert drawn[0].info == {"step_size": 1.0, "rejected_share": 3 / 8}
    assert drawn[1].info == {"step_size": 1.0, "rejected_share": 0.0}


def test_every_round_has_seeds_of_its_own(scripted):
    rounds = scripted(lambda k, T: 1 + 0 * T)
    draw_classes(bells([[0, 1]], 2), {0: 2}, 7, None, "cpu", None)
    seeds = [root for _, root in rounds]
    assert seeds[0] == 7
    assert len(set(seeds)) == len(seeds) == 6
    # Those that replace copies of a reference are others.
    assert not set(seeds) & {attempt_seed(7, i) for i in range(1, 11)}


def test_after_five_rounds_the_closest_are_kept(scripted):
    """Nothing ever passes, and the later a row is drawn the less it lacks."""
    rounds = scripted(lambda k, T: 1000 - T)
    drawn = draw_classes(bells([[0, 1]], 2), {0: 3}, 7, None, "cpu", None)
    assert [n for n, _ in rounds] == [{0: 3}] * 6
    assert_array_equal(drawn[0].origins[0], [602, 601, 600])
    assert drawn[0].info["rejected_share"] == 1.0


def test_without_a_filter_nothing_is_scored(scripted):
    rounds = scripted(None)
    generators = bells([[0, 1]], 2)._replace(output=Output())
    drawn = draw_classes(generators, {0: 5, 1: 3}, 7, None, "cpu", None)
    assert rounds == [({0: 5, 1: 3}, 7)]
    assert drawn[0].info == {"step_size": 1.0}


# --- the estimator -------------------------------------------------------------------------


@every_network
def test_counts_are_met(networks):
    X, y = overlapping()
    augmenter = quick(**FILTER, **networks)
    X_res, y_res = augmenter.fit_resample(X, y)
    assert_array_equal(np.bincount(y_res), [40, 40, 40])
    assert_array_equal(y[augmenter.origin_indices_], y_res)
    assert_array_equal(X_res[: len(X)], X)
    assert list(augmenter.sampler_info_) == [0, 1, 2]
    shares = [i["rejected_share"] for i in augmenter.sampler_info_.values()]
    # One standard deviation apart: about every third row is nearer to another centre.
    assert 0 < np.mean(shares) < 0.8
    assert len(augmenter.sample({1: 5})[0]) == 5
    assert list(augmenter.sampler_info_) == [1]


@every_network
def test_what_all_classes_call_their_own_stays_as_it_was(networks):
    X, y = separated()
    # Trained until no row strays.
    settings = {"max_epochs": 100, "lr": 0.02, "sampler": "posterior"} | networks
    filtered, plain = quick(**FILTER, **settings), quick(**settings)
    X_res, _ = filtered.fit_resample(X, y)
    assert_array_equal(X_res, plain.fit_resample(X, y)[0])
    for info in filtered.sampler_info_.values():
        assert info.pop("rejected_share") == 0.0
    assert_equal(filtered.sampler_info_, plain.sampler_info_)


@pytest.mark.parametrize("networks", [{}, {"decoder": "direct"}], ids=["default", "direct"])
def test_what_passes_is_more_likely_its_own_classs(networks):
    """Under the true densities fewer of the filtered rows belong elsewhere."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 150)
    X = rng.normal(size=(300, 2)) + [1.5, 0] * y[:, None]
    wrong = []
    for class_filter in (None, "likelihood"):
        augmenter = quick(max_epochs=60, class_filter=class_filter, output="draw", **networks)
        X_new, y_new = augmenter.fit(X, y).sample(300)
        wrong.append(np.mean((X_new[:, 0] > 0.75) != y_new))
    # Φ(−0.75) = 0.23 of a class lie beyond the middle.
    assert wrong[0] > 0.15
    assert wrong[1] < 0.5 * wrong[0]


@every_network
def test_twice_the_same(networks):
    X, y = overlapping()
    one, two = quick(**FILTER, **networks), clone(quick(**FILTER, **networks))
    assert_array_equal(one.fit_resample(X, y)[0], two.fit_resample(X, y)[0])
    assert_equal(one.sampler_info_, two.sampler_info_)
    assert_array_equal(one.sample(3)[0], two.sample(3)[0])


@every_network
def test_other_classes_counts_change_nothing(networks):
    X, y = overlapping()
    augmenter = quick(**FILTER, **networks).fit(X, y)
    X_new, y_new = augmenter.sample({0: 7, 1: 12, 2: 5})
    info = augmenter.sampler_info_[1]
    for counts in ({1: 12}, {0: 40, 1: 12}, {1: 12, 2: 33}):
        X_other, y_other = augmenter.sample(counts)
        # Sums over stacks of other sizes may be made in another order.
        assert_allclose(X_other[y_other == 1], X_new[y_new == 1], rtol=1e-4, atol=1e-5)
        assert augmenter.sampler_info_[1]["rejected_share"] == info["rejected_share"]


@pytest.mark.parametrize("backend", ["loky", "threading"])
@every_network
def test_number_of_jobs(monkeypatch, backend, networks):
    monkeypatch.setattr(_parallel, "_MAX_WEIGHTS", ONE_MEMBER_A_GROUP)
    X, y = overlapping()
    expected = quick(n_jobs=1, **FILTER, **networks).fit_resample(X, y)[0]
    settings = {"inner_max_num_threads": 1} if backend == "loky" else {}
    with joblib.parallel_config(backend, **settings):
        got = quick(n_jobs=2, **FILTER, **networks).fit_resample(X, y)[0]
    assert_array_equal(got, expected)


@every_network
def test_classes_that_coincide_come_to_an_end(networks):
    """The same rows in two classes: neither can be told from the other."""
    X, y = table((12, 12))
    X = np.tile(X[y == 0], (2, 1))
    y = np.repeat([0, 1], 12)
    augmenter = quick(sampling_strategy={0: 30, 1: 25}, **FILTER, **networks)
    _, y_res = augmenter.fit_resample(X, y)
    assert_array_equal(np.bincount(y_res), [30, 25])
    assert max(i["rejected_share"] for i in augmenter.sampler_info_.values()) > 0.1


@pytest.mark.filterwarnings("ignore:Too few rows to train")
def test_a_class_too_small_for_a_generator_is_left_alone():
    X, y = overlapping((20, 14, 2))
    filtered, plain = (quick(shared=False, **f) for f in (FILTER, {}))
    X_res, y_res = filtered.fit_resample(X, y)
    expected = plain.fit_resample(X, y)[0]
    assert_array_equal(np.bincount(y_res), [40, 40, 40])
    assert_array_equal(X_res[y_res == 2], expected[y_res == 2])
    assert list(filtered.sampler_info_) == [0, 1]


@pytest.mark.filterwarnings("ignore:Too few rows to train")
@pytest.mark.parametrize("networks", [{}, {"shared": False}], ids=["default", "per class"])
def test_no_class_is_large_enough(networks):
    X, y = overlapping((2, 1))
    augmenter = quick(**FILTER, **networks)
    assert_array_equal(np.bincount(augmenter.fit_resample(X, y)[1]), [4, 4])
    assert augmenter.sampler_info_ == {}


@every_network
def test_a_class_that_does_not_grow_is_compared_with(networks):
    """Else the minority alone would be trained, and would lose nothing to the majority."""
    X, y = overlapping((30, 12, 3))
    augmenter = quick(sampling_strategy={1: 40}, **FILTER, **networks)
    _, y_res = augmenter.fit_resample(X, y)
    assert_array_equal(np.bincount(y_res), [30, 40, 3])
    assert augmenter.sampler_info_[1]["rejected_share"] > 0
    # What the caller sees are the classes that grew.
    assert list(augmenter.history_) == list(augmenter.n_epochs_) == [1]
    with pytest.raises(ValueError, match="0"):
        augmenter.sample({0: 3})


def test_copies_of_a_reference_are_still_replaced(monkeypatch):
    X, y = overlapping((40, 30))
    X = np.round(2.0 * X[:, :2])
    _, group, count = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    once = count[group.ravel()] == 1

    def n_copies():
        augmenter = quick(**FILTER)
        X_res, y_res = augmenter.fit_resample(X, y)
        assert_array_equal(np.bincount(y_res), [80, 80])
        new = augmenter.synthetic_mask_
        origin = augmenter.origin_indices_[new]
        return np.sum((X_res[new] == X[origin]).all(1) & once[origin])

    assert n_copies() == 0
    monkeypatch.setattr(_generators, "_MAX_REDRAWS", 0)
    assert n_copies() > 0


def test_mixed_table():
    X, y = overlapping()
    frame = pd.DataFrame(X, columns=list("abcd"))
    frame["e"] = pd.Categorical(np.where(X[:, 0] > 0, "high", "low"))
    frame.loc[::5, "b"] = np.nan
    augmenter = quick(missing="keep", **FILTER)
    X_res, y_res = augmenter.fit_resample(frame, y)
    assert_array_equal(np.bincount(y_res), [40, 40, 40])
    assert set(X_res["e"]) == {"high", "low"}
    assert all(0 <= i["rejected_share"] <= 1 for i in augmenter.sampler_info_.values())


@pytest.mark.parametrize("decoder", ["deformation", "direct"])
def test_images(decoder):
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 10)
    X = rng.uniform(size=(20, 36)) * np.where(y[:, None], np.linspace(0, 1, 36), 1.0)
    augmenter = quick(sample_shape=(6, 6), decoder=decoder, **FILTER)
    assert_array_equal(np.bincount(augmenter.fit_resample(X, y)[1]), [20, 20])


@pytest.mark.parametrize("value", ["none", "likelihoods", "", True, 1, 0.5])
def test_other_values_are_refused(value):
    X, y = overlapping()
    with pytest.raises(InvalidParameterError, match="'class_filter'.*'likelihood'"):
        quick(class_filter=value).fit(X, y)


def test_the_filter_can_be_set_after_training():
    X, y = overlapping()
    augmenter = quick().fit(X, y)
    augmenter.sample(4)
    assert "rejected_share" not in augmenter.sampler_info_[0]
    augmenter.set_params(**FILTER).sample(4)
    assert 0 <= augmenter.sampler_info_[0]["rejected_share"] <= 1


@pytest.mark.parametrize("decoder", ["auto", "direct"])
def test_fewer_rows_than_generators(decoder, monkeypatch):
    """A generator in a group of its own that had nothing to draw broke the draws of others."""
    monkeypatch.setattr(_parallel, "_MAX_WEIGHTS", ONE_MEMBER_A_GROUP)
    X, y = overlapping()
    augmenter = quick(n_generators=3, decoder=decoder).fit(X, y)
    assert_array_equal(augmenter.sample({0: 1, 2: 2})[1], [0, 2, 2])
