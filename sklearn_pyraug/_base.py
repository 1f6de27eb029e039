"""What an augmenter does: validation, training, drawing, and the containers around it."""

from contextlib import contextmanager

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from scipy import sparse
from sklearn.preprocessing import label_binarize
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from ._components import ComponentParametersMixin
from ._config import checkpoint_folder, columns_of, decoder_kind, image_shape_of, resolve
from ._generation.cache import TrainingStore, check_cache
from ._generation.checkpoint import CheckpointFolder
from ._generation.fit import FitRequest, fit
from ._generation.jobs import Execution
from ._generation.sample import draw
from ._latent_tools import LatentToolsMixin
from ._metadata import check_weighted_classes, read_metadata
from ._model_file import ModelFileMixin
from ._preprocessing.containers import Frame, keep_containers, read_frame, wrap
from ._preprocessing.image_shape import guess_sample_shape
from ._preprocessing.images import (
    flat_rows,
    image_layout,
    network_columns,
    stack_rows,
    user_columns,
)
from ._preprocessing.schema import read_table
from ._preprocessing.table_codec import TableCodec
from ._random import root_seed
from ._repr_html import FittedHTMLMixin
from ._sklearn_compat import (
    CallbackSupportMixin,
    _fit_context,
    check_target_type,
    fit_task,
    with_callbacks,
)
from ._strategy import n_new_rows, requested_rows
from ._validation import (
    available_device,
    check_device,
    check_finite,
    check_has_columns,
    check_n_classes,
    check_sample_shape,
    no_data_in_errors,
    text_is_named,
)
from .metrics._privacy import privacy_report, warn_of_near_copies
from .rhvae import check_networks

__all__ = ["BaseAugmenter"]


class BaseAugmenter(
    LatentToolsMixin,
    ModelFileMixin,
    FittedHTMLMixin,
    ComponentParametersMixin,
    CallbackSupportMixin,
    BaseOverSampler,
):
    """The methods of :class:`~sklearn_pyraug.RHVAEAugmenter`, whose parameters they read."""

    _file_kind = "augmenter"

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @no_data_in_errors()
    def fit(self, X, y, *, sample_weight=None, groups=None):
        """Train a generator for every class.

        This differs from imbalanced-learn, whose samplers' `fit` only checks the input:
        after it, :meth:`sample` draws from every class.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or array-like of shape (n_samples, height, width), \
                (n_samples, depth, height, width), or either with an axis of channels
            Training rows: finite numbers, and categories and missing values as far as
            `categorical_features` and `missing` allow. Dataframes are those of pandas and
            polars, and tables of pyarrow.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            In proportion to their weights the rows of a class are learned from and drawn; between
            classes they are not compared. A row of weight zero is as if absent.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, such as the patient: with a `validation_fraction`, rows of one
            group are held out together or not at all.

        Returns
        -------
        self : RHVAEAugmenter

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used; before any training.
        ImportError
            If X or y is of polars or pyarrow, and narwhals is not installed.
        """
        X, y = wrap(stack_rows(X), "X"), wrap(y, "y")
        metadata = read_metadata(X, sample_weight, groups)
        with fit_task(self, "fit", X, y), _as_it_was(self):
            X, y, _ = self._check_X_y(X, y, metadata, every_class=True)
            self._learn(X, y, metadata, every_class=True)
        return self

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    @no_data_in_errors()
    def fit_resample(self, X, y, *, sample_weight=None, groups=None):
        """Train the classes that are to grow, and return the data with the new rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or array-like of shape (n_samples, height, width), \
                (n_samples, depth, height, width), or either with an axis of channels
            Training rows: finite numbers, and categories and missing values as far as
            `categorical_features` and `missing` allow. Dataframes are those of pandas and
            polars, and tables of pyarrow.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            In proportion to their weights the rows of a class are learned from and drawn; between
            classes they are not compared. A row of weight zero is as if absent, but is returned
            among the originals and counts for the `sampling_strategy`.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, such as the patient: with a `validation_fraction`, rows of one
            group are held out together or not at all. Those of the rows returned are in `groups_`.

        Returns
        -------
        X_resampled : {array-like, dataframe, sparse matrix} of shape \
                (n_samples_new, n_features)
            The rows of X, in their order, then the synthetic ones, class by class; in X's
            container, with its column names, dtypes and levels, or in its shape.
        y_resampled : array-like of shape (n_samples_new,)
            Their labels, in y's container.

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used; before any training.
        ImportError
            If X or y is of polars or pyarrow, and narwhals is not installed.
        """
        X, y = wrap(stack_rows(X), "X"), wrap(y, "y")
        metadata = read_metadata(X, sample_weight, groups)
        with fit_task(self, "fit-resample", X, y), _as_it_was(self):
            X_resampled, y_resampled = self._resample(X, y, metadata)
        if isinstance(y, Frame):
            y_resampled = y.with_rows(y_resampled[len(y) :])
        if isinstance(X, Frame):
            X_resampled = X.with_rows(X_resampled[len(X) :])
        elif hasattr(X, "iloc"):
            # The arrays went through one common dtype; the user's own rows stay untouched.
            X_resampled = _with_rows(X, X_resampled)
        elif self._schema is not None:
            X_resampled[: len(X)] = X if isinstance(X, np.ndarray) else [list(row) for row in X]
        return self._shaped(X_resampled), y_resampled

    def sample(self, n_samples):
        """Draw new rows from the trained generators.

        Parameters
        ----------
        n_samples : int or dict
            Rows per class, or rows by label.

        Returns
        -------
        X_new : {array-like, dataframe, sparse matrix} of shape (n_new, n_features)
            New rows, class by class, in the container and the shape that `fit` was given; a
            dataframe has its column names, dtypes and levels.
        y_new : array-like of shape (n_new,)
            Their labels.

        Raises
        ------
        ValueError
            For a negative number, an unknown label or a class without a generator (after
            `fit_resample` only the classes that grew have one).
        ImportError
            If `fit` was given a table of a library that is not installed where the model was
            loaded.
        """
        check_is_fitted(self, "classes_")
        n_new = requested_rows(n_samples, self.classes_, self._generators.class_rows)
        rows = self._draw(n_new, root_seed(self.random_state))
        X_new, y_new = self._values(self._decoded(rows)), self.classes_[rows.y_index]
        X_new, y_new = self._containers.transform(X_new, y_new)
        return self._shaped(X_new), y_new

    def _check_X_y(self, X, y, metadata, every_class=False):
        """Validate; nothing is learned but the code of the columns."""
        X, row_shape = flat_rows(X)
        containers = keep_containers(X, y)
        names = X.names if isinstance(X, Frame) else None
        y = np.asarray(y) if isinstance(y, Frame) else y
        check_classification_targets(y)
        check_has_columns(X)
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        read = read_table if names is None else read_frame
        table = read(X, self.categorical_features)
        with text_is_named(X):
            X, y = validate_data(
                self,
                X=table.view,
                y=y,
                reset=True,
                accept_sparse=("csr", "csc"),
                ensure_all_finite=False,
            )
        if names is not None:
            self.feature_names_in_ = names
        check_finite(X, getattr(self, "feature_names_in_", None), self.missing)
        check_n_classes(y)
        n_new = n_new_rows(self.sampling_strategy, self.augmentation_factor, y)
        grown = [label for label, n in n_new.items() if every_class or n]
        check_weighted_classes(metadata.sample_weight, y, grown)
        check_device(self.device)
        y_index = np.unique(y, return_inverse=True)[1]
        X_learned, y_index = metadata.learned(X, y_index)
        codec, layout = self._make_codec(X_learned, y_index, table, row_shape)
        settings = resolve(self, codec, layout, X_learned.shape[0])
        check_networks(settings.fit.architecture, settings.fit.flow)
        self._containers, self._schema, self._codec = containers, table.schema, codec
        self._row_shape, self._layout = row_shape, layout
        self.sample_shape_ = None if layout is None else layout.shape
        self.channels_ = None if layout is None else layout.channels
        return X, y, binarize_y

    def _make_codec(self, X, y_index, table, row_shape):
        dense = X.toarray() if sparse.issparse(X) else X
        shape, channels = image_shape_of(self)
        if not isinstance(shape, str):
            shape = check_sample_shape(shape, X.shape[1], row_shape)
        elif row_shape is not None:
            shape = row_shape
        else:
            has_levels = table.categorical is not None and np.any(table.categorical)
            is_table = has_levels or table.schema is not None or dense.dtype.kind not in "uif"
            shape = None if is_table else guess_sample_shape(dense)
        layout = None if shape is None else image_layout(shape, channels)
        columns = columns_of(self, decoder_kind(self, layout))
        codec = TableCodec(columns.likelihood, shape, columns.value_mapping, columns.scaling)
        dense = network_columns(dense, layout)
        return codec.fit(dense, y_index, table.categorical, table.whole), layout

    def _codes(self, X):
        """Return validated rows as codes, in which distances are measured."""
        dense = X.toarray() if sparse.issparse(X) else X
        return self._codec.encode(network_columns(dense, self._layout))

    def _values(self, X):
        """Return numeric rows as the user's values, for the container to take."""
        return X if self._schema is None else self._schema.values(X)

    def _shaped(self, X):
        """Return rows in the shape that the user's have."""
        return X if self._row_shape is None else X.reshape(len(X), *self._row_shape)

    def _resample(self, X, y, metadata):
        """Do what the base class's `fit_resample` does, which knows no metadata."""
        X, y, binarize_y = self._check_X_y(X, y, metadata)
        X_resampled, y_resampled = self._fit_resample(X, y, metadata)
        if binarize_y:
            y_resampled = label_binarize(y_resampled, classes=self.classes_)
        # A table of polars or pyarrow puts the new rows below the user's own by itself.
        containers = getattr(self._containers, "others", self._containers)
        return containers.transform(X_resampled, y_resampled)

    def _fit_resample(self, X, y, metadata):
        root = self._learn(X, y, metadata)
        counts = dict(enumerate(self.sampling_strategy_.values()))
        rows = self._draw(counts, root)
        X_new, y_index, origins = self._decoded(rows), rows.y_index, rows.origins
        n = X.shape[0]
        (learned,) = metadata.learned(np.arange(n))
        T_new = rows.recoded
        if T_new is None:
            T_new = self._codec.recode(rows.T, y_index)
        T = self._codes(X[learned])
        differences = T_new.astype(np.float64) - T[origins]
        self.synthetic_mask_ = np.r_[np.zeros(n, bool), np.ones(len(y_index), bool)]
        self.origin_indices_ = np.r_[np.arange(n), learned[origins]]
        self.origin_distances_ = np.r_[np.zeros(n), np.sqrt(np.mean(differences**2, axis=1))]
        vars(self).pop("groups_", None)
        if metadata.groups is not None:
            self.groups_ = metadata.groups[self.origin_indices_]
        guard = self._generators.guard
        spacing = None if guard is None else guard.spacing
        self.privacy_ = privacy_report(T_new, T, y_index, self.classes_.tolist(), spacing)
        warn_of_near_copies(self.privacy_)
        y_new = self.classes_[y_index].astype(y.dtype, copy=False)
        if sparse.issparse(X):
            # The type, because older SciPys stack sparse arrays into a sparse matrix.
            X_resampled = type(X)(sparse.vstack([X, X_new], format=X.format))
        else:
            X_resampled = self._values(np.concatenate([X, X_new]))
        return X_resampled, np.concatenate([y, y_new])

    def _learn(self, X, y, metadata, every_class=False):
        """Train the classes that get new rows, or every class; return the root seed."""
        n_new = n_new_rows(self.sampling_strategy, self.augmentation_factor, y)
        grown = [k for k, n in enumerate(n_new.values()) if every_class or n]
        classes = np.array(list(n_new), dtype=y.dtype)
        X, y, sample_weight, groups = metadata.learned(X, y, *metadata)
        codec, self._n_rows = self._codec, X.shape[0]
        root = root_seed(self.random_state)
        checkpoint, folder = checkpoint_folder(self), None
        if checkpoint is not None:
            folder = CheckpointFolder(checkpoint.folder, checkpoint.interval)
            root = folder.root(self.random_state, root)
        device = check_device(self.device)
        settings = resolve(self, codec, self._layout, X.shape[0])
        request = FitRequest(
            self._codes(X),
            np.searchsorted(classes, y),
            classes.tolist(),
            grown,
            sample_weight,
            groups,
            settings.shared,
            self.min_distance is not None,
        )
        self._generators, interrupted = fit(
            request,
            settings.fit,
            Execution(root, device, self.n_jobs),
            TrainingStore(check_cache(self.memory, self.random_state), folder),
        )
        if sparse.issparse(X):
            self._generators = self._generators._replace(sparse_type=type(X))
        self.decoder_ = settings.decoder
        history = self._generators.history
        self.classes_ = classes
        labels = self.classes_.tolist()
        self.sampling_strategy_ = dict(zip(labels, n_new.values(), strict=True))
        projected = self._generators.projection is not None
        self.likelihood_ = "gaussian" if projected else settings.fit.architecture.likelihood
        self.device_ = device
        self.history_ = {labels[k]: record for k, record in history.items()}
        self.n_epochs_ = {
            labels[k]: len(history[k].train_loss) if k in history else 0 for k in grown
        }
        if interrupted is not None:
            raise interrupted
        return root

    def _draw(self, n_new, root):
        settings = resolve(self, self._codec, self._layout, self._n_rows)
        execution = Execution(root, available_device(self.device), self.n_jobs)
        memory = None if self.random_state is None else check_cache(self.memory, self.random_state)
        recode = self._codec.recode
        rows = draw(self._generators, n_new, settings.draw, execution, recode, memory)
        labels = self.classes_.tolist()
        self.sampler_info_ = {labels[k]: i for k, i in sorted(rows.info.items())}
        return rows

    def _decoded(self, rows):
        """Return new coded rows as numbers in X's units."""
        X = user_columns(self._codec.decode(rows.T, rows.y_index), self._layout)
        sparse_type = self._generators.sparse_type
        return X if sparse_type is None else sparse_type(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "keep"
        # The tags speak of arrays, whose categories are not recognised but named.
        tags.input_tags.categorical = self.categorical_features is not None
        tags.input_tags.string = self.categorical_features is not None
        return tags


@contextmanager
def _as_it_was(estimator):
    """Take back what an error has left half-done: the last fit stays usable."""
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


def _with_rows(X, X_resampled):
    """Return `X_resampled` with its first rows replaced by those of the dataframe `X`."""
    import pandas as pd

    return pd.concat([X, X_resampled.iloc[len(X) :]], ignore_index=True)
