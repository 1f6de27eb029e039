"""The augmenter: validation, training, drawing, and the rows and labels that come back."""

from html import escape
from typing import NamedTuple

import numpy as np
from imblearn.over_sampling.base import BaseOverSampler
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from ._components import HMC, ComponentParametersMixin, LearnedMetric, component
from ._config import (
    PARAMETER_CONSTRAINTS,
    Settings,
    columns_of,
    decoder_kind,
    image_shape_of,
    resolve,
    training_device,
)
from ._generation.cache import TrainingStore, check_cache
from ._generation.checkpoint import CheckpointFolder
from ._generation.fit import FitRequest, fit
from ._generation.jobs import Execution
from ._generation.sample import draw
from ._latent_tools import LatentToolsMixin
from ._metadata import check_weighted_classes, read_metadata
from ._model_file import ModelFileMixin
from ._preprocessing.containers import as_labels
from ._preprocessing.label_encoder import LabelEncoder, distinct_labels
from ._preprocessing.row_encoder import RowEncoder, read_rows
from ._preprocessing.table_codec import TableCodec
from ._random import root_seed
from ._sklearn_compat import CallbackSupportMixin, _fit_context, fit_task, with_callbacks
from ._strategy import check_room, factor_for, n_new_rows, requested_rows
from ._validation import (
    as_it_was,
    available_device,
    check_device,
    no_data_in_errors,
    torch_defaults,
)
from .metrics._privacy import privacy_report, warn_of_near_copies
from .rhvae import check_networks

# Column names of the table that a notebook shows.
_HTML_HEADER = ("class", "rows", "epochs", "best epoch", "new rows")
# Attributes that a draw sets. They are removed when the generators are trained again.
_OF_DRAWS = (
    "sampler_info_",
    "synthetic_mask_",
    "origin_indices_",
    "origin_distances_",
    "groups_",
    "privacy_",
)


class _Training(NamedTuple):
    """What a fit passes on to the draw that follows.

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
    n_rows : int
        Rows of X, those that were not learned from included.
    interrupted : KeyboardInterrupt or None
        Set if the user interrupted the training; what was learned until then is kept.
    """

    T: np.ndarray
    learned: np.ndarray
    groups: np.ndarray | None
    settings: Settings
    root: int
    n_rows: int
    interrupted: KeyboardInterrupt | None


class RHVAEAugmenter(
    LatentToolsMixin,
    ModelFileMixin,
    ComponentParametersMixin,
    CallbackSupportMixin,
    BaseOverSampler,
):
    """Augment a small training set with Riemannian Hamiltonian VAEs.

    The augmenter learns how two rows of one class differ, and returns your rows with new ones
    appended. A new row is a real one, the reference, changed by a draw from the latent space of
    its class. With ``decoder="direct"`` it is decoded from the draw alone, as in the papers
    [1]_ [2]_. By default each class has its own variational autoencoder, with a Riemannian metric
    and a Hamiltonian flow (RHVAE), which continues one that was trained on all classes.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        **How many rows.** Number of rows of each class, as in imbalanced-learn: a str
        (``"auto"``, ``"minority"``, ``"not minority"``, ``"not majority"``, ``"all"``), a float
        (for two classes, the ratio of minority to majority), a dict of label to number of rows,
        including the originals, or a callable that takes `y` and returns such a dict.
    augmentation_factor : float or "auto", default="auto"
        Factor of at least 1 by which the class sizes of `sampling_strategy` are multiplied, so
        that every class gets new rows; 1.0 gives the sizes of imbalanced-learn. ``"auto"`` is the
        number of columns per row of an average class, between 2 and 8: wide tables and images of
        few rows gain from more. It is smaller, but at least 2, where balanced classes would come
        to hold more than 50 million values. It is ignored if `sampling_strategy` is a dict or
        callable.
    sample_shape : tuple of int, ImageShape, "auto" or None, default="auto"
        **What the rows are.** Shape of a row that is an image, such as ``(28, 28)``,
        ``(3, 32, 32)`` with colours, or ``(16, 32, 32)`` for a volume; images are warped instead
        of changed column by column. ``"auto"`` takes the shape of X, or recognises flat grey
        images. None means that X is a table.
    categorical_features : array-like of bool, int or str, default=None
        Mask, positions or names of the columns of categories. Columns of a dataframe with text,
        booleans or pandas' category dtype are recognised.
    missing : {"error", "keep"}, default="error"
        ``"keep"`` accepts missing values, and new rows have them as often; a missing category is
        a level of its own.
    columns : "auto" or Columns, default="auto"
        How numbers are scaled, which values new rows may take and which likelihood is used; see
        :class:`Columns`.
    decoder : {"auto", "direct", "residual", "deformation"}, Residual, Deformation, \
            torch.nn.Module or callable, default="auto"
        **The model.** What a new row is made from. ``"residual"`` adds to a reference row r of
        the same class, x = r + f(z, r). ``"deformation"`` warps the reference, for images and
        volumes. ``"direct"`` is the papers' decoder, which makes x from z alone. ``"auto"`` is
        ``"deformation"`` for images, else ``"residual"``, with which classifiers gained more. Your
        own decoder is called as ``decoder(latent_dim, n_features)``. It maps (B, latent_dim), or
        this and reference rows as an encoder gets them, to (B, D) in any shape: means for a
        Gaussian likelihood (of standardised columns), else logits. Its ``forward`` shows whether it
        takes reference rows; a factory says so with an attribute ``takes_reference = True``.
    encoder : {"auto", "mlp", "conv"}, MLP, torch.nn.Module or callable, default="auto"
        Kind and size of the networks. ``"mlp"`` means perceptrons, ``"conv"`` convolutions over
        images and volumes, also for the metric network and the direct decoder. ``"auto"`` is
        ``"conv"`` for ``decoder="deformation"`` and for images of more than 10,000 values, else
        ``"mlp"``; ``decoder="residual"`` always has perceptrons. Your own encoder is copied for
        each generator; a class or factory is called as ``encoder(n_features, latent_dim)``. It maps
        (B, D) rows, or images in their shape with channels first, to ``(mu, log_var)``, each
        (B, latent_dim). An encoder with two inputs also gets the reference rows.
    latent_dim : int or "auto", default="auto"
        Dimension of the latent space: more dimensions express more ways in which rows differ and
        need more rows. ``"auto"`` is 10, or less if there are fewer columns or rows.
    metric : {"auto", "learned", "posterior"}, LearnedMetric or PosteriorMetric, default="auto"
        Riemannian metric of the latent space, which says how far new rows may differ from real
        ones. ``"learned"`` is the papers' metric, from a network of its own; ``"posterior"`` is
        made of the posterior covariances. ``"auto"`` is ``"posterior"`` for decoders with a
        reference row, else ``"learned"``.
    shared : bool or "auto", default="auto"
        True trains one network for all classes, so that small classes learn from others. False
        trains each class on its own rows only. ``"auto"``, for decoders with a reference row,
        trains one network for all classes, and a copy for each class in the last tenth of the
        training; a class of fewer than 4 rows keeps the shared weights. For other decoders it is
        False.
    sampler : {"auto", "hmc", "independent_mh", "posterior", "geodesic", "random_walk", "prior"}, \
            HMC, IndependentMH or RandomWalk, default="auto"
        **Drawing.** How z is drawn. ``"hmc"``: Hamiltonian Monte Carlo on the metric's volume, as
        in the papers. ``"independent_mh"``: a cheaper chain on the volume of
        ``metric="posterior"``. ``"posterior"``: a code and the spread of its posterior.
        ``"geodesic"``: a point on the geodesic between neighbouring codes. ``"random_walk"``: a
        Riemannian random walk. ``"prior"``: N(0, I). ``"auto"`` is ``"independent_mh"`` with
        ``metric="posterior"``, else ``"hmc"``.
    output : {"auto", "mean", "draw", "transfer"} or Transfer, default="auto"
        What a new row is. ``"mean"``: the mean of p(x | z). ``"draw"``: a draw from p(x | z).
        ``"transfer"``: a reference row, changed by a share of the difference between two other
        rows. ``"auto"`` is ``"transfer"`` for ``"residual"``, ``"mean"`` for ``"deformation"``, for
        grey or colour images and for at least as many columns as rows, else ``"draw"``.
    min_distance : float, "auto" or None, default=None
        Least distance of a new row to all training rows. Closer rows are drawn again, up to ten
        times. Distances are root mean squares over the coded columns, as in `origin_distances_`.
        ``"auto"`` is the 1st percentile of the distances between training rows and their nearest
        other one. Set it before `fit`, which then keeps the coded training rows. It protects
        little against attacks: with ``"auto"``, shadow models find 7 and 19 % of the training rows
        of two tables at 1 % false alarms. They find 10 and 55 % with None, and 1 to 2 % with
        ``decoder="direct"``.
    max_epochs : int, default=100
        **Training.** Number of passes over the training rows.
    batch_size : int or "auto", default="auto"
        Rows per generator in each training step; ``"auto"`` is 100, or fewer for large images,
        down to 8.
    lr : float, default=1e-3
        Learning rate of Adam. If the last tenth of the training differs, as `shared` and
        :class:`PosteriorMetric` say, it is a twentieth of this there.
    patience : int or None, default=50
        A generator stops early after this many epochs without a better loss, on held-out rows if
        there are any. None never stops early. The best weights are kept in any case.
    validation_fraction : float, default=0.0
        Share of each generator's rows held out to choose the best weights, in [0, 1). The default
        holds out none, because rows are few. None are held out either if fewer than two rows would
        be, or would be left.
    callbacks : list of skorch callbacks or None, default=None
        Callbacks that watch or steer the training. They get a net over all classes of a group.
    memory : str, path-like, joblib.Memory or None, default=None
        **Execution.** Cache of trained generators and drawn rows. A grid search over parameters
        that do not change the training then trains once per fold. Needs an int as `random_state`.
    checkpoint : str, path-like, Checkpoint or None, default=None
        Folder for the state of the training. After a crash, `fit` with the same data and
        parameters resumes and reaches the same weights.
    device : str, default="auto"
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``. ``"auto"`` takes a GPU if
        there is one and training steps are large enough to be faster on it.
    n_jobs : int or None, default=None
        Groups of classes trained at once by joblib. The result does not depend on it, at a given
        number of torch threads: large steps use fewer in each of several jobs.
    random_state : int, RandomState instance or None, default=None
        Seed; None draws a new one in each fit. Global random generators are not used.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    n_features_in_ : int
        Number of columns, or of values of an image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if all are strings.
    sampling_strategy_ : dict
        Number of new rows by label.
    likelihood_ : {"gaussian", "bernoulli", "binomial", "mixed", "isotropic"}
        The observation model in use; ``"isotropic"`` is a Gaussian with one scale for all pixels.
    decoder_ : {"direct", "residual", "deformation", "custom"}
        The decoder in use.
    sample_shape_ : tuple of int or None
        Shape of a row that is an image.
    channels_ : {"first", "last", "none"} or None
        Axis of the channels in an image.
    device_ : str
        Where the networks were trained.
    history_ : dict
        By label, a record with ``train_loss`` and ``valid_loss`` (negative ELBO in nats per
        row, one value per epoch; ``valid_loss`` is NaN without held-out rows), their terms
        (``train_reconstruction``, ``train_divergence`` and so on), ``best_epoch``, ``n_rollbacks``,
        and the ``device`` and ``batch_size`` that were used, which differ from the parameters if
        the memory of a GPU ran out. Epochs that classes shared are the same in all of their
        records.
    n_epochs_ : dict
        Epochs trained, by label; 0 for a class that is too small to train on. With
        ``shared="auto"`` it may be a little below `max_epochs`, or above it if few classes have at
        least 4 rows: the copy of a class also learns from some rows of other classes, and all
        copies together see as many rows as the shared network would.
    sampler_info_ : dict
        By label, diagnostics of the last draw: ``acceptance_rate``, and for all samplers except
        ``"independent_mh"`` ``divergence_rate`` and ``step_size``. The rates are 1 and 0 for
        samplers that reject nothing. ``"hmc"`` also has ``energy_error``, the mean of |ΔH| in
        nats, and Markov chains have ``autocorrelation``, an array by lag. NaN is what is not
        known, because no step followed the adaptation or no proposal was finite.
    synthetic_mask_ : ndarray of bool of shape (n_samples_new,)
        True for the synthetic rows of the last `fit_resample`.
    origin_indices_ : ndarray of int of shape (n_samples_new,)
        For each row, its origin: the row of X that was its reference, or from whose code its
        Markov chain started. The origin of an original row is the row itself.
    groups_ : ndarray of shape (n_samples_new,)
        Group of each row, if `groups` were given: a synthetic row has that of its origin.
    origin_distances_ : ndarray of shape (n_samples_new,)
        Distance of each row to its origin: root mean square over the coded columns (standard
        deviations of a table's columns, shares of an image's range).
    privacy_ : PrivacyReport
        How many rows of the last `fit_resample` are close to a training row, near-copies or
        copies, by label, too, and how many would be by chance. It prints as a sentence. See
        :class:`~sklearn_pyraug.metrics.PrivacyReport`.

    See Also
    --------
    AugmentedClassifier : Augments within `fit`, for scikit-learn's own pipelines.
    augmentation_gain : Measures whether new rows help a classifier.
    RHVAEEmbedder : Codes as features, learned without labels.
    imblearn.over_sampling.SMOTE : Interpolates between neighbours; needs no training.

    Notes
    -----
    New values never leave the range of their column in the training data, new rows have no new
    levels, and dtypes do not change. A new row that is a copy of its reference is drawn again, up
    to ten times, unless X has that row twice.

    Some classes are too small to train on: those of fewer than 4 rows or, with a shared network,
    if fewer than 4 rows have another one of their class. Their new rows lie between pairs of their
    rows, with noise of 0.2 within-class standard deviations, and a warning names these classes.

    A generator with reference rows keeps the coded training rows, and so do its pickles and
    files. The user guide describes how categories, missing values, wide tables, large images,
    your own networks and weights are treated.

    References
    ----------
    .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
       Variational Auto-Encoder", arXiv 2010.11518, 2020.
    .. [2] C. Chadebec, E. Thibeau-Sutre, N. Burgos, S. Allassonnière, "Data Augmentation in
       High Dimensional Low Sample Size Setting Using a Geometry-Based Variational
       Autoencoder", arXiv 2105.00026, 2021.
    .. [3] C. Chadebec, S. Allassonnière, "A Geometric Perspective on Variational
       Autoencoders", arXiv 2209.07370, 2022.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug import RHVAEAugmenter
    >>> X, y = load_iris(return_X_y=True)
    >>> augmenter = RHVAEAugmenter(augmentation_factor=2, max_epochs=10, random_state=0)
    >>> X_res, y_res = augmenter.fit_resample(X, y)
    >>> X_res.shape
    (300, 4)
    >>> augmenter.sampling_strategy_[0]
    50
    """

    _file_kind = "augmenter"
    # A hook of imbalanced-learn, which only its own `fit_resample` calls.
    _fit_resample = None
    _parameter_constraints: dict = PARAMETER_CONSTRAINTS

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        augmentation_factor="auto",
        sample_shape="auto",
        categorical_features=None,
        missing="error",
        columns="auto",
        decoder="auto",
        encoder="auto",
        latent_dim="auto",
        metric="auto",
        shared="auto",
        sampler="auto",
        output="auto",
        min_distance=None,
        max_epochs=100,
        batch_size="auto",
        lr=1e-3,
        patience=50,
        validation_fraction=0.0,
        callbacks=None,
        memory=None,
        checkpoint=None,
        device="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.augmentation_factor = augmentation_factor
        self.sample_shape = sample_shape
        self.categorical_features = categorical_features
        self.missing = missing
        self.columns = columns
        self.decoder = decoder
        self.encoder = encoder
        self.latent_dim = latent_dim
        self.metric = metric
        self.shared = shared
        self.sampler = sampler
        self.output = output
        self.min_distance = min_distance
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.memory = memory
        self.checkpoint = checkpoint
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @classmethod
    def as_published(cls, **parameters):
        """Return an augmenter with the generator of the papers, one for each class.

        It has a direct decoder, the learned metric with its Hamiltonian flow in training,
        Hamiltonian Monte Carlo on the metric's volume, and the mean of p(x | z) as the new row.
        The flow has the values of its authors' published models with d = 10: K = 3, ε = 0.01,
        √β₀ = 0.3, λ = 0.001 and T = 1.5. Theirs with d = 2 has T = 0.8, which you have to set:
        ``as_published(latent_dim=2).set_params(metric__temperature=0.8)``. With these values it
        hardly moves codes, and the likelihood of held-out rows is that of a plain VAE.

        Parameters
        ----------
        **parameters : dict
            Other parameters of the augmenter, or other values of these.

        Returns
        -------
        augmenter : RHVAEAugmenter

        Examples
        --------
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> RHVAEAugmenter.as_published(latent_dim=5)
        RHVAEAugmenter(decoder='direct', latent_dim=5,
                       metric=LearnedMetric(beta_zero=0.09, integrator='leapfrog',
                                            leapfrog_step=0.01, n_leapfrog=3,
                                            regularization=0.001,
                                            temperature=1.5),
                       output='mean', sampler=HMC(), shared=False)
        """
        published = {
            "decoder": "direct",
            "metric": LearnedMetric(
                temperature=1.5,
                regularization=0.001,
                n_leapfrog=3,
                leapfrog_step=0.01,
                beta_zero=0.09,
                integrator="leapfrog",
            ),
            "shared": False,
            "sampler": HMC(),
            "output": "mean",
        }
        return cls(**published | parameters)

    @with_callbacks
    @no_data_in_errors()
    @_fit_context(prefer_skip_nested_validation=True)
    @torch_defaults()
    def fit(self, X, y, *, sample_weight=None, groups=None):
        """Train a generator for every class.

        After `fit`, :meth:`sample` draws rows of every class. In imbalanced-learn, `fit` only
        checks the input.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or array-like of shape (n_samples, height, width), \
                (n_samples, depth, height, width), or either with an axis of channels
            Training rows: finite numbers, and categories and missing values if
            `categorical_features` and `missing` allow them. Dataframes may be those of pandas
            or polars, or tables of pyarrow.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of a class are learned from and drawn in proportion to their weights. Weights of
            different classes are not compared. A row of weight zero is treated as absent.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, such as the patient: with a `validation_fraction`, rows of one
            group are held out together or not at all.

        Returns
        -------
        self : RHVAEAugmenter

        Raises
        ------
        ValueError
            If the input or a parameter is invalid. This is checked before training.
        """
        with fit_task(self, "fit", X, y):
            self._fit(X, y, sample_weight, groups, every_class=True)
        return self

    @with_callbacks
    @no_data_in_errors()
    @_fit_context(prefer_skip_nested_validation=True)
    @torch_defaults()
    def fit_resample(self, X, y, *, sample_weight=None, groups=None):
        """Train generators for the classes that grow, and return the data with the new rows.

        Parameters
        ----------
        X : {array-like, dataframe, sparse matrix} of shape (n_samples, n_features), \
                or array-like of shape (n_samples, height, width), \
                (n_samples, depth, height, width), or either with an axis of channels
            Training rows: finite numbers, and categories and missing values if
            `categorical_features` and `missing` allow them. Dataframes may be those of pandas
            or polars, or tables of pyarrow.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Rows of a class are learned from and drawn in proportion to their weights. Weights of
            different classes are not compared. A row of weight zero is treated as absent, but is
            returned among the originals and counts for the `sampling_strategy`.
        groups : array-like of shape (n_samples,), default=None
            Group of each row, such as the patient: with a `validation_fraction`, rows of one
            group are held out together or not at all. Those of the rows returned are in `groups_`.

        Returns
        -------
        X_resampled : {array-like, dataframe, sparse matrix} of shape \
                (n_samples_new, n_features)
            The rows of X, in their order, then the synthetic ones, class by class, in the
            container and shape of X, with its column names, dtypes and levels. The index of pandas
            becomes 0, 1, 2, ...; ``X.index[augmenter.origin_indices_]`` has the old names.
        y_resampled : array-like of shape (n_samples_new,)
            Their labels, in y's container.

        Raises
        ------
        ValueError
            If the input or a parameter is invalid. This is checked before training.
        """
        with fit_task(self, "fit-resample", X, y), as_it_was(self, Exception):
            training = self._fit(X, y, sample_weight, groups)
            n_new = dict(enumerate(self.sampling_strategy_.values()))
            draws = self._draw(n_new, training.root, training.settings, self.device_)
            self._report(draws, training)
            X_new = self._row_encoder.new_rows(draws.X)
            X_resampled = self._row_encoder.append(X, X_new)
            return X_resampled, self._label_encoder.append(y, draws.y_index)

    @torch_defaults()
    def sample(self, n_samples):
        """Draw new rows from the trained generators.

        If `random_state` is an int, every call with the same `n_samples` returns the same rows, and
        with the numbers in `sampling_strategy_` those that `fit_resample` has appended. For other
        rows, call ``set_params(random_state=...)`` with another int before.

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
            If `fit` got a table of a library that is not installed where the model was loaded.
        """
        check_is_fitted(self, "classes_")
        n_new = requested_rows(n_samples, self.classes_, self._generators.class_rows)
        device, encoder = available_device(self.device, self.device_), self._row_encoder
        settings = resolve(self, encoder.codec, encoder.layout, self._n_rows)
        draws = self._draw(n_new, root_seed(self.random_state), settings, device)
        return encoder.new_rows(draws.X), self._label_encoder.decode(draws.y_index)

    def _fit(self, X, y, sample_weight, groups, every_class=False):
        """Train the classes that get new rows, or every class."""
        with as_it_was(self):
            training = self._train(X, y, sample_weight, groups, every_class)
        if training.interrupted is not None:
            raise training.interrupted
        return training

    def _train(self, X, y, sample_weight, groups, every_class):
        groups = None if groups is None else as_labels(groups, "groups")
        metadata = read_metadata(X, sample_weight, groups)
        rows = read_rows(X, self, reset=True)
        label_encoder, y_index = LabelEncoder.fit(y)
        check_consistent_length(rows.values, y_index)
        classes = label_encoder.classes
        labels, n = classes.tolist(), len(y_index)
        factor = factor_for(self.augmentation_factor, rows.values.shape[1], y_index)
        n_new = n_new_rows(self.sampling_strategy, factor, classes, y_index)
        n_new = dict(zip(labels, n_new.values(), strict=True))
        check_room(n_new, rows.values.shape[1:], rows.values.dtype)
        grown = [k for k, n in enumerate(n_new.values()) if every_class or n]
        check_weighted_classes(metadata.sample_weight, y_index, classes, grown)
        device = check_device(self.device)
        learned, y_index, weights, own_groups = metadata.learned(np.arange(n), y_index, *metadata)
        if own_groups is not None:
            own_groups = distinct_labels(own_groups)[2]
        if len(learned) < n:
            rows = rows.take(learned)
        layout = rows.layout(*image_shape_of(self))
        shape = None if layout is None else layout.shape
        columns = columns_of(self, decoder_kind(self, layout))
        codec = TableCodec(columns.likelihood, shape, columns.value_mapping, columns.scaling)
        encoder, T = RowEncoder.fit(rows, layout, codec, y_index)
        settings = resolve(self, codec, layout, len(T))
        check_networks(settings.fit.architecture, settings.fit.flow)
        if self.device == "auto":
            device = training_device(device, settings, len(T), len(grown))
        root = root_seed(self.random_state)
        checkpoint, folder = component("checkpoint", self.checkpoint), None
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
        for name in _OF_DRAWS:
            vars(self).pop(name, None)
        self._row_encoder, self._label_encoder, self._n_rows = encoder, label_encoder, len(T)
        self.classes_, self.device_, self.decoder_ = classes, device, settings.decoder
        self.sample_shape_ = shape
        self.channels_ = None if layout is None else layout.channels
        self.sampling_strategy_ = n_new
        projected = self._generators.projection is not None
        self.likelihood_ = "gaussian" if projected else settings.fit.architecture.likelihood
        history = self._generators.history
        self.history_ = {labels[k]: record for k, record in history.items()}
        self.n_epochs_ = {
            labels[k]: len(history[k].train_loss) if k in history else 0 for k in grown
        }
        return _Training(T, learned, metadata.groups, settings, root, n, interrupted)

    def _draw(self, n_new, root, settings, device):
        """Draw rows of classes, by index; return :class:`.NewRows`."""
        memory = None if self.random_state is None else check_cache(self.memory, self.random_state)
        execution = Execution(root, device, self.n_jobs)
        codec = self._row_encoder.codec
        rows = draw(self._generators, n_new, settings.draw, execution, codec, memory)
        labels = self.classes_.tolist()
        self.sampler_info_ = {labels[k]: i for k, i in sorted(rows.info.items())}
        return rows

    def _report(self, draws, training):
        """Set the attributes that describe the rows that `fit_resample` returns."""
        T, n, n_new = training.T, training.n_rows, len(draws.T)
        differences = draws.T.astype(np.float64) - T[draws.origins]
        self.synthetic_mask_ = np.r_[np.zeros(n, bool), np.ones(n_new, bool)]
        self.origin_indices_ = np.r_[np.arange(n), training.learned[draws.origins]]
        self.origin_distances_ = np.r_[np.zeros(n), np.sqrt(np.mean(differences**2, axis=1))]
        if training.groups is not None:
            self.groups_ = training.groups[self.origin_indices_]
        guard = self._generators.guard
        spacing = None if guard is None else guard.spacing
        labels = self.classes_.tolist()
        self.privacy_ = privacy_report(draws.T, T, draws.y_index, labels, spacing)
        warn_of_near_copies(self.privacy_)

    def _repr_html_inner(self):
        return super()._repr_html_inner() + fitted_html(self)

    def _get_fitted_attr_html(self, doc_link=""):
        shown = super()._get_fitted_attr_html(doc_link)
        # Groups may be named after patients.
        shown.pop("groups_", None)
        return shown

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += fitted_html(self)
        return bundle

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = self.missing == "keep"
        # The tags describe arrays, whose categories have to be named.
        tags.input_tags.categorical = self.categorical_features is not None
        tags.input_tags.string = self.categorical_features is not None
        return tags


def fitted_html(augmenter):
    """Return a table of the classes of a fitted augmenter, or nothing before `fit`.

    It has no colours of its own, so that it suits light and dark pages.
    """
    if not hasattr(augmenter, "classes_"):
        return ""
    class_rows = augmenter._generators.class_rows
    drawn = hasattr(augmenter, "synthetic_mask_")
    lines = []
    for k, label in enumerate(augmenter.classes_.tolist()):
        record = augmenter.history_.get(label)
        new = augmenter.sampling_strategy_[label] if drawn else ""
        cells = (
            label,
            len(class_rows[k]) if k in class_rows else "not trained",
            augmenter.n_epochs_.get(label, ""),
            record.best_epoch if record is not None else "",
            new,
        )
        lines.append("".join(f"<td>{escape(str(cell))}</td>" for cell in cells))
    n_classes = len(augmenter.classes_)
    summary = (
        f"Fitted to {n_classes} classes of {augmenter._n_rows} rows and "
        f"{augmenter.n_features_in_} columns, decoder {augmenter.decoder_}, likelihood "
        f"{augmenter.likelihood_}, on {augmenter.device_}"
    )
    header = "".join(f"<th>{name}</th>" for name in _HTML_HEADER)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<details><summary>{escape(summary)}</summary><table><thead><tr>{header}</tr></thead>"
        f"<tbody>{body}</tbody></table></details>"
    )
