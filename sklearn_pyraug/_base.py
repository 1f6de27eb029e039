"""What an augmenter does: validation, training, drawing, and the containers around it."""

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from scipy import sparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from . import _settings as settings
from ._codec import TableCodec
from ._generators import learn
from ._random import root_seed
from ._sklearn_compat import ArraysTransformer, _fit_context, check_target_type
from ._strategy import n_new_rows, requested_rows
from ._validation import (
    check_device,
    check_finite,
    check_has_columns,
    check_n_classes,
    check_sample_shape,
    text_error,
)
from .rhvae import check_networks

__all__ = ["BaseAugmenter"]


class BaseAugmenter(BaseOverSampler):
    """The methods of :class:`~sklearn_pyraug.RHVAEAugmenter`, whose parameters they read."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Train a generator for every class.

        This differs from imbalanced-learn, whose samplers' `fit` only checks the input:
        after it, :meth:`sample` draws from every class.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows: numeric and finite.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        self : RHVAEAugmenter

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used; before any training.
        """
        X, y, _ = self._check_X_y(X, y)
        self._learn(X, y, every_class=True)
        return self

    def fit_resample(self, X, y):
        """Train the classes that are to grow, and return the data with the new rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features)
            Training rows: numeric and finite.
        y : array-like of shape (n_samples,)
            Class labels.

        Returns
        -------
        X_resampled : {array-like, dataframe, sparse matrix} of shape \
                (n_samples_new, n_features)
            The rows of X, in their order, then the synthetic ones, class by class; in X's
            container, with its column names and dtypes.
        y_resampled : array-like of shape (n_samples_new,)
            Their labels.

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used; before any training.
        """
        X_resampled, y_resampled = super().fit_resample(X, y)
        if hasattr(X, "iloc"):
            # The arrays went through one common dtype; the user's own rows stay untouched.
            X_resampled = _with_rows(X, X_resampled)
        return X_resampled, y_resampled

    def sample(self, n_samples):
        """Draw new rows from the trained generators.

        Parameters
        ----------
        n_samples : int or dict
            Rows per class, or rows by label.

        Returns
        -------
        X_new : {array-like, dataframe, sparse matrix} of shape (n_new, n_features)
            New rows, class by class, in the container that `fit` was given.
        y_new : array-like of shape (n_new,)
            Their labels.

        Raises
        ------
        ValueError
            For a negative number, an unknown label or a class without a generator (after
            `fit_resample` only the classes that grew have one).
        """
        check_is_fitted(self, "classes_")
        n_new = requested_rows(n_samples, self.classes_, self._generators.class_rows)
        draws = self._draw(n_new, root_seed(self.random_state))
        return self._containers.transform(draws.X, self.classes_[draws.y_index])

    def _check_X_y(self, X, y, accept_sparse=("csr", "csc")):
        """Validate without learning anything; the base class calls it, too."""
        containers = ArraysTransformer(X, y)
        check_classification_targets(y)
        check_has_columns(X)
        y, binarize_y = check_target_type(y, indicate_one_vs_all=True)
        try:
            X, y = validate_data(
                self, X=X, y=y, reset=True, accept_sparse=accept_sparse, ensure_all_finite=False
            )
        except ValueError as error:
            # scikit-learn's two ways of saying that X holds text.
            if "could not convert" in str(error) or "bytes/strings" in str(error):
                raise text_error(X) from error
            raise
        check_finite(X, getattr(self, "feature_names_in_", None))
        check_n_classes(y)
        n_new_rows(self.sampling_strategy, self.augmentation_factor, y)
        check_device(self.device)
        check_networks(settings.architecture(self, X.shape[1], "gaussian"), settings.flow(self))
        self._containers = containers
        return X, y, binarize_y

    def _fit_resample(self, X, y):
        root = self._learn(X, y)
        counts = dict(enumerate(self.sampling_strategy_.values()))
        X_new, y_index, origins, _ = self._draw(counts, root)
        n = X.shape[0]
        self.synthetic_mask_ = np.r_[np.zeros(n, bool), np.ones(len(y_index), bool)]
        self.origin_indices_ = np.r_[np.arange(n), origins]
        y_new = self.classes_[y_index].astype(y.dtype, copy=False)
        if sparse.issparse(X):
            # The type, because older SciPys stack sparse arrays into a sparse matrix.
            X_resampled = type(X)(sparse.vstack([X, X_new], format=X.format))
        else:
            X_resampled = np.concatenate([X, X_new])
        return X_resampled, np.concatenate([y, y_new])

    def _learn(self, X, y, every_class=False):
        """Train the classes that get new rows, or every class; return the root seed."""
        n_new = n_new_rows(self.sampling_strategy, self.augmentation_factor, y)
        grown = [k for k, n in enumerate(n_new.values()) if every_class or n]
        dense = X.toarray() if sparse.issparse(X) else X
        shape = check_sample_shape(self.sample_shape, X.shape[1])
        codec = TableCodec(self.likelihood, shape).fit(dense)
        root = root_seed(self.random_state)
        device = check_device(self.device)
        self._generators, interrupted = learn(
            X,
            y,
            grown,
            codec,
            root,
            architecture=settings.architecture(self, X.shape[1], codec.likelihood_),
            flow=settings.flow(self),
            training=settings.training(self),
            validation_fraction=float(self.validation_fraction),
            max_centroids=self.max_centroids,
            device=device,
            n_jobs=self.n_jobs,
        )
        history = self._generators.history
        self.classes_ = np.array(list(n_new), dtype=y.dtype)
        labels = self.classes_.tolist()
        self.sampling_strategy_ = dict(zip(labels, n_new.values(), strict=True))
        self.likelihood_ = codec.likelihood_
        self.device_ = device
        self.history_ = {labels[k]: record for k, record in history.items()}
        self.n_epochs_ = {
            labels[k]: len(history[k].train_loss) if k in history else 0 for k in grown
        }
        if interrupted is not None:
            raise interrupted
        return root

    def _draw(self, n_new, root):
        device = check_device(self.device)
        draws = self._generators.draw(n_new, root, settings.sampler(self), device, self.n_jobs)
        labels = self.classes_.tolist()
        self.sampler_info_ = {labels[k]: i for k, i in sorted(draws.info.items())}
        return draws


def _with_rows(X, X_resampled):
    """Return `X_resampled` with its first rows replaced by those of the dataframe `X`."""
    import pandas as pd

    return pd.concat([X, X_resampled.iloc[len(X) :]], ignore_index=True)
