"""The latent space as features: a transformer that learns one generator without labels."""

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ._augmenter import RHVAEAugmenter
from ._components import MLP, ComponentParametersMixin
from ._config import PARAMETER_CONSTRAINTS, columns_of, image_shape_of, resolve, training_device
from ._generation.class_model import check_codes, class_model
from ._generation.fallback import MIN_ROWS
from ._generation.fit import FitRequest, fit
from ._generation.jobs import Execution
from ._model_file import ModelFileMixin
from ._preprocessing.row_encoder import RowEncoder, read_rows
from ._preprocessing.table_codec import TableCodec
from ._random import root_seed
from ._sklearn_compat import (
    CallbackSupportMixin,
    StrOptions,
    _fit_context,
    fit_task,
    with_callbacks,
)
from ._validation import (
    as_it_was,
    available_device,
    check_device,
    no_data_in_errors,
    torch_defaults,
)

_PARAMETERS = (
    "latent_dim",
    "sample_shape",
    "columns",
    "metric",
    "max_epochs",
    "batch_size",
    "lr",
    "patience",
    "validation_fraction",
    "device",
    "random_state",
    "verbose",
)


class RHVAEEmbedder(
    ModelFileMixin,
    ComponentParametersMixin,
    CallbackSupportMixin,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    BaseEstimator,
):
    """Transform rows to their codes in the latent space of a variational autoencoder.

    A Riemannian Hamiltonian VAE [1]_ is trained on all rows, without labels. The features of a row
    are the mean μ(x) of its posterior q(z | x) = N(μ(x), diag σ²(x)). Parameters have the meaning
    that they have in :class:`RHVAEAugmenter`.

    Parameters
    ----------
    latent_dim : int or "auto", default=2
        Number of features; the default can be drawn in a plane. ``"auto"`` is 10, or less if there
        are fewer columns or rows.
    sample_shape : tuple of int, ImageShape, "auto" or None, default="auto"
        Shape of a row that is an image, such as ``(28, 28)``. ``"auto"`` takes the shape of X, or
        recognises flat grey images. None means that X is a table.
    columns : "auto" or Columns, default="auto"
        How numbers are scaled and which likelihood is used; see :class:`Columns`. Its
        `value_mapping` is ignored.
    encoder : {"auto", "mlp", "conv"} or MLP, default="auto"
        Kind and size of the networks: perceptrons, or convolutions for images. ``"auto"`` is
        ``"conv"`` for images of more than 10,000 values, else ``"mlp"``.
    metric : {"auto", "learned", "posterior"}, LearnedMetric or PosteriorMetric, default="auto"
        Metric of the latent space. ``"auto"`` is ``"learned"``, with a Hamiltonian flow in
        training.
    max_epochs : int, default=100
        Number of passes over the training rows.
    batch_size : int or "auto", default="auto"
        Rows in each training step; ``"auto"`` is 100, or fewer for large images.
    lr : float, default=1e-3
        Learning rate of Adam.
    patience : int or None, default=50
        Training stops early after this many epochs without a better loss. None never stops early.
        The best weights are kept in any case.
    validation_fraction : float, default=0.0
        Share of the rows held out to choose the best weights, in [0, 1); none if fewer than two
        rows would be held out or left.
    device : str, default="auto"
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``. ``"auto"`` takes a GPU if
        there is one and training steps are large enough to be faster on it.
    random_state : int, RandomState instance or None, default=None
        Seed; None draws a new one in each fit. Global random generators are not used.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, if all are strings.
    likelihood_ : {"gaussian", "bernoulli", "binomial", "mixed"}
        The observation model in use.
    sample_shape_ : tuple of int or None
        Shape of a row that is an image.
    history_ : ClassHistory
        With ``train_loss`` and ``valid_loss`` (negative ELBO in nats per row, one value an epoch)
        and ``best_epoch``.
    n_epochs_ : int
        Epochs trained.
    device_ : str
        Where the networks were trained.

    See Also
    --------
    RHVAEAugmenter : Makes new rows, with a generator per class; its `encode` needs labels.
    sklearn.decomposition.PCA : Linear codes, which need no training by gradient steps.

    Notes
    -----
    Codes are computed in float64 if the device supports it. The code of a row does not depend on
    the other rows.

    References
    ----------
    .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
       Variational Auto-Encoder", arXiv 2010.11518, 2020.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn_pyraug import RHVAEEmbedder
    >>> X, _ = load_iris(return_X_y=True)
    >>> embedder = RHVAEEmbedder(max_epochs=10, random_state=0)
    >>> Z = embedder.fit_transform(X)
    >>> Z.shape
    (150, 2)
    >>> embedder.inverse_transform(Z).shape
    (150, 4)
    >>> embedder.get_feature_names_out().tolist()
    ['rhvaeembedder0', 'rhvaeembedder1']
    """

    _file_kind = "embedder"
    _parameter_constraints: dict = {name: PARAMETER_CONSTRAINTS[name] for name in _PARAMETERS} | {
        "encoder": [StrOptions({"auto", "mlp", "conv"}), MLP]
    }

    def __init__(
        self,
        latent_dim=2,
        *,
        sample_shape="auto",
        columns="auto",
        encoder="auto",
        metric="auto",
        max_epochs=100,
        batch_size="auto",
        lr=1e-3,
        patience=50,
        validation_fraction=0.0,
        device="auto",
        random_state=None,
        verbose=0,
    ):
        self.latent_dim = latent_dim
        self.sample_shape = sample_shape
        self.columns = columns
        self.encoder = encoder
        self.metric = metric
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    @with_callbacks
    @no_data_in_errors()
    @_fit_context(prefer_skip_nested_validation=True)
    @torch_defaults()
    def fit(self, X, y=None):
        """Train a generator on the rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images of shape \
                (n_samples, height, width), (n_samples, depth, height, width), or either with \
                an axis of channels
            Finite numbers; at least 4 rows.
        y : None, default=None
            Ignored.

        Returns
        -------
        self : RHVAEEmbedder

        Raises
        ------
        ValueError
            If the input or a parameter cannot be used; before any training.
        """
        with fit_task(self, "fit", X, y), as_it_was(self):
            self._fit(X)
        return self

    def _fit(self, X):
        rows = self._read(X, reset=True, ensure_min_samples=MIN_ROWS)
        device, layout = check_device(self.device), rows.layout(*image_shape_of(self))
        shape = None if layout is None else layout.shape
        # Decoded means are returned as they are, and not moved to observed values.
        columns = columns_of(self, "direct")
        codec = TableCodec(columns.likelihood, shape, None, columns.scaling)
        encoder, T = RowEncoder.fit(rows, layout, codec)
        settings = resolve(self._augmenter(), codec, layout, len(T))
        if self.device == "auto":
            device = training_device(device, settings, len(T))
        request = FitRequest(T, np.zeros(len(T), dtype=int), labels=[0], wanted=[0])
        execution = Execution(root_seed(self.random_state), device)
        generators, interrupted = fit(request, settings.fit, execution)
        if interrupted is not None:
            raise interrupted
        self._generators, self._row_encoder, self._n_rows = generators, encoder, len(T)
        self._n_features_out = settings.fit.flow.latent_dim
        self.likelihood_ = codec.likelihood_
        self.sample_shape_ = shape
        self.history_ = generators.history[0]
        self.n_epochs_ = len(self.history_.train_loss)
        self.device_ = device

    @no_data_in_errors()
    @torch_defaults()
    def transform(self, X):
        """Return the codes of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), or images
            Rows, as in `fit`; images in their shape, or flat.

        Returns
        -------
        Z : ndarray of shape (n_samples, latent_dim)
            Means of q(z | x), in float32 if X is, else in float64.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the columns are not those of `fit`, or a value is not finite.
        """
        check_is_fitted(self)
        rows = self._read(X, reset=False)
        Z = self._model().encode(self._row_encoder.encode_rows(rows, self))[0].numpy()
        return Z.astype(rows.values.dtype, copy=False)

    @no_data_in_errors()
    @torch_defaults()
    def inverse_transform(self, X):
        """Return the rows of codes: the means of p(x | z).

        Parameters
        ----------
        X : array-like of shape (n_samples, latent_dim)
            Codes; they need not be those of rows.

        Returns
        -------
        X_original : ndarray of shape (n_samples, n_features), or of images
            In the shape and the units that `fit` was given, in float32 if its rows were, else in
            float64; within the ranges of their columns. A column of two values comes back as one
            of the two.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If the codes have the wrong shape or are not finite.
        """
        check_is_fitted(self)
        model = self._model()
        T = model.decode(model.tensor(check_codes(X, self._n_features_out, "X")))
        return self._row_encoder.decode(T)

    def _read(self, X, **checks):
        """Return rows as numbers; what is decoded is an array, whatever the container."""
        dtype = (np.float64, np.float32)
        return read_rows(X, self, categories=False, dtype=dtype, **checks)._replace(template=None)

    def _model(self):
        return class_model(self._generators, 0, available_device(self.device, self.device_))

    def _augmenter(self):
        """Return the augmenter whose generator, of one class, the embedder's is."""
        parameters = self.get_params(deep=False)
        return RHVAEAugmenter(decoder="direct", **parameters)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
