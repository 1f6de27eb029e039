"""The comparison of methods: it must be fair, and its statistics correct."""

import gzip
import warnings

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.covariance import LedoitWolf
from threadpoolctl import threadpool_limits

from benchmarks import datasets
from benchmarks.gain import (
    command,
    cubes,
    data,
    generators,
    jobs,
    plot,
    report,
    resamplers,
    scoring,
    statistics,
    table,
)

QUICK = ["SVC", "k-NN"]
EXACT = ["random", "SMOTE", "BorderlineSMOTE", "ADASYN", "jitter", "pair", "mixture", "kde"]


@pytest.fixture
def overlapping():
    """A table of two classes that overlap, one of them rare; its columns differ in scale."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [40, 12])
    X = (rng.normal(size=(52, 3)) + y[:, None]) * [1.0, 10.0, 100.0] + 5.0
    return data.Split(X, y, X + 1000.0, y, None, seed=3)


def run(folder, *options):
    """Run the script on iris with quick classifiers; returns the records of the file."""
    argv = ["--sets", "iris", "--seeds", "2", "--classifiers", *QUICK, "--out", str(folder)]
    command.main([*argv, *options])
    return table.read(folder / "gain.csv")


# --- statistics -----------------------------------------------------------------------------


def test_ranks_share_ties_and_put_failures_last():
    means = np.array([[80.0, 90.0, 80.0, np.nan], [70.0, 60.0, 50.0, 40.0]])
    ranks = statistics.average_ranks(means)
    # Set 1: 2.5, 1, 2.5, 4; set 2: 1, 2, 3, 4.
    assert ranks.tolist() == [1.75, 1.5, 2.75, 4.0]
    small_is_good = statistics.average_ranks(means[1:], larger_is_better=False)
    assert small_is_good.tolist() == [4.0, 3.0, 2.0, 1.0]


def test_sums_in_another_order_are_a_tie():
    means = np.array([[0.1 + 0.2, 0.3]])
    assert statistics.average_ranks(means).tolist() == [1.5, 1.5]
    assert statistics.wins_and_losses(means[0] - 0.3) == (0, 0, 2)


def test_sets_are_counted_by_the_sign_of_the_difference():
    counts = statistics.wins_and_losses(np.array([1.0, -2.0, 0.0, 3.0, np.nan]))
    assert counts == (2, 1, 1)


def test_means_are_over_seeds_then_over_sets():
    """A set with more seeds must not weigh more."""
    scores = np.array([[1.0, 3.0, 5.0], [10.0, np.nan, np.nan], [np.nan] * 3])
    means = statistics.set_means(scores)
    np.testing.assert_array_equal(means, [3.0, 10.0, np.nan])
    assert statistics.mean_over_sets(scores) == 6.5


def test_the_bootstrap_has_the_width_of_the_standard_error():
    """Also for two seeds a set, as KEEL has: plain resampling gives 0.71 of it there."""
    rng = np.random.default_rng(0)
    differences = rng.normal(size=(400, 2)) + rng.normal(size=(400, 1))
    low, high = statistics.bootstrap_interval(differences, rng=rng)
    # The variance of the mean over sets: half of each set's unbiased variance, over 400 squared.
    error = np.sqrt((differences.var(axis=1, ddof=1) / 2).sum()) / 400
    assert (high - low) / (2 * norm.ppf(0.975) * error) == pytest.approx(1.0, abs=0.03)
    assert (low + high) / 2 == pytest.approx(differences.mean(), abs=0.1 * error)


def test_the_bootstrap_covers_the_truth():
    rng = np.random.default_rng(1)
    n_trials, hits = 400, 0
    for _ in range(n_trials):
        # Sets differ a lot; only the spread within them counts.
        differences = 0.3 + rng.normal(size=(6, 5))
        differences[:, :] += np.linspace(-50.0, 50.0, 6)[:, None]
        low, high = statistics.bootstrap_interval(differences, n_draws=400, rng=rng)
        hits += low <= 0.3 <= high
    # 30 rows: percentiles cover 0.93 to 0.95; 5 * sqrt(0.94 * 0.06 / 400) = 0.06.
    assert 0.88 <= hits / n_trials <= 0.99


def test_the_bootstrap_says_nothing_from_one_seed():
    assert np.isnan(statistics.bootstrap_interval(np.array([[1.0, 2.0], [1.0, np.nan]]))).all()
    assert np.isnan(statistics.bootstrap_interval(np.full((2, 2), np.nan))).all()


# --- data -----------------------------------------------------------------------------------


def test_groups_and_names():
    sets = data.expand_sets(["hdlss", "mnist50", "colon", "keel7"])
    assert sets[:5] == ["colon", "glioma", "prostate-ge", "warppie10p", "mnist50"]
    assert len(sets) == 12
    assert len(data.GROUPS["keel"]) == 20
    assert set(data.KEEL_SEVEN) < set(data.KEEL)
    assert len(data.expand_sets(["all"])) == sum(map(len, data.GROUPS.values()))
    assert data.expand_sets(["keel:other"]) == ["keel:other"]
    with pytest.raises(ValueError, match=r"--sets: 'mnst' is neither .* Groups: all, sklearn"):
        data.expand_sets(["mnst"])


@pytest.mark.parametrize(
    ("name", "n_rows", "expected"),
    [
        ("mnist50", (50, 50), (250, 250)),
        ("mnist10", (10, 10), (110, 110)),
        ("pneumonia20", (20, 20), (220, 220)),
        ("colon", (20, 11), (80, 80)),
        ("keel:pima", (20, 11), (20, 20)),
        ("keelraw:pima", (20, 11), (20, 20)),
        ("wine", (20, 11), (60, 60)),
    ],
)
def test_class_sizes_of_the_protocol(name, n_rows, expected):
    y = np.repeat([3, 7], n_rows)
    assert data.target_counts(name, y) == dict(zip([3, 7], expected, strict=True))
    assert data.target_counts(name, y, 2.5) == dict.fromkeys([3, 7], round(2.5 * n_rows[0]))


def write_idx(folder, n, side=28):
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(n, side, side), dtype=np.uint8)
    labels = (np.arange(n) % 10).astype(np.uint8)
    for name, array, header in (("images-idx3", images, 16), ("labels-idx1", labels, 8)):
        packed = gzip.compress(bytes(header) + array.tobytes())
        (folder / f"t10k-{name}-ubyte.gz").write_bytes(packed)
    return images, labels


def test_images_come_from_the_folder(tmp_path):
    _, labels = write_idx(tmp_path, 150)
    split = data.load_split("mnist10", 1, tmp_path)
    assert np.bincount(split.y_train).tolist() == [10] * 10
    assert len(split.y_test) == len(labels) - 100
    assert split.sample_shape == (28, 28)
    assert split.X_train.max() <= 1.0
    rows = {row.tobytes() for row in split.X_train}
    assert not rows & {row.tobytes() for row in split.X_test}
    again = data.load_split("mnist10", 1, tmp_path)
    np.testing.assert_array_equal(split.X_train, again.X_train)
    other = data.load_split("mnist10", 2, tmp_path)
    assert (split.X_train != other.X_train).any()


def test_pneumonia_keeps_its_official_test_part(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 60), ("val", 4), ("test", 9)):
        arrays[f"{part}_images"] = rng.integers(256, size=(n, 28, 28), dtype=np.uint8)
        arrays[f"{part}_labels"] = (np.arange(n) % 2).astype(np.uint8)[:, None]
    np.savez(tmp_path / "pneumoniamnist.npz", **arrays)
    split = data.load_split("pneumonia20", 0, tmp_path)
    assert np.bincount(split.y_train).tolist() == [20, 20]
    np.testing.assert_array_equal(split.X_test, arrays["test_images"].reshape(9, -1) / 255.0)
    assert split.y_test.tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("labels", [(-1, 1), ("relapse", "well")])
def test_wide_tables_are_cut_into_halves(labels, tmp_path):
    y = np.repeat(labels, [12, 6])
    np.savez(tmp_path / "colon.npz", X=np.arange(18 * 30).reshape(18, 30), y=y)
    split = data.load_split("colon", 4, tmp_path)
    for part in (split.y_train, split.y_test):
        assert np.unique(part, return_counts=True)[1].tolist() == [6, 3]
    assert split.sample_shape is None


def test_keel_folds_are_text(tmp_path, monkeypatch):
    arrays = {}
    for fold in range(2):
        for part, n in (("train", 4), ("test", 3)):
            arrays[f"fold{fold}-x_{part}"] = np.full((n, 2 + fold), str(fold + 0.5))
            arrays[f"fold{fold}-y_{part}"] = np.array(["0", "1", "0", "0"][:n])
    np.savez(tmp_path / "t.npz", **arrays)
    folds = datasets.parse_keel_folds(tmp_path / "t.npz")
    monkeypatch.setattr(datasets, "load_keel_folds", lambda name: folds)
    split = data.load_split("keel:t", 5)
    # Seed 5 is fold 1, augmented with seed 2.
    assert split.seed == 2
    np.testing.assert_array_equal(split.X_train, np.full((4, 3), 1.5))
    assert split.y_train.tolist() == [0, 1, 0, 0]
    assert split.X_test.shape == (3, 3)


def test_keel_words_become_numbers_and_gaps_go():
    text = "@relation x\nM, 1.5, negative\nF, 2, positive\nI, <null>, positive\nM, 3, negative\n"
    with pytest.raises(datasets.MissingData, match="not all numbers"):
        datasets.parse_keel(text)
    X, y = datasets.parse_keel(text, code_text=True)
    assert X.tolist() == [[1.0, 1.5], [0.0, 2.0], [1.0, 3.0]]
    assert y.tolist() == [0, 1, 0]


def test_absent_data_are_announced_once_and_left_out(tmp_path, capsys):
    assert command.available(["colon", "iris", "mnist50"], tmp_path) == ["iris"]
    said = capsys.readouterr().err
    assert "colon is left out: the data folder has no file colon.npz" in said
    assert command.available(["colon"], None) == []
    assert "--data FOLDER" in capsys.readouterr().err


# --- fairness -------------------------------------------------------------------------------


def test_no_scaler_sees_test_rows(overlapping, monkeypatch):
    """Test rows are 1000 away: whatever was fitted on them would show it."""
    seen = []
    scaler = data.StandardScaler

    class Listener(scaler):
        def fit(self, X, *args, **kwargs):
            seen.append(np.array(X))
            return super().fit(X, *args, **kwargs)

    monkeypatch.setattr(data, "StandardScaler", Listener)
    monkeypatch.setattr(data, "load_split", lambda *args: overlapping)
    pairs = [(train, "SVC") for train in (jobs.AUGMENTED, jobs.SYNTHETIC)]
    jobs.run(jobs.Task("iris", 0, "pair", tuple(pairs)))
    assert len(seen) == 1
    np.testing.assert_array_equal(seen[0], overlapping.X_train)


@pytest.mark.parametrize("name", [*EXACT, "ours:max_epochs=1,encoder__hidden_layer_sizes=8"])
def test_all_methods_reach_the_same_class_sizes(name, overlapping):
    counts = {0: 80, 1: 80}
    features = data.Features(overlapping.X_train, None)
    new = resamplers.resample(name, overlapping, features, counts)
    assert np.bincount(new.y).tolist() == [40, 68]
    assert new.X.shape == (108, 3)
    # Features are standardised: raw rows would be hundreds away.
    assert np.abs(new.X).max() < 10.0
    only_balanced = resamplers.resample(
        name.replace(":", "-balance:") if ":" in name else f"{name}-balance",
        overlapping,
        features,
        counts,
    )
    assert np.bincount(only_balanced.y).tolist() == [0, 28]
    again = resamplers.resample(name, overlapping, features, counts)
    np.testing.assert_array_equal(new.X, again.X)


def test_a_factor_takes_the_place_of_the_class_sizes(overlapping):
    """Given sizes left no say to it, and all factors had the same scores."""
    name = "ours:max_epochs=1,augmentation_factor=3"
    features = data.Features(overlapping.X_train, None)
    new = resamplers.resample(name, overlapping, features, {0: 80, 1: 80})
    assert np.bincount(new.y).tolist() == [80, 108]


def test_ours_is_given_raw_rows_and_its_rows_are_scaled_as_the_real_ones(overlapping, monkeypatch):
    given = {}

    class Copies:
        def __init__(self, **settings):
            given.update(settings)

        def set_params(self, **settings):
            given.update(settings)

        def fit_resample(self, X, y):
            given["X"] = X
            return np.concatenate([X, X[:2]]), np.concatenate([y, y[:2]])

    monkeypatch.setattr(resamplers, "RHVAEAugmenter", Copies)
    features = data.Features(overlapping.X_train, None)
    new = resamplers.resample("ours:lr=0.1,sampler=prior", overlapping, features, {0: 42, 1: 12})
    assert given["X"] is overlapping.X_train
    assert (given["lr"], given["sampler"], given["random_state"]) == (0.1, "prior", 3)
    assert given["sampling_strategy"] == {0: 42, 1: 12}
    np.testing.assert_array_equal(new.X, features.transform(overlapping.X_train[:2]))


def test_rows_that_a_sampler_cannot_make_are_plain_smote_with_a_note():
    """BorderlineSMOTE makes no rows of a class that borders on no other."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], [20, 10])
    split = data.Split(rng.normal(size=(30, 2)) + 100.0 * y[:, None], y, None, None, None, 0)
    features = data.Features(split.X_train, None)
    new = resamplers.resample("BorderlineSMOTE", split, features, {0: 20, 1: 20})
    assert new.y.tolist() == [1] * 10
    assert "10 of 10 rows are plain SMOTE's" in new.note


def test_a_failure_is_recorded_and_is_no_score(monkeypatch):
    monkeypatch.setattr(resamplers, "_completed", lambda *args: 1 / 0)
    pairs = ((jobs.AUGMENTED, "SVC"),)
    (record,) = jobs.run(jobs.Task("iris", 0, "ADASYN", pairs))
    assert record["error"] == "ZeroDivisionError: division by zero"
    assert np.isnan(record["balanced_accuracy"])
    assert record["n_synthetic"] == 0


def test_training_on_synthetic_rows_doubles_classes_that_do_not_grow(overlapping, monkeypatch):
    """KEEL is balanced: the larger class gets no rows to train on."""
    asked, trained = [], []

    def resample(name, split, features, counts):
        asked.append(counts)
        y = np.repeat(list(counts), [n - (split.y_train == k).sum() for k, n in counts.items()])
        return resamplers.Resampled(np.zeros((len(y), 3)), y, "")

    def evaluate(classifier, X, y, *rest):
        trained.append(np.bincount(y).tolist())
        return dict.fromkeys(scoring.MEASURES, 0.5)

    monkeypatch.setattr(data, "load_split", lambda *args: overlapping)
    monkeypatch.setattr(resamplers, "resample", resample)
    monkeypatch.setattr(scoring, "evaluate", evaluate)
    pairs = ((jobs.AUGMENTED, "SVC"), (jobs.SYNTHETIC, "SVC"))
    jobs.run(jobs.Task("keel:x", 0, "pair", pairs))
    assert asked == [{0: 40, 1: 40}, {0: 80, 1: 24}]
    assert trained == [[40, 40], [40, 12]]
    asked.clear()
    trained.clear()
    jobs.run(jobs.Task("iris", 0, "pair", pairs))
    assert asked == [{0: 120, 1: 120}]
    assert trained == [[120, 120], [80, 108]]


# --- methods --------------------------------------------------------------------------------


def test_names_of_methods_are_taken_apart():
    name = "ours-balance:lr=1e-2,encoder__hidden_layer_sizes=(8, 4),decoder=direct,patience=None"
    (method,) = resamplers.parse(name)
    assert (method.base, method.balance) == ("ours", True)
    assert method.parameters == {
        "lr": 0.01,
        "encoder__hidden_layer_sizes": (8, 4),
        "decoder": "direct",
        "patience": None,
    }
    assert resamplers.parse("SMOTE") == [("SMOTE", False, {}, False)]
    both = resamplers.parse("ours:lr=0.1 + affine on the fly")
    assert both == [("ours", False, {"lr": 0.1}, False), ("affine", False, {}, True)]


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("SMOT", "'SMOT' is unknown. Choose among none"),
        ("SMOTE:k=3", "SMOTE takes no parameters, leave 'k=3' out"),
        ("ours:3", "a value without a name.*Write name=value"),
        ("ours:lr=", "cannot be read"),
        ("ours:**x", "a value without a name"),
        ("pair on the fly", "only affine, .* work on the fly"),
        ("ours + CCR", "draw all rows alone"),
    ],
)
def test_unreadable_methods_are_refused(name, match):
    with pytest.raises(ValueError, match=match):
        resamplers.parse(name)


def test_a_pair_difference_keeps_the_mean_and_widens_the_class():
    """The variance of x + (a - b) / 2 is 1 + 2/4 that of the class (a and b differ)."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 2)) * [1.0, 3.0]
    new = generators.pair(rows, 40_000, rng)
    # 5 * sqrt(2 / 40000) = 0.035, and a, b without replacement: 1 / 200.
    np.testing.assert_allclose(new.var(axis=0) / rows.var(axis=0), 1.5, rtol=0.04)
    np.testing.assert_allclose(new.mean(axis=0), rows.mean(axis=0), atol=5 * 3.7 / 200)


@pytest.mark.parametrize("name", ["jitter", "pair", "mixture", "kde"])
def test_a_class_of_one_row_and_constant_columns_stay_finite(name):
    rng = np.random.default_rng(0)
    draw = resamplers.PER_CLASS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(draw(np.ones((1, 4)), 3, rng), 1.0, atol=1e-6)
        rows = np.column_stack([rng.normal(size=12), np.full(12, 7.0)])
        new = draw(rows, 50, rng)
    assert np.isfinite(new).all()
    # The mixture's floor on the variance lets a constant column move a little.
    np.testing.assert_allclose(new[:, 1], 7.0, atol=5 * np.sqrt(generators.MIXTURE_FLOOR))


def test_the_shrunk_gaussian_has_the_covariance_of_ledoit_and_wolf():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(8, 10)) @ np.diag(np.linspace(0.5, 2.0, 10))
    new = generators.shrunk_gaussian(rows, 200_000, rng)
    expected = LedoitWolf().fit(rows).covariance_
    # 5 * sqrt(2 / 200000) of the largest variance.
    error = 5 * np.sqrt(2 / 200_000) * expected.max()
    np.testing.assert_allclose(np.cov(new.T), expected, atol=error)
    np.testing.assert_allclose(new.mean(axis=0), rows.mean(axis=0), atol=0.03)


def test_a_mixture_finds_two_clusters():
    rng = np.random.default_rng(0)
    rows = np.repeat([[-10.0, 0.0], [10.0, 0.0]], 30, axis=0) + rng.normal(size=(60, 2))
    new = generators.mixture(rows, 500, rng)
    assert (np.abs(np.abs(new[:, 0]) - 10.0) < 6.0).all()


def test_warps_are_small_and_keep_a_uniform_image():
    rng = np.random.default_rng(0)
    flat = np.full((3, 64), 0.25)
    np.testing.assert_allclose(generators.affine(flat, 10, rng, (8, 8)), 0.25)
    blob = np.zeros((1, 28, 28))
    blob[0, 12:16, 12:16] = 1.0
    new = generators.affine(blob.reshape(1, -1), 200, rng, (28, 28)).reshape(-1, 28, 28)
    assert ((new >= 0.0) & (new <= 1.0)).all()
    y = (new.sum(axis=2) * np.arange(28)).sum(axis=1) / new.sum(axis=(1, 2))
    # The shift is at most 7 % of 28 pixels, stretched by the map; some images move by a pixel.
    assert np.abs(y - 13.5).max() < 1.3 * 0.07 * 28
    assert np.abs(y - 13.5).max() > 1.0
    areas = [abs(np.linalg.det(generators.affine_matrix(rng))) for _ in range(500)]
    assert 0.81 <= min(areas) < 0.9
    assert 1.1 < max(areas) <= 1.21


def test_warps_are_for_images_only():
    assert resamplers.applies("affine", "mnist50")
    assert resamplers.applies("affine", "digits20")
    assert not resamplers.applies("affine", "keel:pima")
    assert not resamplers.applies("affine", "warppie10p")


def test_pyraug_comes_back_in_the_units_of_the_features(overlapping, monkeypatch):
    """Pyraug's decoder gives values in [0, 1]: the range of each raw column."""
    torch = pytest.importorskip("torch")
    asked = {}

    def fit_pyraug(rows, latent_dim, n_epochs):
        asked.update(n_epochs=n_epochs, low=float(rows[0].min()), high=float(rows[0].max()))
        return [None] * len(rows)

    monkeypatch.setattr(resamplers.rivals, "fit_pyraug", fit_pyraug)
    monkeypatch.setattr(
        resamplers.rivals, "sample_pyraug", lambda model, n: (torch.ones(n, 3), None)
    )
    features = data.Features(overlapping.X_train, None)
    new = resamplers.resample("pyraug:n_epochs=7", overlapping, features, {0: 40, 1: 14})
    assert asked["n_epochs"] == 7
    assert asked["low"] >= 0.0
    assert asked["high"] <= 1.0
    assert new.y.tolist() == [1, 1]
    highest = features.transform(overlapping.X_train).max(axis=0)
    np.testing.assert_allclose(new.X, [highest] * 2, rtol=1e-6)


# --- scores ---------------------------------------------------------------------------------


def test_the_area_under_the_curve_is_one_against_the_rest():
    y = np.array([0, 0, 1, 1])
    assert scoring.area_under_curve(y, np.array([0.1, 0.4, 0.3, 0.8]), [0, 1]) == 0.75
    y = np.array([0, 1, 2])
    assert scoring.area_under_curve(y, np.eye(3), [0, 1, 2]) == 1.0
    assert scoring.area_under_curve(y, 3.0 * np.eye(3)[::-1], [0, 1, 2]) < 1.0
    assert np.isnan(scoring.area_under_curve(np.zeros(3), np.zeros((3, 2)), [0, 1]))


def test_closeness_is_zero_for_copies_and_one_at_the_distance_of_real_rows():
    real = np.arange(10.0)[:, None]
    assert scoring.closeness(real[:3], real) == 0.0
    assert scoring.closeness(np.array([[10.0], [-1.0]]), real) == 1.0
    assert np.isnan(scoring.closeness(real[:0], real))
    assert np.isnan(scoring.closeness(real, np.repeat(real, 2, axis=0)))
    # Distances of twins in several columns are rounding errors, not zeros.
    wide = np.random.default_rng(0).normal(size=(20, 7))
    assert np.isnan(scoring.closeness(wide + 1.0, np.repeat(wide, 2, axis=0)))


@pytest.mark.parametrize("name", scoring.CLASSIFIERS)
def test_classifiers_give_all_measures_they_can(name):
    split = data.load_split("iris", 0)
    classifier = scoring.make_classifier(name, split)
    if name == "forest":
        classifier.set_params(n_estimators=20)
    parts = (split.X_train, split.y_train, split.X_test, split.y_test)
    # On a busy machine OpenMP's threads wait for each other for seconds.
    with threadpool_limits(1):
        scores = scoring.evaluate(classifier, *parts)
    assert scores["balanced_accuracy"] > 0.85
    assert scores["roc_auc"] > 0.95
    assert np.isnan(scores["log_loss"]) == (name == "SVC")


# --- the table ------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_interrupted_run_goes_on(tmp_path, monkeypatch, capsys):
    """A row that was cut off is computed again, and complete ones are not."""
    options = ["--methods", "none", "pair"]
    whole = run(tmp_path, *options)
    assert len(whole) == 2 * 2 * 2
    path = tmp_path / "gain.csv"
    text = path.read_text()
    path.write_text(text[:-10])
    assert len(table.read(path)) == len(whole) - 1
    ran = []
    task_run = jobs.run
    monkeypatch.setattr(jobs, "run", lambda task: ran.append(task) or task_run(task))
    again = run(tmp_path, *options)
    assert [(t.set, t.seed, t.method, len(t.classifiers)) for t in ran] == [("iris", 1, "pair", 1)]
    measures = [*table.KEY, *scoring.MEASURES, "n_synthetic"]
    as_text = [sorted(str([r[c] for c in measures]) for r in records) for records in (whole, again)]
    assert as_text[0] == as_text[1]
    ran.clear()
    run(tmp_path, *options)
    assert not ran
    run(tmp_path, *options, "--redo", "pair")
    assert [t.method for t in ran] == ["pair", "pair"]
    capsys.readouterr()


def test_other_class_sizes_are_kept_apart(tmp_path, capsys):
    run(tmp_path, "--methods", "none", "pair")
    records = run(tmp_path, "--methods", "none", "pair", "--multiple", "2")
    assert len(records) == 2 * 8
    sizes = {(r["protocol"], r["n_synthetic"]) for r in records if r["method"] == "pair"}
    assert sizes == {("default sizes", 150.0), ("2 x the largest class", 75.0)}
    page = (tmp_path / "gain.md").read_text()
    assert "Class sizes: 2 x the largest class" in page
    capsys.readouterr()


def test_failures_are_tried_again(tmp_path, monkeypatch, capsys):
    resample = resamplers.resample

    def fails(name, *args):
        return 1 / 0 if name == "pair" else resample(name, *args)

    monkeypatch.setattr(resamplers, "resample", fails)
    records = run(tmp_path, "--methods", "none", "pair")
    assert sum(bool(r["error"]) for r in records) == 4
    page = (tmp_path / "gain.md").read_text()
    assert "`pair`, failed, # x" not in page
    assert "- `pair`, failed, 2 x: ZeroDivisionError: division by zero" in page
    assert "2/2" in page
    monkeypatch.setattr(resamplers, "resample", resample)
    records = run(tmp_path, "--methods", "none", "pair")
    assert len(records) == 8
    assert not any(r["error"] for r in records)
    capsys.readouterr()


def test_a_table_with_other_columns_is_refused(tmp_path, capsys):
    (tmp_path / "gain.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit):
        run(tmp_path)
    assert "has the columns a, b" in capsys.readouterr().err


def test_a_reference_that_is_not_run_is_refused(tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path, "--methods", "pair", "--against", "SMOTE")
    assert "--against: 'SMOTE' is not among the methods none, pair" in capsys.readouterr().err


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_processes(tmp_path, capsys):
    options = ["--methods", "none", "jitter", "--tstr"]
    one = run(tmp_path / "one", *options)
    two = run(tmp_path / "two", *options, "--jobs", "2")
    columns = [*table.KEY, "balanced_accuracy", "roc_auc"]
    texts = [sorted(str([r[c] for c in columns]) for r in records) for records in (one, two)]
    assert len(texts[0]) == 2 * 2 * 3
    assert texts[0] == texts[1]
    capsys.readouterr()


# --- pairing and the report -----------------------------------------------------------------


def make_records(scores, classifiers=("SVC",), **columns):
    """Return records from a dict of (set, seed, method) to balanced accuracy, NaN for failed."""
    base = dict.fromkeys(table.COLUMNS, "") | dict.fromkeys(table.NUMBERS, 1.0)
    return [
        base
        | {"set": s, "seed": seed, "method": m, "train": "augmented", "classifier": c}
        | {"balanced_accuracy": score, "error": "E: no" if np.isnan(score) else ""}
        | columns
        for (s, seed, m), score in scores.items()
        for c in classifiers
    ]


def test_differences_are_paired_by_set_and_seed():
    """A seed that one method lacks must not enter the other's mean either."""
    scores = {("wine", seed, "none"): 0.5 + 0.1 * seed for seed in range(4)}
    scores |= {("wine", seed, "pair"): 0.52 + 0.1 * seed for seed in range(2)}
    cube = cubes.build(make_records(scores), ["wine", "iris"], ["none", "pair"], ["SVC"])
    cube, n_left_out = cubes.paired(cube)
    assert (cube.sets, n_left_out) == (("wine",), 2)
    gains = report.gain_over(cube, "none")
    np.testing.assert_allclose(gains[0, :2], [[0.0, 2.0]] * 2)
    assert np.isnan(gains[0, 2:]).all()


def test_a_failure_is_no_lack_and_keeps_the_pair_of_the_others():
    scores = {("wine", seed, m): 0.5 for seed in range(2) for m in ("none", "pair", "ADASYN")}
    scores["wine", 1, "ADASYN"] = np.nan
    cube = cubes.build(make_records(scores), ["wine"], ["none", "pair", "ADASYN"], ["SVC"])
    cube, n_left_out = cubes.paired(cube)
    assert n_left_out == 0
    assert cube.failed.sum() == 1
    assert np.isfinite(report.accuracy(cube)).sum() == 5


def test_a_pair_without_all_classifiers_is_left_out():
    scores = {("wine", 0, "none"): 0.5, ("wine", 0, "pair"): 0.5}
    records = make_records(scores, classifiers=("SVC", "forest"))[:-1]
    cube = cubes.build(records, ["wine"], ["none", "pair"], ["SVC", "forest"])
    assert cubes.paired(cube)[0].sets == ()


def test_a_method_for_images_is_not_waited_for_on_tables():
    scores = {(s, 0, "none"): 0.5 for s in ("digits20", "wine")} | {("digits20", 0, "affine"): 0.6}
    records = make_records(scores)
    cube = cubes.build(records, ["digits20", "wine"], ["none", "affine"], ["SVC"])
    assert cubes.paired(cube)[0].sets == ("digits20", "wine")
    (part,) = report.sections(cube).values()
    assert (part.sets, part.methods) == (("digits20", "wine"), ("none",))


def test_the_mean_over_classifiers_leaves_boosting_out():
    records = make_records({("wine", 0, "none"): 0.5}, classifiers=("SVC",))
    records += make_records({("wine", 0, "none"): 0.9}, classifiers=("boosting",))
    cube = cubes.build(records, ["wine"], ["none"], ["SVC", "boosting"])
    assert report.accuracy(cube).tolist() == [[[50.0]]]


def test_the_page_has_means_differences_ranks_and_counts():
    scores = {}
    for k, s in enumerate(("wine", "iris")):
        for seed in range(3):
            scores[s, seed, "none"] = 0.8 + 0.01 * seed
            scores[s, seed, "SMOTE"] = 0.82 + 0.01 * seed
            # 1.5 points above SMOTE on wine, 0.5 below it on iris.
            scores[s, seed, "pair"] = 0.835 - 0.02 * k + 0.01 * seed
    records = make_records(scores)
    records += make_records({k: 0.9 * v for k, v in scores.items()}, train="synthetic")
    names = ["none", "SMOTE", "pair"]
    page = report.page(records, ["wine", "iris"], names, ["SVC"], "SMOTE", "default sizes")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| `pair`")]
    cells = [cell.strip() for cell in rows[0]]
    assert cells[1:4] == ["83.50", "+0.50 [+0.50, +0.50]", "+2.50 [+2.50, +2.50]"]
    assert cells[4:7] == ["1.50", "1/1/0", "+1.50 (iris)"]
    # Synthetic rows only: 0.9 of 84.5 over 81 on wine, of 82.5 on iris.
    assert rows[2][3].strip() == f"{100 * 0.9 * 83.5 / 81:.2f}"
    assert "| wine" in page
    assert "2 of 2 sets, 6 pairs" in page


def test_a_part_of_a_group_is_reported_beside_it():
    sets = [f"keel:{name}" for name in data.KEEL]
    assert list(cubes.groups(sets)) == ["keel", "keel7"]
    assert list(cubes.groups(sets[:3])) == ["keel"]
    assert list(cubes.groups(data.expand_sets(["keel7"]))) == ["keel"]


def test_the_plot_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    scores = {
        (s, seed, m): 0.8 + 0.01 * seed * k
        for s in ("wine", "iris")
        for seed in range(2)
        for k, m in enumerate(("none", "SMOTE", "pair"))
    }
    cube = cubes.build(make_records(scores), ["wine", "iris"], ["none", "SMOTE", "pair"], ["SVC"])
    parts = report.sections(cube)
    plot.draw(parts, "SMOTE", tmp_path / "gain.png")
    assert (tmp_path / "gain.png").read_bytes().startswith(b"\x89PNG")
    plot.draw(parts, "absent", tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_report_only_takes_what_is_there(tmp_path, capsys):
    run(tmp_path, "--methods", "none", "pair")
    (tmp_path / "gain.md").unlink()
    out = ["--out", str(tmp_path), "--classifiers", *QUICK]
    command.main(["--report-only", *out])
    page = (tmp_path / "gain.md").read_text()
    assert "1 of 1 sets, 2 pairs" in page
    assert "`pair`" in page
    assert (tmp_path / "gain.png").exists()
    capsys.readouterr()
