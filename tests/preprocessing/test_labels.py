"""Labels of any container and dtype: the user's values come back, and name the classes."""

import datetime
import enum
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from scipy import sparse
from shared import quick, table
from sklearn.linear_model import LogisticRegression

from sklearn_pyraug import AugmentedClassifier, RHVAEAugmenter, augmentation_report
from sklearn_pyraug._preprocessing.containers import as_labels
from sklearn_pyraug._preprocessing.label_encoder import LabelEncoder, classifier_labels, read_labels

Y = np.repeat([0, 1], [24, 16])
V = table((24, 16), 2)[0]
Blood = enum.Enum("Blood", "a b")
Stage = enum.Enum("Stage", {"first": "1", "second": "2"}, type=str)


class Tagged(pd.Series):
    _metadata = ("unit",)

    @property
    def _constructor(self):
        return Tagged


def each(a, b):
    """Return 24 times one value and 16 times the other."""
    return [a] * 24 + [b] * 16


DAYS = each(datetime.date(2020, 1, 31), datetime.date(2021, 1, 31))
ONE_HOT = np.eye(3, dtype=int)[np.arange(40) % 3]
LABELS = {
    "bins": pd.cut(pd.Series(Y), [-1, 0, 1]),
    "bins of an array": pd.cut(Y, [-1, 0, 1]),
    "periods": pd.Series(pd.PeriodIndex(each("2020-01", "2021-01"), freq="M")),
    "timestamps": pd.Series(pd.to_datetime(DAYS)),
    "durations": pd.Series(pd.to_timedelta(each(1, 2), unit="D")),
    "index": pd.Index(each("x", "y"), name="group"),
    "nullable array": pd.array(Y, dtype="Int64"),
    "subclass": Tagged(each("x", "y"), name="group"),
    "Arrow timestamps": pd.Series(pd.to_datetime(DAYS)).astype("timestamp[ns][pyarrow]"),
    "Arrow decimals": pd.Series(each(Decimal("1.10"), Decimal("2.20")), dtype=object).astype(
        pd.ArrowDtype(pa.decimal128(5, 2))
    ),
    "polars dates": pl.Series("day", DAYS),
    "polars decimals": pl.Series("day", each(Decimal(1), Decimal(2))),
    "numpy datetimes": np.array(DAYS, dtype="datetime64[ns]"),
    "list of tuples": each(("x", 1), ("y", 2)),
    "tuples": pd.Series(each(("x", 1), ("y", 2))),
    "dates": DAYS,
    "large integers": np.array(each(10**25, 10**25 + 1), dtype=object),
    "text beside numbers": each(1, "a"),
    "half floats": pd.Series(Y, dtype="float16"),
    "bytes": each(b"x", b"y"),
    "an enum": each(Blood.b, Blood.a),
    "an enum of text": each(Stage.first, Stage.second),
    "tensors": list(torch.tensor(Y)),
    "text like gaps": np.array(each("None", "nan")),
    "one-hot list": ONE_HOT.tolist(),
    "one-hot sparse": sparse.coo_array(ONE_HOT),
    "one-hot booleans": pd.get_dummies(pd.Series(list("abcd") * 10)),
    "one-hot sparse frame": pd.get_dummies(pd.Series(list("abcd") * 10), sparse=True, dtype=float),
    "one-hot polars": pl.DataFrame(ONE_HOT, schema=["a", "b", "c"]),
    "one-hot Arrow": pa.table(dict(zip("abc", ONE_HOT.T, strict=True))),
}
# What no file can hold.
UNKNOWN_TO_FILES = {"bytes", "an enum", "an enum of text", "tensors", "numpy datetimes"}


def values(y):
    """Return labels as a list of the container's own values, rows as lists."""
    if sparse.issparse(y):
        y = y.toarray()
    if isinstance(y, np.ndarray) and y.dtype.kind == "M":
        return list(y)
    if isinstance(y, (pd.DataFrame, np.ndarray)):
        return np.asarray(y).tolist()
    if isinstance(y, pl.DataFrame):
        return list(map(list, y.rows()))
    if isinstance(y, pa.Table):
        return list(map(list, zip(*y.to_pydict().values(), strict=True)))
    return list(y)


@pytest.mark.parametrize("name", LABELS)
def test_labels_come_back(name, tmp_path):
    y = LABELS[name]
    augmenter = quick().fit(V, y)
    _, y_res = quick().fit_resample(V, y)
    assert type(y_res) is type(y)
    assert getattr(y_res, "dtype", None) == getattr(y, "dtype", None)
    assert getattr(y_res, "name", None) == getattr(y, "name", None)
    own = values(y)
    assert values(y_res)[:40] == own
    assert all(v in own for v in values(y_res)[40:])
    # The classes are named by these values, or by the columns of the ones.
    labels = augmenter.classes_.tolist()
    names = list(getattr(y, "column_names", getattr(y, "columns", range(3))))
    assert all(v in (names if "one-hot" in name else own) for v in labels)
    assert len(values(augmenter.sample({labels[0]: 2})[1])) == 2
    assert augmenter.encode(V, y).shape == (40, 2)

    if name in UNKNOWN_TO_FILES:
        return
    augmenter.save(tmp_path / "model")
    loaded = RHVAEAugmenter.load(tmp_path / "model")
    assert loaded.classes_.tolist() == labels
    assert values(loaded.sample(1)[1]) == values(augmenter.sample(1)[1])


def test_what_a_subclass_knows_comes_back():
    y = LABELS["subclass"].copy()
    y.unit = "mmol"
    encoder, y_index = LabelEncoder.fit(y)
    assert encoder.append(y, y_index).unit == encoder.decode(y_index).unit == "mmol"


def test_a_column_of_a_matrix_is_one_of_labels():
    assert LabelEncoder.fit(Y[:, None].view(np.matrix))[0].values.tolist() == [0, 1]


def test_labels_without_order_are_sorted_by_what_they_print():
    encoder, _ = LabelEncoder.fit([Blood.b, Blood.a])
    assert encoder.classes.tolist() == [Blood.a, Blood.b]
    assert LabelEncoder.fit(["b", 2, "a", 10])[0].classes.tolist() == [10, 2, "a", "b"]


@pytest.mark.parametrize(
    "labels",
    [
        [None, *"ab" * 5, "a"],
        np.ma.masked_equal(Y, 0)[23:27],
        np.array(["NaT", "2020-01-01"], dtype="datetime64[D]"),
        pd.Series([None, 1, 2], dtype="Int64"),
        pd.cut([0.5, 1.5, 9], [0, 1, 2]),
        pd.array([True, None], dtype="boolean"),
        pl.Series(["a", None]),
        pa.array(["a", None]),
        [float("nan"), 1.0],
        (Decimal("nan"), Decimal(1)),
        pd.Series(["a", pd.NA], dtype="string[pyarrow]"),
        pd.DataFrame({"y": ["a", None]}),
    ],
)
@pytest.mark.parametrize("name", ["y", "groups"])
def test_missing_labels_are_counted(labels, name):
    with pytest.raises(ValueError, match=rf"{name} holds [12] missing label\(s\). Leave out"):
        as_labels(labels, name)


def test_one_hot_columns_of_one_name_are_several_classes():
    y = pd.get_dummies(pd.Series(list("abc") * 4)).set_axis(["a", "a", "b"], axis=1)
    assert LabelEncoder.fit(y)[0].classes.tolist() == [0, 1, 2]


def test_labels_that_read_alike_are_refused_where_text_is_taken():
    with pytest.raises(ValueError, match=r"of the types int, str, some of which read alike"):
        classifier_labels([1, "1", "2"])


def test_labels_of_several_lengths_are_refused():
    with pytest.raises(
        ValueError, match="y holds lists of different lengths: pass one label for each"
    ):
        read_labels([[1, 0], [1]])


@pytest.mark.parametrize(
    ("y", "found"),
    [
        (np.arange(200) * 7 % 150, "150 different values in 200 rows"),
        (pd.Series(np.arange(60)), "60 different values in 60 rows"),
        (pd.Series(pd.date_range("2020-01-01", periods=40)), "40 different values"),
        (np.array(each(0.5, 1.5)), "2 different numbers, not all of them whole, in 40 rows"),
    ],
)
def test_the_target_of_a_regression_is_refused(y, found):
    with pytest.raises(ValueError, match=rf"Unknown label type: continuous. y holds {found}"):
        LabelEncoder.fit(y)


@pytest.mark.parametrize(
    "y", [np.repeat(np.arange(100), 3), np.arange(20), np.arange(200).astype(str)]
)
def test_many_classes_are_no_regression(y):
    assert len(LabelEncoder.fit(y)[0].classes) == len(set(y.tolist()))


@pytest.mark.parametrize("y", [[{}] * 40, ONE_HOT[:, :2], ONE_HOT + 1])
def test_labels_that_are_refused(y):
    with pytest.raises(ValueError, match=r"types dict cannot be told apart|Multilabel and"):
        LabelEncoder.fit(y)


def test_groups_of_any_kind():
    groups = pd.Series(pd.PeriodIndex(each("2020", "2021"), freq="Y"))
    augmenter = quick(validation_fraction=0.5)
    augmenter.fit_resample(V, Y, groups=groups)
    assert augmenter.groups_[:40].tolist() == groups.tolist()


def test_what_takes_labels_elsewhere():
    bins = LABELS["bins"]
    with pytest.raises(ValueError, match=r"y holds values of the types Interval, and classifiers"):
        AugmentedClassifier(quick(), LogisticRegression()).fit(V, bins)
    report = augmentation_report(quick(), V, bins, n_permutations=0)
    assert {line.label for line in report.lines} >= {"(-1, 0]", "(0, 1]"}


@pytest.mark.parametrize("name", ["an enum of text", "list of tuples", "one-hot list"])
def test_pictures_read_labels_as_augmenters_do(name):
    plotting = pytest.importorskip("sklearn_pyraug.plotting")
    pytest.importorskip("matplotlib")
    y, augmenter = LABELS[name], quick()
    X_res, y_res = augmenter.fit_resample(V, y)
    augmenter.fit(V, y)
    before = np.random.get_state()  # noqa: NPY002
    displays = [
        plotting.SyntheticSamplesDisplay.from_estimator(augmenter, V, y),
        plotting.SyntheticSamplesDisplay.from_predictions(X_res, y_res, np.arange(len(X_res)) > 39),
    ]
    labels = augmenter.classes_.tolist()
    assert [list(display.classes) for display in displays] == [labels, labels]
    label = labels[0]
    assert plotting.LatentSpaceDisplay.from_estimator(augmenter, V, y, label).label == label
    assert plotting.LatentSpaceDisplay.from_estimator(augmenter, V, y).label in labels
    # A choice without a seed once moved numpy's global generator.
    np.testing.assert_equal(np.random.get_state(), before)  # noqa: NPY002
