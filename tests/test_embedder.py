"""The latent space as features, in scikit-learn's idiom."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from shared import QUICK, table
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_pyraug import MLP, RHVAEAugmenter, RHVAEEmbedder

# The default configuration, except for its training time.
EMBEDDER = RHVAEEmbedder(max_epochs=2, encoder=MLP((8,)), device="cpu", random_state=0)
X, _ = table()
# Checks that the embedder is known to fail, each with its reason. Empty is the goal.
EXEMPTIONS = {}


@parametrize_with_checks([EMBEDDER], expected_failed_checks=lambda _: EXEMPTIONS)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def test_sparse_columns_of_a_dataframe():
    frame = pd.DataFrame(np.where(X > 0, X, 0), columns=list("abcd"))
    sparse = frame.astype({"a": pd.SparseDtype(float, 0)}), frame.astype(pd.SparseDtype(float, 0))
    Z = clone(EMBEDDER).fit_transform(frame)
    for rows in sparse:
        np.testing.assert_array_equal(clone(EMBEDDER).fit_transform(rows), Z)


def test_missing_values_of_pandas_have_a_remedy_that_works():
    frame = pd.DataFrame(X, columns=list("abcd"), dtype=object)
    frame.loc[3, "b"] = pd.NA
    with pytest.raises(ValueError, match="pandas.NA, which is no number: 'b'. Replace it by"):
        clone(EMBEDDER).fit(frame)
    filled = SimpleImputer().fit_transform(frame.replace({pd.NA: np.nan}))
    clone(EMBEDDER).fit(filled)


def test_parameters_are_the_augmenters():
    own, other = RHVAEEmbedder().get_params(), RHVAEAugmenter().get_params()
    assert own.keys() <= other.keys()
    assert {name for name in own if own[name] != other[name]} == {"latent_dim"}


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
def test_shapes_and_names(latent_dim):
    embedder = clone(EMBEDDER).set_params(latent_dim=latent_dim).fit(X)
    Z = embedder.transform(X)
    assert Z.shape == (40, latent_dim)
    Z.flags.writeable = False  # torch warned
    assert embedder.inverse_transform(Z).shape == X.shape
    assert embedder.get_feature_names_out().tolist() == [
        f"rhvaeembedder{j}" for j in range(latent_dim)
    ]
    assert len(embedder.history_.train_loss) == embedder.n_epochs_ == 2


def test_there_is_no_metadata_to_route():
    assert not [name for name in dir(EMBEDDER) if name.startswith("set_") and "request" in name]


def test_labels_are_not_looked_at():
    first = clone(EMBEDDER).fit_transform(X)
    second = clone(EMBEDDER).fit_transform(X, np.arange(40) % 3)
    np.testing.assert_array_equal(first, second)


def test_set_output_makes_dataframes():
    frame = pd.DataFrame(X, columns=list("abcd"), index=np.arange(40) + 7)
    Z = clone(EMBEDDER).set_output(transform="pandas").fit_transform(frame)
    assert list(Z.columns) == ["rhvaeembedder0", "rhvaeembedder1"]
    assert (Z.index == frame.index).all()


def test_set_output_makes_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(X, schema=list("abcd"))
    embedder = clone(EMBEDDER).set_output(transform="polars").fit(frame)
    Z = embedder.transform(frame)
    assert isinstance(Z, polars.DataFrame)
    assert Z.columns == ["rhvaeembedder0", "rhvaeembedder1"]
    assert embedder.feature_names_in_.tolist() == list("abcd")
    np.testing.assert_array_equal(Z.to_numpy(), clone(EMBEDDER).fit_transform(X))


@pytest.mark.parametrize("shape", [(8, 8), (4, 4, 4), (3, 5, 5), (5, 5, 3)], ids=str)
def test_images_in_their_shape_have_the_codes_of_flat_ones(shape):
    rng = np.random.default_rng(0)
    images = rng.random((12, *shape))
    embedder = clone(EMBEDDER).fit(images)
    assert embedder.sample_shape_ == shape
    Z = embedder.transform(images)
    flat = images.reshape(12, -1)
    np.testing.assert_array_equal(embedder.transform(list(images)), Z)
    np.testing.assert_array_equal(embedder.transform(flat), Z)
    other = clone(EMBEDDER).set_params(sample_shape=shape).fit(flat)
    np.testing.assert_array_equal(other.transform(images), Z)
    back = embedder.inverse_transform(Z)
    assert back.shape == images.shape
    np.testing.assert_array_equal(other.inverse_transform(Z), back.reshape(12, -1))
    framed = clone(EMBEDDER).set_output(transform="pandas").fit_transform(images)
    np.testing.assert_array_equal(framed.to_numpy(), Z)


def test_images_of_another_shape_are_refused():
    images = np.random.default_rng(0).random((12, 4, 6))
    embedder = clone(EMBEDDER).fit(images)
    with pytest.raises(
        ValueError, match=r"rows of X have the shape \(6, 4\), but the sample_shape_"
    ):
        embedder.transform(images.transpose(0, 2, 1))
    with pytest.raises(
        ValueError, match=r"sample_shape=\(6, 4\), but the rows of X have the shape"
    ):
        clone(EMBEDDER).set_params(sample_shape=(6, 4)).fit(images)
    with pytest.raises(ValueError, match="sample_shape_ of the fit is None"):
        clone(EMBEDDER).fit(X).transform(images)


@pytest.mark.slow
def test_codes_know_more_of_the_rows_than_their_mean_does():
    """Two codes of the four columns of iris explain more than half of their variance."""
    X, _ = load_iris(return_X_y=True)
    embedder = RHVAEEmbedder(random_state=0, max_epochs=150, lr=5e-3, device="cpu").fit(X)
    error = ((embedder.inverse_transform(embedder.transform(X)) - X) ** 2).sum()
    assert error < 0.5 * ((X - X.mean(0)) ** 2).sum()


def test_images_are_recognised_and_come_back_flat():
    X, _ = load_digits(return_X_y=True)
    embedder = clone(EMBEDDER).fit(X[:100])
    assert embedder.sample_shape_ == (8, 8)
    assert embedder.likelihood_ == "binomial"
    back = embedder.inverse_transform(embedder.transform(X[:5]))
    assert back.shape == (5, 64)
    assert 0 <= back.min() <= back.max() <= 16


@pytest.mark.parametrize("networks", ["mlp", "conv"])
def test_channels_that_come_last_come_back_last(networks):
    """What a constant colour is before, it is after, wherever networks have the channels."""
    rng = np.random.default_rng(0)
    images = rng.random((12, 8, 8, 3)) * [1.0, 0.1, 0.0]
    embedder = clone(EMBEDDER).set_params(sample_shape=(8, 8, 3), encoder=networks)
    rows = images.reshape(12, -1)
    back = embedder.fit(rows).inverse_transform(embedder.transform(rows)).reshape(images.shape)
    assert back[..., 2].max() == 0.0
    assert back[..., 1].max() <= 0.1


def test_in_a_pipeline_and_as_a_pickle():
    y = (X[:, 0] > 1).astype(int)
    model = make_pipeline(StandardScaler(), EMBEDDER, LogisticRegression()).fit(X, y)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    ("Z", "message"),
    [
        (np.zeros((2, 3)), r"X has the shape \(2, 3\). Pass codes of shape \(n_codes, 2\)"),
        (np.array([[0.0, np.nan]]), r"X has 1 code\(s\) that are not finite"),
    ],
)
def test_codes_that_cannot_be_decoded(Z, message):
    with pytest.raises(ValueError, match=message):
        clone(EMBEDDER).fit(X).inverse_transform(Z)


def test_refusals():
    text = pd.DataFrame(X, columns=list("abcd")).assign(site="left")
    with pytest.raises(ValueError, match=r"text where numbers are needed: 'site'\. Encode them"):
        clone(EMBEDDER).fit(text)
    dates = text.assign(site=pd.date_range("2020", periods=40))
    for frame in (dates, dates.assign(site=pd.cut(X[:, 0], 3))):
        with pytest.raises(TypeError, match=r"no numbers where numbers are needed: 'site'\. Enc"):
            clone(EMBEDDER).fit(frame)
    gaps = pd.DataFrame(np.where(X > X[0, 0], np.nan, X), columns=list("abcd"))
    # scikit-learn names no column, and its `assume_finite` let codes be learned from gaps.
    with sklearn.config_context(assume_finite=True):
        with pytest.raises(ValueError, match=r"contains NaN.* 'a' \(.*imputer.* in front in a pip"):
            clone(EMBEDDER).fit(gaps)
    with pytest.raises(NotFittedError):
        clone(EMBEDDER).inverse_transform(np.zeros((1, 2)))
    with pytest.raises(ValueError, match="minimum of 4"):
        clone(EMBEDDER).fit(X[:3])
    with pytest.raises(ValueError, match=r"sample_shape=\(3, 3\) holds 9 values"):
        clone(EMBEDDER).set_params(sample_shape=(3, 3)).fit(X)
    with pytest.raises(ValueError, match="'latent_dim' parameter"):
        clone(EMBEDDER).set_params(latent_dim=0).fit(X)


def test_few_rows_give_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert clone(EMBEDDER).set_params(**{"latent_dim": QUICK["latent_dim"]}).fit(X[:4])
