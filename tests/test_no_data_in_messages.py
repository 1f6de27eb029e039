"""No value of a table may appear in an error, its traceback, a warning or a printed line.

Column names, class labels, file names that the user gave, and counts may.
"""

import contextlib
import io
import traceback
import warnings
from decimal import Decimal

import numpy as np
import pytest
from shared import quick
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklearn_pyraug import (
    MLP,
    AugmentedClassifier,
    AugmentedClassifierCV,
    RHVAEEmbedder,
    augmentation_gain,
    augmentation_report,
)
from sklearn_pyraug.cli import main
from sklearn_pyraug.io import load_table, save_table
from sklearn_pyraug.metrics import (
    authenticity,
    classifier_two_sample_test,
    column_differences,
    distance_to_closest_record,
    maximum_mean_discrepancy,
    nearest_neighbor_distance_ratio,
    precision_recall_density_coverage,
    sliced_wasserstein_distance,
    train_on_synthetic,
    training_proximity,
)

pd = pytest.importorskip("pandas")

NAME, NUMBER, DATE = "Ursula Quillfeather", 31337.4242, "1931-07-13"
CANARIES = ("Quillfeather", "31337", "1931")
X = np.random.default_rng(0).normal(size=(30, 3))
Y = np.repeat([0, 1], 15)


def in_array(value):
    """Return rows as an array of objects, one of which is `value`."""
    rows = X.astype(object)
    rows[0, 1] = value
    return rows


def in_frame(value):
    """Return rows as a dataframe whose column "b" holds `value`."""
    column = np.empty(30, dtype=object)
    column[:] = list(X[:, 1])
    column[0] = value
    return pd.DataFrame({"a": X[:, 0], "b": pd.Series(column, dtype=object), "c": X[:, 2]})


def filled(value):
    """Return rows with two bad ones: `value`, and the rare number."""
    rows = X.copy()
    rows[0, 1], rows[1] = value, NUMBER
    return rows


CELLS = {
    "text": NAME,
    "number as text": str(NUMBER),
    "bytes": NAME.encode(),
    "dict": {NAME: NUMBER},
    "list": [NAME, NUMBER],
    "set": {NAME},
    "tuple": (NAME, NUMBER),
    "complex": complex(NUMBER, 1),
    "signalling NaN": Decimal("sNaN31337"),
    "date": pd.Timestamp(DATE),
}
TABLES = {
    **{f"array, {name}": in_array(value) for name, value in CELLS.items()},
    **{f"frame, {name}": in_frame(value) for name, value in CELLS.items()},
    "array of text": in_array(NAME).astype(str),
    "list of lists": in_array(NAME).tolist(),
    "complex": X + 1j * NUMBER,
    "one axis": np.full(30, NUMBER),
    "one axis of text": np.full(30, NAME),
    "series": pd.Series(np.full(30, NUMBER)),
    "one number": np.array(NUMBER),
    "one float": NUMBER,
    "one text": NAME,
    "infinity": filled(np.inf),
    "NaN": filled(np.nan),
    "ragged": [[NUMBER, 1.0], [NUMBER]] * 15,
    "ragged text": [[NAME, 1.0], [NAME]] * 15,
    "dates": np.full((30, 3), DATE, dtype="M8[D]"),
    "periods": pd.DataFrame({"a": pd.period_range(DATE, periods=30), "b": X[:, 0]}),
    "intervals": pd.DataFrame({"a": pd.interval_range(NUMBER, NUMBER + 30, 30), "b": X[:, 0]}),
    "structured": np.array([(NUMBER, NAME)] * 30, dtype=[("a", float), ("b", "U20")]),
}
TARGETS = {
    "continuous": np.linspace(NUMBER, NUMBER + 1, 30),
    "complex": np.full(30, complex(NUMBER, 1)),
    "two axes": np.full((30, 2), NUMBER),
    "dicts": [{NAME: NUMBER}] * 30,
    "sets": [{NUMBER}] * 30,
    "too short": np.array([0, 1, 1]),
    "missing": np.array([NAME] * 10 + [None] * 20, dtype=object),
}
WEIGHTS = {
    "text": [NAME] * 30,
    "negative": [-NUMBER] * 30,
    "infinite": [np.inf] * 29 + [NUMBER],
    "two axes": np.full((30, 2), NUMBER),
    "too short": [NUMBER] * 3,
    "complex": [complex(NUMBER, 1)] * 30,
    "dicts": [{NAME: NUMBER}] * 30,
    "one": NUMBER,
}


def classifier():
    """Return an augmented classifier that trains in no time."""
    return AugmentedClassifier(quick(), LogisticRegression())


def said(action):
    """Run something; return all it said, and whether it failed."""
    printed, failed = io.StringIO(), False
    with (
        warnings.catch_warnings(record=True) as caught,
        contextlib.redirect_stdout(printed),
        contextlib.redirect_stderr(printed),
    ):
        warnings.simplefilter("always")
        try:
            action()
        except Exception as error:
            failed = True
            printed.write("".join(traceback.format_exception(error)))
    return printed.getvalue() + "".join(str(w.message) for w in caught), failed


def assert_silent(action, must_fail=False):
    """Assert that no data are shown; no line of this module contains the canaries."""
    text, failed = said(action)
    assert failed or not must_fail
    assert not [canary for canary in CANARIES if canary in text], text


def test_the_listener_hears_a_canary():
    with pytest.raises(AssertionError):
        assert_silent(lambda: print(NAME))
    with pytest.raises(AssertionError):
        assert_silent(lambda: np.array([NAME]).astype(float))
    with pytest.raises(AssertionError):
        assert_silent(lambda: warnings.warn(str(NUMBER), stacklevel=1))
    with pytest.raises(AssertionError):
        assert_silent(lambda: None, must_fail=True)


@pytest.mark.parametrize("name", TABLES)
def test_of_training_rows(name):
    table = TABLES[name]
    assert_silent(lambda: quick().fit_resample(table, Y))
    assert_silent(lambda: quick(categorical_features=[1]).fit(table, Y))
    assert_silent(lambda: classifier().fit(table, Y))
    choice = AugmentedClassifierCV(LogisticRegression(), {"ours": quick()}, cv=2, n_repeats=1)
    assert_silent(lambda: choice.fit(table, Y))
    assert_silent(
        lambda: augmentation_gain(
            LogisticRegression(), table, Y, augmenter=quick(), cv=2, n_repeats=1
        )
    )


@pytest.mark.parametrize("name", TABLES)
def test_of_rows_to_embed(name):
    table, embedder = TABLES[name], RHVAEEmbedder(max_epochs=1, encoder=MLP((4,)))
    assert_silent(lambda: embedder.fit(table))
    assert_silent(lambda: embedder.fit_transform(table))
    embedder.fit(X)
    assert_silent(lambda: embedder.transform(table))
    assert_silent(lambda: embedder.inverse_transform(table))


@pytest.fixture(scope="module")
def fitted():
    """An augmented classifier."""
    return classifier().fit(X, Y)


@pytest.mark.parametrize("name", TABLES)
def test_of_rows_to_classify_or_measure(name, fitted):
    table = TABLES[name]
    assert_silent(lambda: fitted.predict(table))
    assert_silent(lambda: fitted.predict_proba(table))
    assert_silent(lambda: fitted.predict_log_proba(table))
    assert_silent(lambda: fitted.decision_function(table))
    assert_silent(lambda: fitted.score(table, Y))
    assert_silent(lambda: distance_to_closest_record(table, X))
    assert_silent(lambda: precision_recall_density_coverage(X, table))


@pytest.mark.parametrize("name", TABLES)
def test_measures_of_tables(name):
    table, model = TABLES[name], LogisticRegression()
    assert_silent(lambda: authenticity(table, X))
    assert_silent(lambda: nearest_neighbor_distance_ratio(table, X))
    assert_silent(lambda: training_proximity(X, X, table))
    assert_silent(lambda: classifier_two_sample_test(X, table, n_permutations=0))
    assert_silent(lambda: maximum_mean_discrepancy(X, table))
    assert_silent(lambda: sliced_wasserstein_distance(X, table))
    assert_silent(lambda: column_differences(X, table))
    assert_silent(lambda: column_differences(table, table))
    assert_silent(lambda: train_on_synthetic(model, X, Y, table, Y, X, Y))


@pytest.mark.parametrize("name", TARGETS)
def test_of_targets(name):
    y = TARGETS[name]
    assert_silent(lambda: quick().fit_resample(X, y), must_fail=True)
    assert_silent(lambda: quick().fit(X, y), must_fail=True)
    assert_silent(lambda: classifier().fit(X, y), must_fail=True)
    choice = AugmentedClassifierCV(LogisticRegression(), None)
    assert_silent(lambda: choice.fit(X, y), must_fail=True)
    assert_silent(lambda: augmentation_gain(LogisticRegression(), X, y, cv=2), must_fail=True)
    model = LogisticRegression()
    assert_silent(lambda: train_on_synthetic(model, X, y, X, y, X, y), must_fail=True)


@pytest.mark.parametrize("name", WEIGHTS)
def test_of_weights(name):
    assert_silent(lambda: classifier().fit(X, Y, sample_weight=WEIGHTS[name]), must_fail=True)


def test_of_an_unknown_category():
    table = pd.DataFrame({"a": np.tile(["x", "y", "z"], 10)})
    inner = make_pipeline(OneHotEncoder(), LogisticRegression())
    model = AugmentedClassifier(quick(), inner).fit(table, Y)
    unknown = table.replace("x", NAME)
    assert_silent(lambda: model.predict(unknown), must_fail=True)


def test_a_table_in_the_place_of_a_parameter():
    table = pd.DataFrame({"a": [NAME] * 30, "b": [NUMBER] * 30})
    assert_silent(lambda: AugmentedClassifier(table, Y).fit(X, Y), must_fail=True)
    assert_silent(lambda: quick(sampling_strategy=table).fit(X, Y), must_fail=True)


def test_what_remains_of_a_message_says_what_is_wrong():
    """Without the text, the error still names the kind of fault, and scikit-learn's remedy."""
    expected = r"^Expected 2D array, got 1D array instead\.\nReshape"
    with pytest.raises(ValueError, match=expected) as e:
        quick().fit(TABLES["one axis"], Y)
    assert e.value.__cause__ is None
    assert e.value.__suppress_context__
    with pytest.raises(ValueError, match="^Complex data not supported: X .* real and imag"):
        quick().fit(TABLES["complex"], Y)
    with pytest.raises(ValueError, match=r"^sample_weight.* 30 negative values"):
        classifier().fit(X, Y, sample_weight=WEIGHTS["negative"])


def test_notes_are_kept():
    with pytest.raises(ValueError, match="Reshape") as e:
        augmentation_gain(
            LogisticRegression(), TABLES["one axis"], Y, augmenter=quick(), cv=2, n_repeats=1
        )
    assert any("augmentation_gain" in note for note in e.value.__notes__)


# --- files ---------------------------------------------------------------------------------


def broken_files(folder):
    """Write files that hold canaries and cannot be read; return their paths."""
    (folder / "ragged.csv").write_text(f"a,b\n1,2\n{NAME},{NUMBER},{DATE}\n")
    (folder / "latin.csv").write_bytes(f"a,b\nMüller {NAME},{NUMBER}\n".encode("latin-1"))
    (folder / "quote.csv").write_text(f'a,target\n"{NAME},{NUMBER}\n')
    (folder / "text.parquet").write_text(f"{NAME},{NUMBER}" * 20)
    (folder / "text.npz").write_text(f"{NAME},{NUMBER}" * 20)
    np.savez(folder / "objects.npz", X=in_array(NAME), y=Y)
    frame = in_frame(0.0).assign(name=NAME, target=Y)
    frame.to_parquet(folder / "cut.parquet")
    whole = (folder / "cut.parquet").read_bytes()
    (folder / "cut.parquet").write_bytes(whole[:-60])
    (folder / "flipped.parquet").write_bytes(whole[:200] + b"\xff" * 50 + whole[250:])
    np.savez(folder / "header.npz", X=np.array([[NAME]]), y=np.array([0]))
    stored = (folder / "header.npz").read_bytes()
    # The member's header then claims to be longer than it is, and ends among the values.
    (folder / "header.npz").write_bytes(stored.replace(b"v\x00{'descr'", b"\xff\x00{'descr'"))
    return sorted(folder.glob("*.*"))


def test_of_broken_files(tmp_path):
    pytest.importorskip("pyarrow")
    paths = broken_files(tmp_path)
    assert len(paths) == 9
    for path in paths:
        # A column of a parquet file may be damaged and still be read.
        must_fail = path.name != "flipped.parquet"
        assert_silent(lambda path=path: load_table(path, "target"), must_fail=must_fail)
        command = ["augment", str(path), "-o", str(tmp_path / "out.csv")]
        target = [] if path.suffix == ".npz" else ["--target", "target"]
        for more in ([], ["--debug"]):
            arguments = [*more, *command, *target]
            assert_silent(lambda arguments=arguments: main(arguments))


# pandas 2 prints an error of its own about a Decimal that signals, without its value.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("ending", [".csv", ".parquet", ".npz"])
@pytest.mark.parametrize("cell", CELLS)
def test_of_tables_to_write(ending, cell, tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / f"out{ending}"
    assert_silent(lambda: save_table(path, in_frame(CELLS[cell]), Y))
    assert_silent(lambda: save_table(path, X, np.array([CELLS[cell]] * 29 + [0], dtype=object)))


def test_a_file_of_several_types_names_the_column(tmp_path):
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match="because of the columns 'b'; give columns of one type"):
        save_table(tmp_path / "out.parquet", in_frame(NAME), Y)


@pytest.mark.slow
def test_of_the_command_line(tmp_path, monkeypatch):
    """Text among numbers, an identifier, infinities and dates: reported with columns and counts."""
    monkeypatch.chdir(tmp_path)
    frames = {
        "mixed": in_frame(NAME),
        "names": pd.DataFrame({"name": [f"{NAME} {i}" for i in range(30)], "b": X[:, 0]}),
        "infinite": pd.DataFrame(filled(np.inf), columns=list("abc")),
        "gaps": pd.DataFrame(filled(np.nan), columns=list("abc")),
        "dates": pd.DataFrame({"day": pd.date_range(DATE, periods=30), "b": X[:, 0]}),
    }
    pd.DataFrame(X, columns=list("abc")).assign(kind=Y).to_csv("good.csv", index=False)
    options = ["--set", "max_epochs=2", "--set", "encoder__hidden_layer_sizes=8", "--device", "cpu"]
    for name, frame in frames.items():
        frame.assign(kind=Y).to_csv(f"{name}.csv", index=False)
        for command in (
            ["augment", f"{name}.csv", "-o", f"{name}-out.csv", "--target", "kind", *options],
            ["evaluate", f"{name}.csv", "good.csv", "--target", "kind"],
            ["evaluate", "good.csv", f"{name}.csv", "--target", "kind"],
            ["evaluate", f"{name}.csv", f"{name}.csv", "--target", "kind"],
        ):
            assert_silent(lambda command=command: main(command))
    assert not [path.name for path in tmp_path.iterdir() if "Quill" in path.name]


def test_of_a_defect_on_the_command_line(monkeypatch):
    """What a library says is not shown, unless the user asks for the traceback."""

    def fail(*args, **kwargs):
        raise KeyError(NAME)

    monkeypatch.setattr("sklearn_pyraug.cli.digits.run_demo", fail)
    text, _ = said(lambda: main(["demo"]))
    assert "unexpected KeyError" in text
    assert NAME not in text


def test_of_the_progress():
    table = pd.DataFrame({"name": np.tile([NAME, "other"], 15), "b": X[:, 0]})
    assert_silent(lambda: quick(verbose=2).fit_resample(table, Y))


def test_of_damaged_model_files(tmp_path):
    """A level of a category stands in the file, and in no message about damage."""
    table = pd.DataFrame({"name": np.tile([NAME, "other"], 15), "b": X[:, 0]})
    augmenter = quick()
    augmenter.fit_resample(table, Y)
    augmenter.save(tmp_path / "model.pyraug")
    payload = (tmp_path / "model.pyraug").read_bytes()
    place = payload.index(NAME.encode())
    for position in range(place - 40, place + 40, 2):
        damaged = payload[:position] + b"?" + payload[position + 1 :]
        (tmp_path / "damaged.pyraug").write_bytes(damaged)
        assert_silent(lambda: type(augmenter).load(tmp_path / "damaged.pyraug"))


def test_a_table_in_place_of_an_estimator_is_not_printed():
    """`clone` and our own messages showed its first rows."""
    rows = pd.DataFrame({"name": [NAME] * 4, "age": [NUMBER] * 4})
    y = [0, 1, 0, 1]
    model = LogisticRegression()
    for action in (
        lambda: augmentation_report(rows, rows, y),
        lambda: augmentation_gain(rows, rows, y),
        lambda: augmentation_gain(model, rows, y, augmenter=rows),
        lambda: augmentation_gain(model, rows, y, scoring=rows),
        lambda: train_on_synthetic(rows, rows, y, rows, y, rows, y),
        lambda: AugmentedClassifier(quick(), model).fit(rows, y),
    ):
        assert_silent(action, must_fail=True)


def test_columns_of_text_are_named_by_the_gain():
    rows = pd.DataFrame({"age": range(40), "sex": [*"fm"] * 20})
    with pytest.raises(ValueError, match="needed: 'sex'. Encode .* pass a pipeline"):
        augmentation_gain(
            LogisticRegression(), rows, [0, 1] * 20, augmenter=quick(), preprocessor=None
        )
