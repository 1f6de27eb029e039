"""The augmenter's parameters; what they do stands in `_base`."""

from . import _settings as settings
from ._base import BaseAugmenter

__all__ = ["RHVAEAugmenter"]


class RHVAEAugmenter(BaseAugmenter):
    """Augment a small training set with a Riemannian Hamiltonian VAE per class.

    For every class a variational autoencoder with a learned Riemannian metric in its
    latent space (RHVAE) is trained on the rows of that class; new rows are decoded from
    points that Hamiltonian Monte Carlo draws from the metric's volume, close to the codes
    of the real rows. All classes are trained side by side.

    Parameters
    ----------
    sampling_strategy : float, str, dict or callable, default="auto"
        How many rows each class is to have, with imbalanced-learn's meaning: a str
        (``"auto"``, ``"minority"``, ``"not minority"``, ``"not majority"``, ``"all"``), a
        float (two classes only: minority to majority), a dict of label to number of rows,
        originals included, or a callable that takes `y` and returns such a dict.
    augmentation_factor : float, default=2.0
        At least 1. After a str or float strategy has fixed each class's size, the size of
        every class, untouched ones included, is multiplied by it, so that balanced data
        grow too. 1.0 is plain imbalanced-learn. A dict or callable is exact, and the
        factor is ignored.
    latent_dim : int, default=10
        Dimension of the latent space.
    n_leapfrog : int, default=3
        Leapfrog steps of the posterior's Hamiltonian flow; 0 trains a plain VAE, and the
        metric is then the untrained network's.
    leapfrog_step : float, default=0.01
        Their step size.
    beta_zero : float, default=0.3
        Initial inverse temperature of the flow's momentum, in (0, 1]; 1 is no tempering.
    temperature : float, default=1.0
        Reach of a row's code in the metric, in latent units: how far new rows stray from
        the real ones.
    regularization : float, default=0.01
        The metric's floor λ, reached far from all codes.
    hidden_layer_sizes : int or tuple of int, default=(256,)
        Hidden units of the encoder and the metric network; the decoder's are the same in
        reverse.
    encoder : torch.nn.Module, callable or None, default=None
        Your own encoder instead of a perceptron. A module is copied for each class; a class
        or factory is called as ``encoder(n_features, latent_dim)``. It maps (B, D) rows, or
        rows in `sample_shape` where that is given, to ``(mu, log_var)``, each (B, latent_dim).
    decoder : "direct", torch.nn.Module or callable, default="direct"
        ``"direct"`` is the papers' decoder. Your own is called as
        ``decoder(latent_dim, n_features)`` and maps (B, latent_dim) to (B, D), in any shape:
        means for ``likelihood="gaussian"`` (of standardised columns), else logits.
    metric_network : torch.nn.Module, callable or None, default=None
        Your own metric network, called as ``metric_network(n_features, latent_dim)``; maps
        rows to lower-triangular (B, latent_dim, latent_dim) matrices with a positive
        diagonal, or to (B, latent_dim (latent_dim + 1) / 2) unconstrained entries.
    sample_shape : tuple of int or None, default=None
        Shape of a row that is an image, such as ``(28, 28)``.
    likelihood : {"auto", "gaussian", "bernoulli", "binomial"}, default="auto"
        Observation model. ``"gaussian"``: standardised columns, one learned scale each.
        ``"bernoulli"``: all columns on one bounded scale, each value black or white;
        ``"binomial"``: the same for grey values. ``"auto"`` takes one of these two for images
        (`sample_shape` given, or at least 16 columns that share one scale from 0 to at most 1, or
        integers up to 255): ``"bernoulli"`` where most values lie at the two ends; and
        ``"bernoulli"`` for tables of zeros and ones. In a table with categories, missing values,
        two-valued columns beside others or columns that mostly hold one value, ``"auto"`` gives
        each column its own: the ``likelihood_`` is then ``"mixed"``.
    categorical_features : array-like of bool, int or str, default=None
        Mask, positions or names of the columns that hold categories. Columns of a dataframe
        that hold text or booleans, or are of pandas' category dtype, are recognised without.
    missing : {"error", "keep"}, default="error"
        ``"keep"`` accepts missing values, and new rows show them as often; a missing category is
        a level of its own.
    value_mapping : {"auto", "nearest", "quantile", None}, default="auto"
        How new values are moved to ones that their column can take. ``"auto"``: to the nearest
        observed value in columns with ties, else to whole numbers or to at most four decimals
        where the column has no others; and to the constant of columns that are constant
        within the class. ``"nearest"``: to the nearest observed value everywhere.
        ``"quantile"``: to the observed values of the class, rank for rank. None: only into
        the observed range.
    scaling : {"auto", "standard", "quantile"}, default="auto"
        What networks see of a continuous column: its standard score, or the normal score of its
        rank. ``"auto"`` takes ranks where a column is heavy-tailed.
    max_epochs : int, default=100
        Passes over the training rows.
    batch_size : int, default=100
        Rows per class in each training step.
    lr : float, default=1e-3
        Learning rate of Adam.
    patience : int or None, default=50
        A class stops after so many epochs without a better loss (held-out where rows are
        held out); None never stops early. The best weights are kept in any case.
    validation_fraction : float, default=0.0
        Share of each class's rows held out to choose the best weights, in [0, 1).
    callbacks : list of skorch callbacks or None, default=None
        They see a net over all classes of a group.
    device : str, default="auto"
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    n_jobs : int or None, default=None
        Groups of classes trained at once by joblib. The result does not depend on it.
    sampler : {"hmc"}, default="hmc"
        Hamiltonian Monte Carlo on the metric's volume, the papers' sampler.
    n_mcmc_steps : int, default=30
        Steps of each chain; the first half adapts the step size.
    n_mcmc_leapfrog : int, default=10
        Leapfrog steps of each MCMC step.
    mcmc_step_size : float or None, default=None
        Fixed step size of the chains; None adapts it towards an acceptance of 0.8.
    max_centroids : int or None, default=1000
        Most codes per class that make up the metric; None for all.
    random_state : int, RandomState instance or None, default=None
        Seed. None takes fresh entropy; the global generators are never touched.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where all are strings.
    sampling_strategy_ : dict
        New rows by label.
    likelihood_ : {"gaussian", "bernoulli", "binomial", "mixed"}
        The observation model in use.
    device_ : str
        Where the networks were trained.
    history_ : dict
        By label, a record with ``train_loss`` and ``valid_loss`` (negative ELBO in nats per
        row, one value an epoch), ``best_epoch`` and ``n_rollbacks``.
    n_epochs_ : dict
        Epochs trained, by label; 0 for a class that is too small to train on.
    sampler_info_ : dict
        By label, ``acceptance_rate``, ``divergence_rate`` and ``step_size`` of the chains of
        the last draw.
    synthetic_mask_ : ndarray of bool of shape (n_samples_new,)
        Which rows of the last `fit_resample` are synthetic.
    origin_indices_ : ndarray of int of shape (n_samples_new,)
        For those rows, the row of X from whose code their Markov chain started; for an
        original row, itself.

    See Also
    --------
    AugmentedClassifier : Augments within `fit`, for scikit-learn's own pipelines.
    imblearn.over_sampling.SMOTE : Interpolates between neighbours; needs no training.

    Notes
    -----
    Where X has fewer columns than rows, a new row is a draw from the observation model
    p(x | z); where it has more, and for grey values, it is the model's mean. Its values are
    clipped to the range of their column in the training data, and moved as `value_mapping` says.

    A categorical column is seen by the networks as one column per level, or one for two levels;
    beyond 20 levels, the rarest share one, and are given out in proportion to their rows. A
    column with missing values, or of which one value makes up 30 % (an atom), has an indicator
    beside its numbers. Networks of your own are given all of these columns. No level occurs in
    new rows that the training rows lack, and dtypes stay as they were. In tables of more than
    500 columns, ``"auto"`` leaves numeric columns as they are but for ties and integers.

    A class of fewer than 4 rows is not trained on: its new rows lie between pairs of its
    rows, with noise of 0.2 within-class standard deviations, and a warning names it.

    References
    ----------
    .. [1] C. Chadebec, C. Mantoux, S. Allassonnière, "Geometry-Aware Hamiltonian
       Variational Auto-Encoder", arXiv 2010.11518, 2020.
    .. [2] C. Chadebec, E. Thibeau-Sutre, N. Burgos, S. Allassonnière, "Data Augmentation in
       High Dimensional Low Sample Size Setting Using a Geometry-Based Variational
       Autoencoder", arXiv 2105.00026, 2021.

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

    _parameter_constraints: dict = settings.PARAMETER_CONSTRAINTS

    def __init__(
        self,
        *,
        sampling_strategy="auto",
        augmentation_factor=2.0,
        latent_dim="auto",
        n_leapfrog="auto",
        leapfrog_step=0.01,
        beta_zero=0.3,
        temperature=1.0,
        regularization=0.01,
        metric="learned",
        hidden_layer_sizes=(256,),
        encoder=None,
        decoder="auto",
        metric_network=None,
        shared="auto",
        n_neighbors="auto",
        n_generators=1,
        sample_shape="auto",
        likelihood="auto",
        categorical_features=None,
        missing="error",
        value_mapping="auto",
        scaling="auto",
        max_epochs=100,
        batch_size=100,
        lr=1e-3,
        weight_decay=0.0,
        kl_warmup=0,
        input_noise=0.0,
        patience=50,
        validation_fraction=0.0,
        callbacks=None,
        device="auto",
        n_jobs=None,
        output="auto",
        transfer_scale=(0.0, 1.0),
        residual_share=1.0,
        sampler="auto",
        n_mcmc_steps=30,
        n_mcmc_leapfrog=10,
        mcmc_step_size=None,
        max_centroids=1000,
        random_state=None,
        verbose=0,
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.augmentation_factor = augmentation_factor
        self.latent_dim = latent_dim
        self.n_leapfrog = n_leapfrog
        self.leapfrog_step = leapfrog_step
        self.beta_zero = beta_zero
        self.temperature = temperature
        self.regularization = regularization
        self.metric = metric
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoder = encoder
        self.decoder = decoder
        self.metric_network = metric_network
        self.shared = shared
        self.n_neighbors = n_neighbors
        self.n_generators = n_generators
        self.sample_shape = sample_shape
        self.likelihood = likelihood
        self.categorical_features = categorical_features
        self.missing = missing
        self.value_mapping = value_mapping
        self.scaling = scaling
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.weight_decay = weight_decay
        self.kl_warmup = kl_warmup
        self.input_noise = input_noise
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.device = device
        self.n_jobs = n_jobs
        self.output = output
        self.transfer_scale = transfer_scale
        self.residual_share = residual_share
        self.sampler = sampler
        self.n_mcmc_steps = n_mcmc_steps
        self.n_mcmc_leapfrog = n_mcmc_leapfrog
        self.mcmc_step_size = mcmc_step_size
        self.max_centroids = max_centroids
        self.random_state = random_state
        self.verbose = verbose
