"""The steps between raw rows and a classifier that only takes numbers."""

import warnings
from typing import NamedTuple

import numpy as np
from imblearn.base import BaseSampler
from scipy.sparse import issparse
from sklearn import get_config
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import get_routing_for_object

from .._augmenter import RHVAEAugmenter
from .._preprocessing.containers import (
    column_at,
    column_kind,
    column_names,
    column_numbers,
    column_values,
    is_missing,
    library_of,
    take,
)
from .._preprocessing.images import flat_rows, stack_rows
from .._validation import check_unique_names
from .augmented import AugmentedClassifier
from .samplers import Smote

# Most columns that one column of categories becomes; the rarest categories share the last.
_MAX_CATEGORIES = 100


class Table(NamedTuple):
    """What is known of the columns before any fit.

    Attributes
    ----------
    numbers, categories : list
        Names of a dataframe's columns, if all are text, else their positions.
    is_frame, is_image, has_gaps : bool
    """

    numbers: list
    categories: list
    is_frame: bool
    is_image: bool
    has_gaps: bool


class Prepared(NamedTuple):
    """A classifier behind the steps that make its numbers of raw rows.

    Attributes
    ----------
    model : classifier
        The classifier itself where there are no steps, else a pipeline.
    steps : list of transformers
    table : Table
    """

    model: object
    steps: list
    table: Table

    @property
    def words(self):
        """What the default steps do to the rows."""
        table = self.table
        if table.is_image:
            filled = ", missing ones filled by 0" if table.has_gaps else ""
            return f"pixels are flattened{filled}, and divided by the largest of each place"
        parts = []
        if n := len(table.numbers):
            columns = "columns" if n > 1 else "column"
            parts.append(f"{n} {columns} of numbers filled and standardised")
        if n := len(table.categories):
            columns = "columns" if n > 1 else "column"
            parts.append(f"{n} {columns} of categories made one column a category")
        return ", ".join(parts)

    def augmenter(self, **settings):
        """Return the package's own augmenter, set up for the columns."""
        if self.table.has_gaps:
            settings["missing"] = "keep"
        if self.table.categories and not self.table.is_frame:
            settings["categorical_features"] = self.table.categories
        return RHVAEAugmenter(**settings)

    def behind(self, sampler):
        """Return the model behind a sampler, which sees raw rows if it can."""
        if self.steps and self._needs_numbers(sampler):
            return self.before_the_last(sampler)
        return _augmented(sampler, self.model)

    def behind_smote(self, **keywords):
        """Return the model behind SMOTE, behind SMOTENC where there are categories."""
        if len(self.steps) < 2:
            return self.before_the_last(Smote(**keywords))
        n_numbers, n_categories = len(self.table.numbers), len(self.table.categories)
        columns = tuple(range(n_numbers, n_numbers + n_categories))
        sampler = Smote(categories=columns, all_categories=not n_numbers, **keywords)
        *_, (_, classifier) = self.model.steps
        last = make_pipeline(*self.steps[1:], classifier)
        return make_pipeline(self.steps[0], _asking(_augmented(sampler, last)))

    def before_the_last(self, sampler, **keywords):
        """Return a model in which a sampler sees what the last step of a pipeline sees."""
        if not isinstance(self.model, Pipeline):
            return _augmented(sampler, self.model, **keywords)
        *first, (name, last) = self.model.steps
        return Pipeline([*first, (name, _asking(_augmented(sampler, last, **keywords)))])

    def _needs_numbers(self, sampler):
        """Return True for imbalanced-learn's samplers of numbers."""
        if isinstance(sampler, RHVAEAugmenter) or not isinstance(sampler, BaseSampler):
            return False
        return self.table.is_image or not get_tags(sampler).input_tags.string


def _augmented(sampler, model, **keywords):
    """Return a model behind a sampler, which a search calls in each of its own folds.

    Behind the sampler, it would choose by rows whose copies it was fitted on.
    """
    first, (name, last) = [], (None, model)
    if isinstance(model, Pipeline):
        *first, (name, last) = model.steps
    place = next((n for n in ("param_grid", "param_distributions") if hasattr(last, n)), None)
    if place is None:
        return AugmentedClassifier(sampler, model, **keywords)
    search, prefix = clone(last), "classifier__"
    inner = search.estimator
    if first:
        inner, prefix = Pipeline([*first, (name, inner)]), f"classifier__{name}__"
    grids = getattr(search, place)
    renamed = [
        {prefix + key: values for key, values in grid.items()}
        for grid in ([grids] if isinstance(grids, dict) else grids)
    ]
    augmented = _asking(AugmentedClassifier(sampler, inner, **keywords))
    return search.set_params(estimator=augmented, **{place: renamed})


def prepare(classifier, X, y, train, preprocessor):
    """Put a classifier behind what it needs to take the rows.

    Parameters
    ----------
    classifier : classifier
    X, y : object
        All rows and labels.
    train : ndarray of int
        Rows on which a pipeline is tried.
    preprocessor : "auto", transformer or None

    Returns
    -------
    prepared : Prepared
    """
    table = read_columns(X)
    steps = _steps(preprocessor, classifier, X, y, train, table)
    model = make_pipeline(*steps, _asking(classifier)) if steps else classifier
    return Prepared(model, steps, table)


def _asking(estimator, wanted=True):
    """Return an estimator that, as a step, requests weights or requests none.

    It is unchanged if metadata routing is not enabled, or if its request is set.
    """
    if not get_config()["enable_metadata_routing"]:
        return estimator
    request = getattr(get_routing_for_object(estimator), "fit", None)
    if request is None or request.requests.get("sample_weight", False) is not None:
        return estimator
    return clone(estimator).set_fit_request(sample_weight=wanted)


def read_columns(X):
    """Return a :class:`Table`: which columns hold numbers, and which text or other categories.

    Parameters
    ----------
    X : {array-like, sparse matrix, dataframe} of shape (n_samples, n_features) or \
            (n_samples, *sample_shape)

    Returns
    -------
    table : Table
        Dates are in neither of its lists.
    """
    names = column_names(X)
    if names is not None:
        check_unique_names(names)
        columns = [column_at(X, j) for j in range(len(names))]
        kinds = [
            column_kind(column, name, "X") for column, name in zip(columns, names, strict=True)
        ]
        # scikit-learn would take names that are no strings for positions.
        places = names if all(isinstance(v, str) for v in names) else range(len(names))
        numbers, categories = (
            [place for place, kind in zip(places, kinds, strict=True) if kind in letters]
            for letters in ("biufc", "O")
        )
        gaps = any(is_missing(value) for column in columns for value in column_values(column))
        return Table(numbers, categories, True, False, gaps)
    if issparse(X):
        return Table(list(range(X.shape[1])), [], False, False, False)
    X = np.asarray(stack_rows(X))
    if X.ndim != 2 or X.dtype.kind in "biufc":
        gaps = X.dtype.kind == "f" and bool(np.isnan(X).any())
        return Table(list(range(X.shape[-1])), [], False, X.ndim > 2, gaps)
    is_text = [any(isinstance(value, str) for value in column) for column in X.T]
    numbers, categories = (
        np.flatnonzero(np.equal(is_text, text)).tolist() for text in (False, True)
    )
    return Table(numbers, categories, False, False, any(map(is_missing, X.flat)))


def _steps(preprocessor, classifier, X, y, train, table):
    """Return the transformers that go in front of a classifier, as a list."""
    if preprocessor is None:
        return []
    if not isinstance(preprocessor, str):
        return [preprocessor]
    is_raw = bool(table.is_image or table.categories or table.has_gaps)
    pipeline = next(
        (
            value
            for value in (classifier, *classifier.get_params().values())
            if isinstance(value, Pipeline)
        ),
        None,
    )
    if pipeline is not None or not table.is_frame:
        if not is_raw or _can_be_fitted(classifier if pipeline is None else pipeline, X, y, train):
            return []
    steps = _pixels(table) if table.is_image else _columns(table)
    # Steps pass arrays to each other, whatever scikit-learn's `transform_output` is.
    return [step.set_output(transform="default") for step in steps]


def _pixels(table):
    """Return the step that makes numbers of images."""
    fill = SimpleImputer(strategy="constant", fill_value=0, keep_empty_features=True)
    parts = [FunctionTransformer(_flat), fill, MaxAbsScaler()]
    return [make_pipeline(*(parts if table.has_gaps else parts[::2]))]


def _columns(table):
    """Return the steps that make numbers of a table: codes first, then columns of categories."""
    n_numbers = len(table.numbers)
    parts = []
    if n_numbers:
        dense = FunctionTransformer(_dense, feature_names_out="one-to-one")
        imputer = SimpleImputer(strategy="median", keep_empty_features=True)
        scaler = _asking(StandardScaler(), wanted=False)
        parts.append(("numbers", make_pipeline(dense, imputer, scaler), table.numbers))
    if table.categories:
        codes = OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        )
        codes = make_pipeline(FunctionTransformer(_as_text), codes)
        parts.append(("categories", codes, table.categories))
    steps = [ColumnTransformer(parts)]
    if table.categories:
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            max_categories=_MAX_CATEGORIES,
            sparse_output=False,
        )
        columns = list(range(n_numbers, n_numbers + len(table.categories)))
        part = ("categories", encoder, columns)
        steps.append(ColumnTransformer([part], remainder="passthrough"))
    return steps


def _dense(X):
    """Return a dataframe whose sparse columns are dense, and a table of pyarrow as an array."""
    if library_of(X) == "pyarrow":
        columns = [column_at(X, j) for j in range(X.num_columns)]
        return np.column_stack([column_numbers(c, column_kind(c)) for c in columns])
    kinds = getattr(X, "dtypes", None)
    if not hasattr(kinds, "items"):  # not a dataframe of pandas
        return X
    sparse = {name: k.subtype for name, k in kinds.items() if type(k).__name__ == "SparseDtype"}
    return X.astype(sparse) if sparse else X


def _as_text(X):
    """Return categories of any kind as an array of text, None where one is missing."""
    if column_names(X) is None:
        columns = np.asarray(X, object).T
    else:
        # Not as an array: it would have levels in place of a pyarrow table's missing values.
        columns = [column_values(column_at(X, j)) for j in range(X.shape[1])]
    text = [[None if is_missing(value) else str(value) for value in c] for c in columns]
    return np.array(text, dtype=object).T


def _flat(X):
    return flat_rows(stack_rows(X))[0]


def _can_be_fitted(model, X, y, train):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clone(model).fit(take(X, train), take(y, train))
    except Exception:  # of any kind: it does not take such rows
        return False
    return True
