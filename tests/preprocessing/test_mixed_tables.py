"""Tables with categories and missing values through the augmenter, column by column."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal
from scipy import sparse
from shared import quick, table
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from torch import nn

from sklearn_pyraug import HMC, MLP, AugmentedClassifier, Columns, RHVAEAugmenter

SPECIES = ["Adelie", "Chinstrap", "Gentoo"]
SIZES = [152, 68, 124]


def penguins(seed=0):
    """Return a frame of the structure of palmerpenguins, with more gaps, and the species."""
    rng = np.random.default_rng(seed)
    k = np.repeat([0, 1, 2], SIZES)
    n = len(k)
    male = rng.random(n) < 0.5

    def measured(means, deviation, decimals):
        return np.round(
            np.take(means, k) + male * deviation + deviation * rng.normal(size=n), decimals
        )

    home = [["Torgersen", "Biscoe", "Dream"], ["Dream"], ["Biscoe"]]
    X = pd.DataFrame(
        {
            "island": pd.Categorical(
                [rng.choice(home[i]) for i in k], ["Biscoe", "Dream", "Torgersen"]
            ),
            "bill_length_mm": measured([38.8, 48.8, 47.5], 2.5, 1),
            "bill_depth_mm": measured([18.3, 18.4, 15.0], 1.0, 1).astype(np.float32),
            "flipper_length_mm": measured([190, 196, 217], 6, 0),
            "body_mass_g": 25 * np.round(measured([3700, 3730, 5080], 400, 0) / 25),
            "sex": pd.Series(np.where(male, "male", "female"), dtype=object),
            "year": rng.choice([2007, 2008, 2009], n),
            "ringed": pd.Series(rng.random(n) < 0.3, dtype="boolean"),
            "chicks": pd.Series(rng.poisson(1.5, n), dtype="Int64"),
            "banded": rng.random(n) < 0.5,
            "size": pd.Categorical(
                np.take(["small", "middle", "large"], rng.integers(0, 3, n)),
                ["tiny", "small", "middle", "large"],
                ordered=True,
            ),
            "note": pd.Series(rng.choice(["calm", "shy", "wild"], n), dtype="string"),
        }
    )
    X.loc[rng.random(n) < 0.15, ["bill_length_mm", "bill_depth_mm"]] = np.nan
    X.loc[rng.random(n) < np.take([0.3, 0.0, 0.1], k), "sex"] = np.nan
    X.loc[rng.random(n) < 0.1, "chicks"] = pd.NA
    X.loc[rng.random(n) < 0.2, "note"] = pd.NA
    return X, pd.Series(np.take(SPECIES, k), name="species")


@pytest.fixture(scope="module", params=["auto", "direct"])
def resampled(request):
    """Return the frame, the species, and the new rows with theirs: 400 to 500 of each."""
    X, y = penguins()
    augmenter = RHVAEAugmenter(
        sampling_strategy=dict.fromkeys(SPECIES, 600),
        missing="keep",
        decoder=request.param,
        max_epochs=60,
        encoder=MLP((64,)),
        sampler=HMC(n_steps=15),
        device="cpu",
        random_state=0,
    )
    before = X.copy()
    X_res, y_res = augmenter.fit_resample(X, y)
    assert_frame_equal(X, before)
    assert augmenter.likelihood_ == "mixed"
    assert augmenter.feature_names_in_.tolist() == X.columns.tolist()
    assert augmenter.n_features_in_ == X.shape[1]
    new = augmenter.synthetic_mask_
    assert_frame_equal(X_res[~new], X)
    assert_series_equal(y_res[~new], y)
    return X, y, X_res[new], y_res[new]


NAMES = list(penguins()[0].columns)


def test_columns_their_order_and_dtypes(resampled):
    X, _, X_new, _ = resampled
    assert_series_equal(X_new.dtypes, X.dtypes)
    assert len(X_new) == 3 * 600 - sum(SIZES)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_on_the_lattice(resampled, name):
    """No unseen level, no value between the steps of a column, nothing out of range."""
    X, _, X_new, _ = resampled
    seen, got = X[name].dropna(), X_new[name].dropna()
    if name == "bill_length_mm":  # of too many values for ties, but of one decimal each
        assert got.between(seen.min(), seen.max()).all()
        assert (got.round(1) == got).all()
    else:
        assert got.isin(seen.unique()).all()
    # And many of them.
    assert got.nunique() >= 0.7 * seen.nunique()


@pytest.mark.parametrize("name", NAMES)
def test_missing_rate_of_each_class(resampled, name):
    X, y, X_new, y_new = resampled
    for species in SPECIES:
        real, new = X.loc[y == species, name].isna(), X_new.loc[y_new == species, name].isna()
        if not real.any():
            assert not new.any()
            continue
        p = real.mean()
        # Four standard errors of the two shares together, and a little for what is learned.
        error = 4.0 * np.sqrt(p * (1 - p) * (1 / len(real) + 1 / len(new))) + 0.02
        assert abs(new.mean() - p) < error


@pytest.mark.parametrize("name", ["island", "sex", "ringed", "banded", "size", "note", "year"])
def test_shares_of_the_levels_in_each_class(resampled, name):
    X, y, X_new, y_new = resampled
    for species in SPECIES:
        real = X.loc[y == species, name].value_counts(normalize=True)
        new = X_new.loc[y_new == species, name].value_counts(normalize=True)
        for level, p in real.items():
            # As above; 0.1 for what is learned, since a few rows are hard to tell from others.
            error = 4.0 * np.sqrt(p * (1 - p) * (1 / SIZES[0] + 1 / 400)) + 0.1
            assert abs(new.get(level, 0.0) - p) < error


def test_a_level_that_is_constant_in_a_class(resampled):
    _, _, X_new, y_new = resampled
    assert (X_new.loc[y_new == "Chinstrap", "island"] == "Dream").all()
    assert (X_new.loc[y_new == "Gentoo", "island"] == "Biscoe").all()


@pytest.mark.parametrize("name", ["bill_length_mm", "flipper_length_mm", "body_mass_g"])
def test_numbers_resemble_their_class(resampled, name):
    X, y, X_new, y_new = resampled
    for species in SPECIES:
        real, new = X.loc[y == species, name], X_new.loc[y_new == species, name]
        # A quarter of a deviation is several standard errors of 68 rows.
        assert abs(new.mean() - real.mean()) < 0.5 * real.std()
        assert 0.6 < new.std() / real.std() < 1.5


# Other ways in and out


@pytest.mark.usefixtures("either_decoder")
def test_sample_has_the_dtypes_too():
    X, y = penguins()
    augmenter = quick(missing="keep").fit(X, y)
    X_new, y_new = augmenter.sample({"Gentoo": 5, "Adelie": 3})
    assert_series_equal(X_new.dtypes, X.dtypes)
    assert y_new.tolist() == ["Adelie"] * 3 + ["Gentoo"] * 5
    twin = pickle.loads(pickle.dumps(augmenter))
    assert_frame_equal(twin.sample({"Gentoo": 5, "Adelie": 3})[0], X_new)


@pytest.mark.usefixtures("either_decoder")
def test_the_index_is_made_anew():
    X, y = penguins()
    X.index = y.index = X.index + 1000
    X_res, y_res = quick(missing="keep").fit_resample(X, y)
    np.testing.assert_array_equal(X_res.index, np.arange(len(X_res)))
    np.testing.assert_array_equal(y_res.index, np.arange(len(X_res)))


def people(n=60):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = np.empty((n, 4), dtype=object)
    X[:, 0] = rng.choice(["red", "green", "blue"], n)
    X[:, 1] = [int(v) for v in rng.integers(20, 80, n)]
    X[:, 2] = [float(v) for v in rng.normal(size=n)]
    X[:, 3] = [bool(v) for v in rng.random(n) < 0.5]
    return X, y


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("container", [np.asarray, list])
def test_object_array(container):
    X, y = people()
    X = X.tolist() if container is list else X
    before = copy.deepcopy(X)
    augmenter = quick(categorical_features=[0], augmentation_factor=2)
    X_res, _ = augmenter.fit_resample(X, y)
    assert type(X_res) is type(X)
    np.testing.assert_array_equal(np.array(X, object), np.array(before, object))
    rows = np.array(X_res, dtype=object)
    assert rows.shape == (120, 4)
    np.testing.assert_array_equal(rows[:60], np.array(X, object))
    new = rows[60:]
    assert set(new[:, 0]) <= {"red", "green", "blue"}
    for j, kind in enumerate([str, int, float, bool]):
        assert {type(v) for v in new[:, j]} == {kind}
    sampled = augmenter.fit(X, y).sample(2)[0]
    assert type(sampled) is type(X)
    assert [type(v) for v in sampled[0]] == [str, int, float, bool]


def test_the_rows_of_a_list_are_copies():
    X, y = people()
    X = X.tolist()
    X_res, _ = quick(categorical_features=[0], augmentation_factor=2).fit_resample(X, y)
    X_res[0][0] = "black"
    assert X[0][0] != "black"


@pytest.mark.usefixtures("either_decoder")
def test_array_of_text():
    X, y = people()
    X = X[:, [0, 0]].astype(str)
    X_res, _ = quick(categorical_features=[0, 1], augmentation_factor=2).fit_resample(X, y)
    assert X_res.dtype == X.dtype
    assert set(X_res[60:].ravel()) <= {"red", "green", "blue"}


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64])
def test_numeric_array_with_categories(dtype):
    X, y = table()
    X = np.round(X).astype(dtype)
    X[:, 2] = np.arange(len(y)) % 4 * 10
    augmenter = quick(categorical_features=[False, False, True, False], augmentation_factor=2)
    X_res, _ = augmenter.fit_resample(X, y)
    assert augmenter.likelihood_ == "mixed"
    assert X_res.dtype == dtype
    assert set(X_res[len(y) :, 2]) <= {0, 10, 20, 30}


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, list, sparse.csr_array])
def test_missing_values_of_numeric_containers(container):
    X, y = table()
    rng = np.random.default_rng(1)
    X[rng.random(len(y)) < 0.5, 1] = np.nan
    X = X.tolist() if container is list else container(X)
    X_res, _ = quick(missing="keep", augmentation_factor=2).fit_resample(X, y)
    assert type(X_res) is type(X)
    new = X_res.toarray() if sparse.issparse(X_res) else np.asarray(X_res, dtype=float)
    assert not np.isnan(new[:, [0, 2, 3]]).any()
    assert np.isnan(new[:, 1]).any()


@pytest.mark.usefixtures("either_decoder")
def test_nothing_missing_is_nothing_new():
    """`missing="keep"` changes nothing where nothing is missing."""
    X, y = table()
    kept, refused = quick(missing="keep"), quick()
    np.testing.assert_array_equal(kept.fit_resample(X, y)[0], refused.fit_resample(X, y)[0])


@pytest.mark.usefixtures("either_decoder")
@pytest.mark.parametrize("column", ["all missing", "one level", "one level and gaps"])
def test_columns_without_content(column):
    X, y = table()
    X = pd.DataFrame(X).add_prefix("c")
    values = {
        "all missing": [None] * 40,
        "one level": ["a"] * 40,
        "one level and gaps": ["a", None] * 20,
    }
    X["extra"] = pd.Series(values[column], dtype=object)
    X_res, _ = quick(missing="keep", augmentation_factor=2).fit_resample(X, y)
    new = X_res["extra"][40:]
    assert new.isna().all() == (column == "all missing")
    assert set(new.dropna()) <= {"a"}


@pytest.mark.usefixtures("either_decoder")
def test_categories_alone():
    y = np.arange(40) % 2
    X = pd.DataFrame({"a": list("wxyz") * 10, "b": ["yes", "no"] * 20})
    X_res, _ = quick(augmentation_factor=2).fit_resample(X, y)
    assert set(X_res["a"]) == set("wxyz")
    assert_series_equal(X_res.dtypes, X.dtypes)


@pytest.mark.usefixtures("either_decoder")
def test_many_levels():
    y = np.arange(200) % 2
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {"town": [f"town {int(v)}" for v in rng.geometric(0.05, 200)], "x": rng.normal(size=200)}
    )
    augmenter = quick(augmentation_factor=3)
    X_res, _ = augmenter.fit_resample(X, y)
    assert X["town"].nunique() > 40
    # One code for x, one for each of twenty levels, one for all others.
    assert augmenter._row_encoder.codec.n_codes_ == 22
    assert set(X_res["town"]) <= set(X["town"])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_small_class(n):
    X, y = penguins()
    keep = np.r_[np.arange(40), np.arange(160, 160 + n)]
    X, y = X.iloc[keep], y.iloc[keep]
    with pytest.warns(UserWarning, match="Too few rows"):
        X_res, y_res = quick(missing="keep", decoder="direct").fit_resample(X, y)
    new = X_res[len(keep) :]
    assert (y_res[len(keep) :] == "Chinstrap").any()
    assert_series_equal(new.dtypes, X.dtypes)
    assert (new.loc[y_res[len(keep) :] == "Chinstrap", "island"] == "Dream").all()


@pytest.mark.usefixtures("either_decoder")
def test_a_class_that_lacks_a_value_everywhere():
    X, y = table()
    X[y == 1, 2] = np.nan
    X_res, y_res = quick(missing="keep", augmentation_factor=2).fit_resample(X, y)
    np.testing.assert_array_equal(np.isnan(X_res[:, 2]), y_res == 1)


class Encoder(nn.Module):
    def __init__(self, n_features, latent_dim):
        super().__init__()
        self.widths = n_features
        self.linear = nn.Linear(n_features, 2 * latent_dim)

    def forward(self, x):
        return self.linear(x).chunk(2, -1)


def test_networks_of_the_user_see_coded_rows():
    X, y = penguins()
    seen = []

    def decoder(latent_dim, n_features):
        seen.append(n_features)
        return nn.Linear(latent_dim, n_features)

    augmenter = quick(missing="keep", encoder=Encoder, decoder=decoder)
    X_res, _ = augmenter.fit_resample(X, y)
    assert set(seen) == {augmenter._row_encoder.codec.n_codes_}
    assert seen[0] > X.shape[1]
    assert_series_equal(X_res.dtypes, X.dtypes)


def test_a_network_of_the_wrong_width_is_refused_before_training():
    X, y = people()
    match = r"decoder returned .*\(2, 4\).*\(2, 6\)"
    with pytest.raises(ValueError, match=match):
        quick(categorical_features=[0], decoder=nn.Linear(2, 4)).fit(X, y)


def test_an_error_leaves_the_last_fit_usable():
    X, y = penguins()
    augmenter = quick(missing="keep", decoder="direct").fit(X, y)
    before = augmenter.sample(2)[0]
    with pytest.raises(ValueError, match="decoder"):
        augmenter.set_params(decoder=nn.Linear(2, 5)).fit(X[["sex", "year"]], y)
    augmenter.set_params(decoder="direct")
    assert_frame_equal(augmenter.sample(2)[0], before)


@pytest.mark.usefixtures("either_decoder")
def test_refit_on_plain_rows_forgets_the_levels():
    augmenter = quick(missing="keep").fit(*penguins())
    X, y = table()
    X_new, _ = augmenter.fit(X, y).sample(2)
    assert X_new.dtype == np.float64


@pytest.mark.usefixtures("either_decoder")
def test_in_a_classifier_of_mixed_tables():
    X, y = penguins()
    numbers = X.select_dtypes("float").columns
    encode = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
        (OneHotEncoder(), ["island", "sex", "size"]),
    )
    classifier = make_pipeline(encode, LogisticRegression())
    model = AugmentedClassifier(quick(missing="keep", augmentation_factor=2), classifier)
    assert model.fit(X, y).score(X, y) > 0.9


# Parameters


@pytest.mark.parametrize("value_mapping", ["auto", "nearest", "quantile", None])
@pytest.mark.parametrize("scaling", ["auto", "standard", "quantile"])
def test_values_stay_in_range(value_mapping, scaling):
    X, y = penguins()
    augmenter = quick(missing="keep", columns=Columns(value_mapping=value_mapping, scaling=scaling))
    X_new, _ = augmenter.fit(X, y).sample(30)
    assert_series_equal(X_new.dtypes, X.dtypes)
    numbers = X.select_dtypes("number").columns
    assert (X_new[numbers].min() >= X[numbers].min()).all()
    assert (X_new[numbers].max() <= X[numbers].max()).all()


@pytest.mark.usefixtures("either_decoder")
def test_nearest_values_are_observed():
    X, y = table()
    new = quick(columns=Columns(value_mapping="nearest"), augmentation_factor=2).fit_resample(X, y)[
        0
    ][40:]
    assert all(np.isin(new[:, j], X[:, j]).all() for j in range(4))


@pytest.mark.usefixtures("either_decoder")
def test_quantiles_are_those_of_the_class():
    X, y = table()
    augmenter = quick(
        columns=Columns(value_mapping="quantile"), sampling_strategy={0: 40, 1: 24, 2: 16}
    )
    X_res, y_res = augmenter.fit_resample(X, y)
    for k in range(3):
        real, new = X[y == k], X_res[40:][y_res[40:] == k]
        np.testing.assert_array_equal(np.sort(new, axis=0), np.sort(real, axis=0))


def test_tags_tell_what_is_accepted():
    def tags(**parameters):
        return quick(**parameters).__sklearn_tags__().input_tags

    plain, named = tags(), tags(categorical_features=[0])
    assert not plain.allow_nan
    assert not plain.categorical
    assert not plain.string
    assert tags(missing="keep").allow_nan
    assert named.categorical
    assert named.string
    model = AugmentedClassifier(quick(missing="keep"), LogisticRegression())
    assert not model.__sklearn_tags__().input_tags.allow_nan
