"""What an augmenter does: validation, training, drawing, and the containers around it."""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._components import ComponentParametersMixin
from ._config import (
    Settings,
    checkpoint_folder,
    columns_of,
    decoder_kind,
    image_shape_of,
    resolve,
)
from ._generation.cache import TrainingStore, check_cache
from ._generation.checkpoint import CheckpointFolder
from ._generation.fit import FitRequest, fit
from ._generation.jobs import Execution
from ._generation.sample import draw
from ._latent_tools import LatentToolsMixin
from ._metadata import check_weighted_classes, read_metadata
from ._model_file import ModelFileMixin
from ._preprocessing.label_encoder import LabelEncoder
from ._preprocessing.row_encoder import RowEncoder, read_rows
from ._preprocessing.table_codec import TableCodec
from ._random import root_seed
from ._repr_html import FittedHTMLMixin
from ._sklearn_compat import CallbackSupportMixin, _fit_context, fit_task, with_callbacks
from ._strategy import n_new_rows, requested_rows
from ._validation import available_device, check_device, no_data_in_errors
from .metrics._privacy import privacy_report, warn_of_near_copies
from .rhvae import check_networks

__all__ = ["BaseAugmenter"]


class _Training(NamedTuple):
    """What a fit hands on to the draw that follows.

    Attributes
    ----------
    T : ndarray of float32 of shape (n_learned, n_codes)
        The coded rows that were learned from.
    learned : ndarray of int of shape (n_learned,)
        Their positions in X.
    groups : ndarray of shape (n_samples,) or None
    settings : Settings
    root : int
        Root seed.
    """

    T: np.ndarray
    learned: np.ndarray
    groups: np.ndarray | None
    settings: Settings
    root: int


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
    # imbalanced-learn's hook, which its own `fit_resample` alone calls.
    _fit_resample = None

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
        """
        with fit_task(self, "fit", X, y), _as_it_was(self):
            self._fit(X, y, sample_weight, groups, every_class=True)
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
        """
        with fit_task(self, "fit-resample", X, y), _as_it_was(self):
            training = self._fit(X, y, sample_weight, groups)
            n_new = dict(enumerate(self.sampling_strategy_.values()))
            draws = self._draw(n_new, training.root, training.settings, self.device_)
            self._report(draws, training, len(y))
            X_new = self._row_encoder.new_rows(draws.X)
            X_resampled = self._row_encoder.append(X, X_new)
            return X_resampled, self._label_encoder.append(y, draws.y_index)

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
        device, encoder = available_device(self.device), self._row_encoder
        settings = resolve(self, encoder.codec, encoder.layout, self._n_rows)
        draws = self._draw(n_new, root_seed(self.random_state), settings, device)
        return encoder.new_rows(draws.X), self._label_encoder.decode(draws.y_index)

    def _fit(self, X, y, sample_weight, groups, every_class=False):
        """Train the classes that get new rows, or every class."""
        metadata = read_metadata(X, sample_weight, groups)
        rows = read_rows(X, self, reset=True)
        label_encoder, y_index = LabelEncoder.fit(y)
        check_consistent_length(rows.values, y_index)
        classes = label_encoder.classes
        labels, y = classes.tolist(), classes[y_index]
        n_new = n_new_rows(self.sampling_strategy, self.augmentation_factor, y)
        grown = [k for k, n in enumerate(n_new.values()) if every_class or n]
        check_weighted_classes(metadata.sample_weight, y, classes[grown])
        device = check_device(self.device)
        learned, y_index, weights, own_groups = metadata.learned(
            np.arange(len(y)), y_index, *metadata
        )
        if len(learned) < len(y):
            rows = rows.take(learned)
        layout = rows.layout(*image_shape_of(self))
        shape = None if layout is None else layout.shape
        columns = columns_of(self, decoder_kind(self, layout))
        codec = TableCodec(columns.likelihood, shape, columns.value_mapping, columns.scaling)
        encoder, T = RowEncoder.fit(rows, layout, codec, y_index)
        settings = resolve(self, codec, layout, len(T))
        check_networks(settings.fit.architecture, settings.fit.flow)
        root = root_seed(self.random_state)
        checkpoint, folder = checkpoint_folder(self), None
        if checkpoint is not None:
            folder = CheckpointFolder(checkpoint.folder, checkpoint.interval)
            root = folder.root(self.random_state, root)
        guarded = self.min_distance is not None
        self._generators, interrupted = fit(
            FitRequest(T, y_index, labels, grown, weights, own_groups, settings.shared, guarded),
            settings.fit,
            Execution(root, device, self.n_jobs),
            TrainingStore(check_cache(self.memory, self.random_state), folder),
        )
        self._row_encoder, self._label_encoder, self._n_rows = encoder, label_encoder, len(T)
        self.classes_, self.device_, self.decoder_ = classes, device, settings.decoder
        self.sample_shape_ = shape
        self.channels_ = None if layout is None else layout.channels
        self.sampling_strategy_ = dict(zip(labels, n_new.values(), strict=True))
        projected = self._generators.projection is not None
        self.likelihood_ = "gaussian" if projected else settings.fit.architecture.likelihood
        history = self._generators.history
        self.history_ = {labels[k]: record for k, record in history.items()}
        self.n_epochs_ = {
            labels[k]: len(history[k].train_loss) if k in history else 0 for k in grown
        }
        if interrupted is not None:
            raise interrupted
        return _Training(T, learned, metadata.groups, settings, root)

    def _draw(self, n_new, root, settings, device):
        """Draw rows of classes, by index; return :class:`.NewRows`."""
        memory = None if self.random_state is None else check_cache(self.memory, self.random_state)
        execution = Execution(root, device, self.n_jobs)
        codec = self._row_encoder.codec
        rows = draw(self._generators, n_new, settings.draw, execution, codec, memory)
        labels = self.classes_.tolist()
        self.sampler_info_ = {labels[k]: i for k, i in sorted(rows.info.items())}
        return rows

    def _report(self, draws, training, n):
        """Keep what is known of the rows that `fit_resample` returns, of which n are the user's."""
        T, n_new = training.T, len(draws.T)
        differences = draws.T.astype(np.float64) - T[draws.origins]
        self.synthetic_mask_ = np.r_[np.zeros(n, bool), np.ones(n_new, bool)]
        self.origin_indices_ = np.r_[np.arange(n), training.learned[draws.origins]]
        self.origin_distances_ = np.r_[np.zeros(n), np.sqrt(np.mean(differences**2, axis=1))]
        vars(self).pop("groups_", None)
        if training.groups is not None:
            self.groups_ = training.groups[self.origin_indices_]
        guard = self._generators.guard
        spacing = None if guard is None else guard.spacing
        labels = self.classes_.tolist()
        self.privacy_ = privacy_report(draws.T, T, draws.y_index, labels, spacing)
        warn_of_near_copies(self.privacy_)

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
