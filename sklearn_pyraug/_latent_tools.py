"""Codes, volumes, likelihoods and curves in the latent spaces of a fitted augmenter."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted

from ._generation.class_model import check_codes, class_index, class_model
from ._preprocessing.label_encoder import distinct_labels, read_labels
from ._preprocessing.row_encoder import as_rows, one_row
from ._random import attempt_seed, root_seed
from ._validation import available_device, check_count, no_data_in_errors, torch_defaults
from .rhvae.coding import connect, log_volume

# The attempt that seeds scores, so that they share no noise with the training.
_SCORING = 100
_KINDS = ("geodesic", "linear")


class Interpolation(NamedTuple):
    """A curve between the codes of two rows, and what it decodes to.

    Attributes
    ----------
    X : {array-like, dataframe, sparse matrix} of shape (n_steps, n_features)
        Decoded points, in the container and the shape that `fit` was given.
    z : ndarray of shape (n_steps, latent_dim)
        The points, from the code of the first row to that of the second.
    length : float
        Length of the curve, as the metric measures it.

    See Also
    --------
    RHVAEAugmenter.interpolate : Returns it.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> X, y = load_iris(return_X_y=True)
    >>> augmenter = RHVAEAugmenter(latent_dim=2, max_epochs=5, random_state=0).fit(X, y)
    >>> curve = augmenter.interpolate(X[0], X[1], label=0, n_steps=7)
    >>> curve.X.shape, curve.z.shape, curve.length > 0
    ((7, 4), (7, 2), True)
    """

    X: object
    z: np.ndarray
    length: float


class Warp(NamedTuple):
    """How an image was warped.

    Attributes
    ----------
    X : array-like of shape (1, n_features) or (1, *sample_shape)
        The warped image.
    positions : ndarray of shape (*S, n)
        For every pixel, where the origin was read, in pixels.
    determinant : ndarray of shape (*S,)
        The Jacobian determinant of these positions; NaN at the border.
    """

    X: object
    positions: np.ndarray
    determinant: np.ndarray


class LatentToolsMixin:
    """The methods of :class:`~sklearn_pyraug.RHVAEAugmenter` that show its latent spaces."""

    @no_data_in_errors()
    @torch_defaults()
    def encode(self, X, y, *, return_log_var=False):
        """Return the codes of rows: the means of q(z | x) under the generators of their classes.

        q(z | x) = N(μ(x), diag σ²(x)) is the encoder's posterior [1]_, before the Hamiltonian
        flow. With a reference decoder it is q(z | x, r), the difference between x and r, where r
        is the nearest coded training row of the class that differs from x by more than rounding.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or images in the shape that `fit` was given
            Rows, as in `fit`.
        y : array-like of shape (n_samples,)
            Class of each row, which must have a generator.
        return_log_var : bool, default=False
            Whether to return the logarithms of σ², too.

        Returns
        -------
        z : ndarray of shape (n_samples, latent_dim)
            Codes. The prior of each coordinate is N(0, 1). Codes of different classes cannot be
            compared unless the classes share a generator.
        log_var : ndarray of shape (n_samples, latent_dim)
            Only with `return_log_var`.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        ValueError
            If rows are not like those of `fit`, or a class is unknown or has no generator.

        See Also
        --------
        decode : Turns codes into rows.

        References
        ----------
        .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
           Variational Auto-Encoder", arXiv 2010.11518, 2020, section 2.1.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(latent_dim=2, max_epochs=5, random_state=0).fit(X, y)
        >>> augmenter.encode(X, y).shape
        (150, 2)
        """
        check_is_fitted(self, "classes_")
        T = self._row_encoder.encode(X, self)
        y_index = self._known_classes(y, len(T))
        codes = [None, None]
        for k in np.unique(y_index).tolist():
            own = y_index == k
            for i, values in enumerate(self._model(k).encode(T[own])):
                if codes[i] is None:
                    codes[i] = np.empty((len(T), values.shape[1]))
                codes[i][own] = values.numpy()
        return tuple(codes) if return_log_var else codes[0]

    @no_data_in_errors()
    @torch_defaults()
    def decode(self, z, label, reference=None):
        """Return the rows of codes of one class: the means of p(x | z), or of p(x | z, r).

        Like new rows of :meth:`sample`, they are clipped, and their values are moved as
        `value_mapping` says. With ``value_mapping="quantile"`` a row depends on the other rows in
        the call.

        Parameters
        ----------
        z : array-like of shape (n_codes, latent_dim)
            Codes.
        label : object
            Their class.
        reference : row, or container of one row or n_codes rows, or None, default=None
            Rows r from which a reference decoder starts, as in `fit`. None takes, for each code,
            the second row of the training pair of the class whose code is nearest.

        Returns
        -------
        X : {array-like, dataframe, sparse matrix} of shape (n_codes, n_features)
            Rows in the container, shape and units of the X of `fit`.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        ValueError
            If the codes have the wrong shape or are not finite, the class is unknown or has no
            generator, or a reference is given to a decoder that has none.

        See Also
        --------
        encode : Turns rows into codes.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(latent_dim=2, max_epochs=5, random_state=0).fit(X, y)
        >>> augmenter.decode([[0.0, 0.0], [1.0, 0.0]], label=2).shape
        (2, 4)
        """
        check_is_fitted(self, "classes_")
        model = self._model(self._class_index(label))
        z = check_codes(z, model.latent_dim)
        if reference is not None:
            if not model.has_reference:
                raise ValueError(
                    f"reference={type(reference).__name__} was given, but decoder="
                    f"{self.decoder_!r} starts from none. Leave reference=None."
                )
            rows = as_rows(reference, self)
            if len(np.shape(rows)) < 2:
                raise ValueError(
                    f"reference has the shape {np.shape(rows)}, which is not that of a row of fit. "
                    "Pass X[i], or rows such as X[i : i + 1]."
                )
            reference = model.rows(self._row_encoder.encode(rows, self, "reference"))
            if len(reference) not in (1, len(z)):
                raise ValueError(
                    f"reference has {len(reference)} rows for {len(z)} codes. Pass one row, or "
                    "one for each code."
                )
        return self._rows_of(model.decode(model.tensor(z), reference), model.index)

    @no_data_in_errors()
    @torch_defaults()
    def score_samples(self, X, y=None, *, n_importance=20, random_state=None):
        """Estimate how likely rows are: log p(x | class), in nats per row.

        p(x | class) = ∫ p(x | z) N(z; 0, I) dz is estimated by importance sampling [1]_, with the
        posterior's flow as proposal. With a reference decoder it is (1/n) Σ_r p(x | r) over the
        rows r of the class; of those far from x, a few stand for all. It is the density of the
        *coded* row: standardised columns, pixels in [0, 1], indicators. If all columns of a table
        are standardised, the log density in the units of X is lower by the sum of the logarithms
        of their standard deviations. Only compare scores of models with the same coding.

        A reference decoder scores what its networks get: the principal components of the training
        rows for tables with more columns than rows, and smaller copies of large images. The rest of
        a row does not count. A ``"binomial"`` likelihood of grey pixels omits its coefficients,
        which differ between rows: compare classes rather than rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or images in the shape that `fit` was given
            Rows, as in `fit`.
        y : array-like of shape (n_samples,) or None, default=None
            Class under which each row is scored. None scores rows under the mixture of all classes
            that have a generator, with equal shares.
        n_importance : int, default=20
            Draws of z per row, and per reference. The time is proportional to it, and few draws
            give scores that are slightly too low. On held-out rows of breast cancer and of digits,
            scores of 20 and of 300 draws differ by 0.3 and 0.5 nats on average, and scores of
            different rows have standard deviations of 8 and 6 nats.
        random_state : int, RandomState instance or None, default=None
            Seed of the draws; None takes the augmenter's. All rows share the draws, so the score of
            a row does not depend on the other rows.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Higher is more likely. Rows very far from the class may have −∞.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        ValueError
            If rows are not like those of `fit`, a class is unknown or has no generator, or
            `n_importance` is no positive integer.

        Notes
        -----
        With a reference decoder a training row is its own reference, and scores higher than similar
        rows. Only compare rows that the model has not seen.

        References
        ----------
        .. [1] Y. Burda, R. Grosse, R. Salakhutdinov, "Importance Weighted Autoencoders", 2016,
           equation 8; on the extended space of arXiv 2010.11518, section 3.2.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(decoder="direct", random_state=0).fit(X, y)
        >>> own = augmenter.score_samples(X[:10], y[:10])
        >>> other = augmenter.score_samples(X[:10], y[:10] + 2)
        >>> bool((own > other).all())
        True
        """
        check_is_fitted(self, "classes_")
        check_count("n_importance", n_importance, 1)
        T = self._row_encoder.encode(X, self)
        root = root_seed(self.random_state if random_state is None else random_state)
        root = attempt_seed(root, _SCORING)
        if y is None:
            wanted = self._generators.trained_classes
            if not wanted:
                raise ValueError(
                    "y=None asks for all classes that have a generator, but none has. Fit on more "
                    "rows of each class."
                )
            scores = [self._model(k).score(T, int(n_importance), root) for k in wanted]
            return np.logaddexp.reduce(scores, axis=0) - np.log(len(wanted))
        y_index, scores = self._known_classes(y, len(T)), np.empty(len(T))
        for k in np.unique(y_index).tolist():
            own = y_index == k
            scores[own] = self._model(k).score(T[own], int(n_importance), root)
        return scores

    @torch_defaults()
    def log_volume(self, z, label):
        """Return the logarithm of the density from which the metric of a class draws codes.

        With the learned metric it is the volume √det G⁻¹(z) [1]_, with that of the posterior
        covariances √det G(z) [2]_. Both are large near the codes of training rows, and not
        normalised.

        Parameters
        ----------
        z : array-like of shape (n_codes, latent_dim)
            Codes.
        label : object
            The class.

        Returns
        -------
        log_volume : ndarray of shape (n_codes,)
            In nats.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        ValueError
            If the codes have the wrong shape or are not finite, or the class is unknown or has
            no generator.

        References
        ----------
        .. [1] C. Chadebec et al., "Data Augmentation in High Dimensional Low Sample Size Setting
           Using a Geometry-Based Variational Autoencoder", arXiv 2105.00026, 2021, section 4.

        .. [2] C. Chadebec, S. Allassonnière, "A Geometric Perspective on Variational
           Autoencoders", arXiv 2209.07370, 2022, section 4.5.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(latent_dim=2, max_epochs=5, random_state=0).fit(X, y)
        >>> near, far = augmenter.log_volume([[0.0, 0.0], [50.0, 50.0]], label=1)
        >>> bool(near > far)
        True
        """
        check_is_fitted(self, "classes_")
        model = self._model(self._class_index(label))
        z = model.tensor(check_codes(z, model.latent_dim))
        return log_volume(model.member, model.index, z).double().numpy()

    @no_data_in_errors()
    @torch_defaults()
    def interpolate(self, x0, x1, label, *, n_steps=10, kind="geodesic"):
        """Connect two rows of a class by a curve through the latent space, and decode it.

        The length of a curve z(t) between the two codes is

        ∫ (ż(t)ᵀ g(z(t)) ż(t))^½ dt, t from 0 to 1,

        where g is G for the learned metric of the class [1]_, and G / det(G)^(2/d) for the metric
        of posterior covariances. Both are small near codes, so that short curves stay close to
        codes. The geodesic minimises the energy ∫ ż(t)ᵀ g(z(t)) ż(t) dt of a curve of 65 points.
        Two searches start from the straight line and from a chain of codes, and the shorter curve
        is returned. It is never longer than the straight line, but may be a local minimum.

        Parameters
        ----------
        x0, x1 : row of shape (n_features,), or container of one row
            Rows as in `fit`; images may have their shape.
        label : object
            Their class.
        n_steps : int, default=10
            Number of points of the curve, including both ends; at least 2.
        kind : {"geodesic", "linear"}, default="geodesic"
            Kind of curve. Points are equally far from each other: in the metric on the geodesic,
            and in Euclidean distance on the straight line.

        Returns
        -------
        interpolation : Interpolation
            With ``X``, ``z`` and ``length``.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        ValueError
            If a row is not like those of `fit`, the class is unknown or has no generator, or
            a parameter is out of its range.

        Notes
        -----
        The ends are the decoded codes of both rows, not the rows themselves. With a reference
        decoder, x0 is the reference r of both codes and of every decoded point. So the curve leads
        from a difference of about zero to the difference between x1 and x0. Codes of pairs lie
        close to each other, so that geodesics are nearly straight with the default `temperature`.
        For curves that follow the codes, fit with ``decoder="direct"``.

        References
        ----------
        .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
           Variational Auto-Encoder", arXiv 2010.11518, 2020, section 2.3.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(latent_dim=2, max_epochs=5, random_state=0).fit(X, y)
        >>> curve = augmenter.interpolate(X[0], X[1], label=0, n_steps=5)
        >>> line = augmenter.interpolate(X[0], X[1], label=0, n_steps=5, kind="linear")
        >>> curve.X.shape, curve.length <= line.length
        ((5, 4), True)
        """
        check_is_fitted(self, "classes_")
        check_count("n_steps", n_steps, 2)
        if kind not in _KINDS:
            raise ValueError(f"kind={kind!r} is not known. Use 'geodesic' or 'linear'.")
        model = self._model(self._class_index(label))
        T = [
            self._row_encoder.encode(one_row(x, self, n), self, n)
            for n, x in (("x0", x0), ("x1", x1))
        ]
        reference = model.rows(T[0]) if model.has_reference else None
        codes, _ = model.encode(np.concatenate(T), reference)
        points, length = connect(
            model.member, model.index, codes[:1], codes[1:], int(n_steps), kind
        )
        X = self._rows_of(model.decode(points[0], reference), model.index)
        return Interpolation(X, points[0].double().numpy(), float(length[0]))

    def _class_index(self, label, name="label"):
        return class_index(self._generators, self.classes_.tolist(), label, name)

    def _model(self, k):
        """Return the generator of a class that has one."""
        return class_model(self._generators, k, available_device(self.device, self.device_))

    def _known_classes(self, y, n_rows):
        """Return the class indices of labels, all of classes that have a generator."""
        y = read_labels(y)
        if y.shape != (n_rows,):
            raise ValueError(
                f"y has the shape {y.shape} for {n_rows} rows of X. Pass one label per row."
            )
        labels, _, position = distinct_labels(y)
        return np.array([self._class_index(v, "y") for v in labels.tolist()])[position]

    def _rows_of(self, T, k):
        """Return coded rows of class k as the user's rows."""
        return self._row_encoder.decode(T, np.full(len(T), k))


@no_data_in_errors()
@torch_defaults()
def find_warp(augmenter, x0, x1, label):
    """Return how an augmenter warps image x0 towards x1, another of its class."""
    if augmenter.decoder_ != "deformation":
        raise ValueError(
            f"decoder={augmenter.decoder_!r} warps nothing. Fit images or volumes with "
            "decoder='deformation', their default."
        )
    model = augmenter._model(augmenter._class_index(label))
    origin, other = (
        augmenter._row_encoder.encode(one_row(x, augmenter, name), augmenter, name)
        for name, x in (("x0", x0), ("x1", x1))
    )
    reference = model.rows(origin)
    code, _ = model.encode(other, reference)
    decoder = model.member.stack.decoder
    with torch.no_grad():
        positions, inner = decoder.read_from(code.cpu()[None], reference.shape[1])
    determinant = np.pad(inner[0].double().numpy(), 1, constant_values=np.nan)
    X = augmenter._rows_of(model.decode(code, reference), model.index)
    return Warp(X, positions[0].double().numpy(), determinant)
