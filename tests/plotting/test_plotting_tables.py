"""Tests of the pictures of real and synthetic rows of a table, drawn without a screen."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import ks_2samp

from sklearn_pyraug.metrics import column_differences
from sklearn_pyraug.plotting import SyntheticSamplesDisplay

pytest.importorskip("matplotlib")


def draw(real, synthetic, y_real=None, y_synthetic=None, **options):
    y_real = np.zeros(len(real), int) if y_real is None else y_real
    y_synthetic = np.zeros(len(synthetic), int) if y_synthetic is None else y_synthetic
    return SyntheticSamplesDisplay.from_predictions(
        np.concatenate([real, synthetic]),
        np.concatenate([y_real, y_synthetic]),
        np.repeat([False, True], [len(real), len(synthetic)]),
        **options,
    )


def bars(ax):
    """Return the heights of filled and of outlined bars of levels."""
    return [[bar.get_height() for bar in container] for container in ax.containers]


@pytest.fixture
def normal(random_seed):
    rng = np.random.default_rng(random_seed)
    shift = np.array([0.0, 3.0, 1.0])
    return rng.normal(size=(300, 3)), rng.normal(size=(200, 3)) + shift


def test_marginals_are_in_the_order_of_scipys_statistic(normal):
    display = draw(*normal)
    assert display.kind == "marginals"
    real, synthetic = normal
    for j in range(3):
        expected = ks_2samp(real[:, j], synthetic[:, j]).statistic
        assert_allclose(display.differences_[f"column {j}"], expected)
    assert [ax.get_title().split("\n")[0] for ax in display.axes_] == [
        "column 1",
        "column 2",
        "column 0",
    ]
    assert display.axes_[0].get_ylabel() == "share of rows"


def test_histograms_hold_the_shares_of_rows(normal):
    real, synthetic = normal
    (ax,) = draw(*normal, max_columns=1).axes_
    first, second = (patch.get_data() for patch in ax.patches)
    assert_array_equal(first.edges, second.edges)
    for drawn, x in ((first, real[:, 1]), (second, synthetic[:, 1])):
        clipped = np.clip(x, *first.edges[[0, -1]])
        assert_allclose(drawn.values, np.histogram(clipped, first.edges)[0] / len(x))
    assert ax.patches[0].get_fill()
    assert not ax.patches[1].get_fill()
    assert ax.get_ylim()[1] > max(first.values.max(), second.values.max())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["real", "synthetic"]


def test_the_balance_of_the_classes_alone_makes_no_difference():
    """Ten rows and forty, balanced by copies: no column has changed."""
    x = np.arange(50.0)[:, None]
    y = np.repeat(["rare", "common"], [10, 40])
    many = np.concatenate([np.repeat(x[:10], 7, axis=0), x[10:]])
    display = draw(x, many, y, np.repeat(["rare", "common"], [70, 40]))
    assert_allclose(display.differences_["column 0"], 0, atol=1e-12)


def test_a_class_without_synthetic_rows_is_left_out():
    x = np.arange(50.0)[:, None]
    display = draw(x, x[:10], np.repeat([0, 1], [10, 40]), np.zeros(10, int))
    assert_allclose(display.differences_["column 0"], 0, atol=1e-12)


def test_pixels_of_images_can_be_drawn_as_columns():
    X = np.random.default_rng(0).normal(size=(20, 2, 3))
    display = draw(X, X, kind="marginals", sample_shape=(2, 3))
    assert list(display.differences_) == [f"column {j}" for j in range(6)]


def test_text_and_few_numbers_are_levels():
    real = np.array([["red", 1.0], ["red", 2.0], ["blue", 2.0], [None, 2.0]], dtype=object)
    synthetic = np.array([["blue", 1.0], ["blue", 1.0]], dtype=object)
    first, second = draw(real, synthetic).axes_
    # Shares 1/4, 1/4, 1/2 against 1, 0, 0; and 1/4, 3/4 against 1, 0.
    assert first.get_title() == "column 0\ntotal variation 0.75"
    assert [label.get_text() for label in first.get_xticklabels()] == ["blue", "missing", "red"]
    assert bars(first) == [[0.25, 0.25, 0.5], [1, 0, 0]]
    assert second.get_title() == "column 1\nKolmogorov-Smirnov 0.75"
    assert [label.get_text() for label in second.get_xticklabels()] == ["1", "2"]


def test_rare_levels_share_a_bar():
    real = np.array([*"aaaabbbccdefghijk"], dtype=object)[:, None]
    (ax,) = draw(real, real).axes_
    labels = [label.get_text() for label in ax.get_xticklabels()]
    assert labels == [*"abcdefg", "4 others"]
    assert_allclose(bars(ax)[0], np.array([4, 3, 2, 1, 1, 1, 1, 4]) / 17)


def test_missing_numbers_are_told_and_no_part_of_the_distribution():
    x = np.arange(40.0)
    lacking = np.where(np.arange(40) < 20, np.nan, x)
    (ax,) = draw(np.r_[x, x][:, None], np.r_[x, lacking][:, None]).axes_
    assert ax.get_title().endswith("missing: real 0 %, synthetic 25 %")
    assert_allclose(sum(patch.get_data().values.sum() for patch in ax.patches), 2)
    (ax,) = draw(x[:, None], np.full((5, 1), np.nan)).axes_
    assert "Kolmogorov-Smirnov 1.00" in ax.get_title()


@pytest.mark.parametrize("sample_shape", [None, (1, 3)])
def test_masked_values_are_not_drawn(normal, sample_shape):
    X = np.concatenate(normal)
    masked = np.ma.array(np.where(X > 1, -9999, X), mask=X > 1)
    y, mask = np.zeros(500, int), np.arange(500) >= 300
    display = SyntheticSamplesDisplay.from_predictions(masked, y, mask, sample_shape=sample_shape)
    assert np.nanmin(np.concatenate(display.real)) > -100


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_differences_are_those_of_the_metric(library):
    """Codes of categories were read as numbers, and missing ones as a dictionary's first level."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"x": rng.normal(size=40), "n": rng.integers(0, 3, 40) * 1.0})
    frame["city"] = rng.choice(["Bonn", "Rome"], 40)
    frame.loc[::9, "x"], frame.loc[::7, "city"] = np.nan, None
    frame["code"] = pd.Categorical(np.where(np.arange(40) < 6, np.nan, rng.integers(0, 4, 40)))
    expected = column_differences(frame[:20], frame[20:]).to_frame()["difference"]
    mask = np.arange(40) >= 20
    if library == "pyarrow":
        frame = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    display = SyntheticSamplesDisplay.from_predictions(frame, np.zeros(40, int), mask)
    assert_allclose(list(display.differences_.values()), expected[list(display.differences_)])


def test_names_of_a_dataframe_are_written():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"age": np.arange(40.0), "city": pd.Categorical(["a", "b"] * 20)})
    mask = np.arange(40) >= 20
    display = SyntheticSamplesDisplay.from_predictions(frame, np.zeros(40, int), mask)
    assert display.differences_ == {"age": 1.0, "city": 0.0}


def test_scatter_projects_both_on_the_components_of_the_real_rows(random_seed):
    rng = np.random.default_rng(random_seed)
    real = rng.normal(size=(200, 2)) @ np.array([[1.0, 0.9], [0.0, 0.1]])
    y = np.arange(200) % 2
    display = draw(real, real[:50] + np.ones(2), y, y[:50], kind="scatter")
    left, right = display.axes_
    assert [len(line.get_xdata()) for line in left.lines] == [100, 100]
    # The real rows again, below the synthetic ones.
    assert [len(line.get_xdata()) for line in right.lines] == [200, 25, 25]
    # Columns close to equal: the first component is their sum, along which the copies moved.
    moved = np.subtract(right.lines[1].get_xydata(), left.lines[0].get_xydata()[:25])
    assert_allclose(np.abs(moved[:, 0]), np.sum(1 / real.std(axis=0)) / np.sqrt(2), rtol=1e-6)
    assert left.get_xlim() == right.get_xlim()
    assert left.lines[0].get_marker() != left.lines[1].get_marker()
    assert left.get_xlabel().startswith("first principal component")
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["0", "1"]


def test_scatter_takes_levels_and_gaps():
    rng = np.random.default_rng(0)
    real = np.array([[v, s] for v, s in zip(rng.normal(size=30), "abc" * 10, strict=True)], object)
    real[0, 0] = None
    left, _ = draw(real, real[:5], kind="scatter").axes_
    assert np.isfinite(left.lines[0].get_xydata()).all()


def test_tables_of_an_augmenter_are_drawn():
    class Augmenter:
        sample_shape_ = None

        def sample(self, n):
            self.asked = n
            return np.arange(2.0 * n)[:, None], np.repeat(["a", "b"], n)

    augmenter = Augmenter()
    X, y = np.arange(30.0)[:, None], np.repeat(["a", "b"], 15)
    display = SyntheticSamplesDisplay.from_estimator(augmenter, X, y)
    assert display.kind == "marginals"
    assert augmenter.asked == 100
    assert [len(rows) for rows in display.real] == [15, 15]
    assert [len(rows) for rows in display.synthetic] == [100, 100]
    display = SyntheticSamplesDisplay.from_estimator(augmenter, X, y, n_real=4, n_synthetic=7)
    assert [len(rows) for rows in [*display.real, *display.synthetic]] == [4, 4, 7, 7]


@pytest.mark.parametrize("kind", ["marginals", "scatter"])
def test_a_given_figure_is_drawn_on(kind, normal):
    from matplotlib.figure import Figure

    _, lower = Figure().subfigures(2, 1)
    display = draw(*normal, kind=kind, figure=lower)
    assert display.figure_ is lower
    assert list(lower.axes) == list(display.axes_)


def test_an_unknown_kind_is_refused(normal):
    with pytest.raises(ValueError, match="`kind` is 'bars'; give one of 'auto', 'images'"):
        draw(*normal, kind="bars")


def test_a_number_of_columns_below_one_is_refused(normal):
    with pytest.raises(ValueError, match="`max_columns` is 0; give an integer"):
        draw(*normal, max_columns=0)


def test_rows_of_one_kind_alone_have_nothing_to_compare(normal):
    with pytest.raises(ValueError, match="no class with rows of both kinds; give"):
        draw(normal[0], normal[1][:0])


def test_a_single_column_makes_no_scatter_plot(normal):
    with pytest.raises(ValueError, match=r"300 rows in 1 columns .* Use kind='marginals'"):
        draw(normal[0][:, :1], normal[1][:, :1], kind="scatter")
    with pytest.raises(ValueError, match="`real` has 0 rows"):
        draw(normal[0][:0], normal[1], kind="scatter")


def test_rows_that_do_not_fit_the_augmenter_are_refused():
    class Augmenter:
        def sample(self, n):
            return np.zeros((n, 3)), np.zeros(n)

    for X, y in [(np.zeros((4, 2)), np.zeros(4)), (np.zeros((4, 3)), np.zeros(5))]:
        with pytest.raises(ValueError, match="give the rows that `augmenter` was fitted to"):
            SyntheticSamplesDisplay.from_estimator(Augmenter(), X, y)
