"""The augmenter's parameters; what they do stands in `_base`."""

from . import _config as settings
from ._base import BaseAugmenter

__all__ = ["RHVAEAugmenter"]


class RHVAEAugmenter(BaseAugmenter):
    """Augment a small training set with Riemannian Hamiltonian VAEs.

    A variational autoencoder with a Riemannian metric in its latent space (RHVAE) learns from
    the rows of each class, or from all pairs of rows of one class how such rows differ. New
    rows are decoded from points of the latent space close to the codes of the real ones: from
    such a point alone, as in the papers (``decoder="direct"``), or from a real row, the
    reference, that is changed as other rows of one class differ (the default).

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
    latent_dim : int or "auto", default="auto"
        Dimension of the latent space; ``"auto"`` is 10, or less where the networks see fewer
        columns or rows.
    n_leapfrog : int or "auto", default="auto"
        Leapfrog steps of the posterior's Hamiltonian flow; 0 trains a plain VAE, and the learned
        metric is then the untrained network's. ``"auto"`` is 3 for the direct decoder and for
        your own, else 0: with a reference row the flow cost eight times the time of training
        and gained nothing.
    leapfrog_step : float, default=0.01
        Their step size.
    beta_zero : float, default=0.3
        Initial inverse temperature of the flow's momentum, in (0, 1]; 1 is no tempering.
    temperature : float or "auto", default=1.0
        Reach T of a code in the metric, in latent units: how far new rows stray from the real
        ones. ``"auto"`` sets it after training to the median distance of a code to its nearest.
    regularization : float or "auto", default=0.01
        The metric's floor λ, reached far from all codes. ``"auto"`` sets it after training so
        that the void between the codes holds 1 % of what they hold.
    metric : {"learned", "posterior"}, default="learned"
        The RHVAE's metric, or the one made of the encoder's posterior covariances [3]_, which
        needs no flow (`n_leapfrog` is then 0).
    networks : {"auto", "mlp", "conv"}, default="auto"
        Whether encoder, metric network and direct decoder are perceptrons or convolutional, for
        images and volumes of any size, with widths by the number of rows. ``"auto"``: the latter
        with ``decoder="deformation"``, and with others for images of more than 10,000 values.
    hidden_layer_sizes : int or tuple of int, default=(256,)
        Hidden units of perceptrons: encoder and metric network; the decoder's are the same in
        reverse.
    encoder : torch.nn.Module, callable or None, default=None
        Your own encoder instead of a perceptron. A module is copied for each generator; a class
        or factory is called as ``encoder(n_features, latent_dim)``. It maps (B, D) rows, or
        rows in `sample_shape` where that is given, to ``(mu, log_var)``, each (B, latent_dim).
        Beside a decoder with reference rows, one that asks for two inputs is given these, too.
    decoder : {"auto", "direct", "residual", "deformation"}, torch.nn.Module or callable, \
            default="auto"
        ``"direct"`` is the papers': x from z alone. ``"residual"`` changes a reference row r of
        the same class, x = r + f(z, r); ``"deformation"`` warps it, for images and volumes, by a
        map that cannot fold, and changes its exposure. ``"auto"`` takes the latter for images,
        else the former. Your own is called as ``decoder(latent_dim, n_features)`` and maps
        (B, latent_dim), or that and (B, D) reference rows, to (B, D) in any shape: means for
        ``likelihood="gaussian"`` (of standardised columns), else logits. Whether it takes
        reference rows is read from its ``forward``; a factory says so by an attribute
        ``takes_reference = True``.
    metric_network : torch.nn.Module, callable or None, default=None
        Your own metric network, called as ``metric_network(n_features, latent_dim)``; maps
        rows to lower-triangular (B, latent_dim, latent_dim) matrices with a positive
        diagonal, or to (B, latent_dim (latent_dim + 1) / 2) unconstrained entries. Given
        reference rows as the encoder is.
    shared : bool or "auto", default="auto"
        Whether one generator learns from the pairs of all classes, or each class has its own.
        With a shared one a class of n rows is varied as its own rows vary in n / (n + 50) of the
        cases, else as those of any class: a small class borrows. ``"auto"``: shared where there
        is a reference row.
    n_neighbors : int, "auto" or None, default="auto"
        With reference rows, how many nearest rows of its class a row is paired with in training;
        None for all. ``"auto"``: 5 for ``"deformation"``, else all.
    sample_shape : tuple of int, "auto" or None, default="auto"
        Shape of a row that is an image, such as ``(28, 28)``, or ``(3, 32, 32)`` with colours,
        or ``(16, 32, 32)`` for a volume. ``"auto"`` recognises flat grey images by the likeness of
        neighbouring pixels; None says that they are tables. Where X is an array of images, as
        (n_samples, height, width), it is X's own.
    channels : {"auto", "first", "last", "none"}, default="auto"
        Which axis of a row holds channels, such as colours. ``"auto"``: of three axes or four
        the first if it is at most 4 long, else the last if that is; three axes of which neither
        is are a volume, and four are refused. Networks of your own see channels first.
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
    batch_size : int or "auto", default="auto"
        Rows per generator in each training step; ``"auto"`` is 100, or fewer, down to 8, of large
        images.
    lr : float, default=1e-3
        Learning rate of Adam.
    patience : int or None, default=50
        A generator stops after so many epochs without a better loss (held-out where rows are
        held out); None never stops early. The best weights are kept in any case.
    validation_fraction : float, default=0.0
        Share of each generator's rows held out to choose the best weights, in [0, 1).
    callbacks : list of skorch callbacks or None, default=None
        They see a net over all classes of a group.
    device : str, default="auto"
        ``"auto"`` (a GPU where there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    n_jobs : int or None, default=None
        Groups of classes trained at once by joblib. The result does not depend on it.
    output : {"auto", "mean", "draw", "transfer"}, default="auto"
        A new row is the mean of p(x | z), a draw from it, or, with a reference row r,
        x = r + s (E[x | z, r] − r + ω (a − E[x | c, b])), where c is the code of a pair of rows
        (a, b) of one class from which z was drawn: what distinguishes a from b is transferred
        to r, as far as the code expresses it and, with ω > 0, also what it does not. ``"auto"``:
        ``"transfer"`` for ``"residual"``, ``"mean"`` for images and for tables with more columns
        than rows, else ``"draw"``.
    min_distance : float, "auto" or None, default=None
        New rows that come closer than this to a training row are drawn again, up to ten times:
        root mean square over the coded columns, as `origin_distances_`. ``"auto"`` is the 1st
        percentile of the distances of the training rows to their nearest other one. If none of
        the draws of a row is far enough, the furthest is kept, and a warning says of how many.
        To be set before `fit`, which then keeps the coded training rows.
    transfer_scale : float or (float, float), default=(0.1, 1.0)
        The range from which s is drawn for each row.
    residual_share : float, default=1.0
        ω, from 0 to 1.
    sampler : {"auto", "hmc", "posterior", "geodesic", "random_walk", "prior"}, default="auto"
        Where z comes from: Hamiltonian Monte Carlo on the metric's volume (the papers'), the
        spread of the encoder's posterior about a code, a point of the learned metric's geodesic
        between neighbouring codes, a Riemannian random walk, or N(0, I). ``"auto"``:
        ``"posterior"`` with a reference row, else ``"hmc"``.
    n_mcmc_steps : int, default=30
        Steps of each chain, of ``"hmc"`` and ``"random_walk"``; the first half adapts the step
        size.
    n_mcmc_leapfrog : int, default=10
        Leapfrog steps of each MCMC step.
    mcmc_step_size : float or None, default=None
        Fixed step size of the chains; None adapts it towards an acceptance of 0.8.
    max_centroids : int or None, default=1000
        Most codes per generator that make up the metric; None for all.
    checkpoint : str, path-like or None, default=None
        Folder in which the state of training is kept: `fit` with the same data and parameters
        goes on where a run that was killed has stopped, and arrives at the same weights.
    checkpoint_interval : int or float, default=30.0
        How often it is written: an int counts epochs, a float seconds.
    memory : str, path-like, joblib.Memory or None, default=None
        Cache for what was trained and drawn, for the same data and parameters to be answered
        from: a grid search over parameters that leave training alone trains once per fold. Needs
        a `random_state`.
    random_state : int, RandomState instance or None, default=None
        Seed. None takes fresh entropy; the global generators are never touched.
    verbose : int, default=0
        1 shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    n_features_in_ : int
        Number of columns, or of values of an image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Column names, where all are strings.
    sampling_strategy_ : dict
        New rows by label.
    likelihood_ : {"gaussian", "bernoulli", "binomial", "mixed", "isotropic"}
        The observation model in use; ``"isotropic"`` is a Gaussian with one scale for all pixels.
    decoder_ : {"direct", "residual", "deformation", "custom"}
        The decoder in use.
    sample_shape_ : tuple of int or None
        Shape of a row that is an image.
    device_ : str
        Where the networks were trained.
    history_ : dict
        By label, a record with ``train_loss`` and ``valid_loss`` (negative ELBO in nats per
        row, one value an epoch), the terms that each is the sum of (``train_reconstruction``,
        ``train_divergence`` and so on), ``best_epoch``, ``n_rollbacks``, and the ``device`` and
        ``batch_size`` of the training, which are not those asked for where the memory of an
        accelerator ran out; the same record for all labels where they share a generator.
    n_epochs_ : dict
        Epochs trained, by label; 0 for a class that is too small to train on.
    sampler_info_ : dict
        By label, ``acceptance_rate``, ``divergence_rate`` and ``step_size`` of the chains of
        the last draw (1 and 0 for the rates of a sampler that rejects nothing); of
        ``"hmc"`` ``energy_error``, the mean of |ΔH| in nats, and of Markov chains
        ``autocorrelation``, an array by lag.
    synthetic_mask_ : ndarray of bool of shape (n_samples_new,)
        Which rows of the last `fit_resample` are synthetic.
    origin_indices_ : ndarray of int of shape (n_samples_new,)
        For those rows, the row of X that was their reference, or from whose code their Markov
        chain started; for an original row, itself.
    groups_ : ndarray of shape (n_samples_new,)
        The groups of those rows, if `groups` were given: a synthetic row has that of its origin.
    origin_distances_ : ndarray of shape (n_samples_new,)
        How far each row lies from that row: root mean square over the coded columns (standard
        deviations of a table's columns, shares of an image's range).
    privacy_ : PrivacyReport
        How many rows of the last `fit_resample` lie closer to a training row than the closest
        1 % of the training rows lie to each other, how many are near-copies or copies, and how
        many would be by chance; by label, too. It prints as a sentence. Many near-copies give a
        warning. See :class:`~sklearn_pyraug.metrics.PrivacyReport`.

    See Also
    --------
    AugmentedClassifier : Augments within `fit`, for scikit-learn's own pipelines.
    RHVAEEmbedder : Codes as features, learned without labels.
    imblearn.over_sampling.SMOTE : Interpolates between neighbours; needs no training.

    Notes
    -----
    Values are clipped to the range of their column in the training data, and moved as
    `value_mapping` says. A row that comes out as a copy of its reference is drawn again, up to
    ten times, unless X holds that row twice: in a table of a few columns of few values, several
    rows are alike by chance.

    A categorical column is seen by the networks as one column per level, or one for two levels;
    beyond 20 levels, the rarest share one, and are given out in proportion to their rows. A
    column with missing values, or of which one value makes up 30 % (an atom), has an indicator
    beside its numbers. Networks of your own are given all of these columns. No level occurs in
    new rows that the training rows lack, and dtypes stay as they were. In tables of more than
    500 columns, ``"auto"`` leaves numeric columns as they are but for ties and integers.

    A wide table, of more coded columns than rows, is seen by ``"residual"`` in all of its
    principal components, in which nothing of the training rows is lost. An encoder or a metric
    network of your own sees its columns.

    Where no generator can be trained, for a class of fewer than 4 rows or, with a shared one,
    where fewer than 4 rows have another of their class, new rows lie between pairs of the
    class's rows, with noise of 0.2 within-class standard deviations, and a warning names it.

    A deformation of images with a side of more than 64 pixels, or of volumes with one of more than
    24, is learned from copies shrunk to that and applied to the images themselves; losses are
    those of the copies. Networks of your own see the images as they are.

    Networks of your own are trained side by side for all classes; those with batch-norm, dropout,
    branches on the data or buffers that change are trained one class after another, with a warning
    that names the layer. Batch-norm and dropout are in evaluation mode whenever rows are coded or
    drawn.

    With `sample_weight`, the rows of a class are learned from and drawn in proportion. The loss is
    a weighted mean of the negative ELBO, in which a row with its reference counts by the product
    of their weights. References and the starts of chains are chosen by systematic resampling: as
    often as their share of the weights says, to within one for each generator. How many rows a
    class gets depends on its number of rows alone. Equal weights change nothing. imbalanced-learn's
    Pipeline passes `sample_weight` and `groups` on where metadata routing is enabled and both
    `set_fit_request` and `set_fit_resample_request` ask for them.

    A generator with reference rows keeps the coded training rows, and so do its pickles.

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
        networks="auto",
        hidden_layer_sizes=(256,),
        encoder=None,
        decoder="auto",
        metric_network=None,
        shared="auto",
        n_neighbors="auto",
        sample_shape="auto",
        channels="auto",
        likelihood="auto",
        categorical_features=None,
        missing="error",
        value_mapping="auto",
        scaling="auto",
        max_epochs=100,
        batch_size="auto",
        lr=1e-3,
        patience=50,
        validation_fraction=0.0,
        callbacks=None,
        device="auto",
        n_jobs=None,
        output="auto",
        min_distance=None,
        transfer_scale=(0.1, 1.0),
        residual_share=1.0,
        sampler="auto",
        n_mcmc_steps=30,
        n_mcmc_leapfrog=10,
        mcmc_step_size=None,
        max_centroids=1000,
        checkpoint=None,
        checkpoint_interval=30.0,
        memory=None,
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
        self.networks = networks
        self.hidden_layer_sizes = hidden_layer_sizes
        self.encoder = encoder
        self.decoder = decoder
        self.metric_network = metric_network
        self.shared = shared
        self.n_neighbors = n_neighbors
        self.sample_shape = sample_shape
        self.channels = channels
        self.likelihood = likelihood
        self.categorical_features = categorical_features
        self.missing = missing
        self.value_mapping = value_mapping
        self.scaling = scaling
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.lr = lr
        self.patience = patience
        self.validation_fraction = validation_fraction
        self.callbacks = callbacks
        self.device = device
        self.n_jobs = n_jobs
        self.output = output
        self.min_distance = min_distance
        self.transfer_scale = transfer_scale
        self.residual_share = residual_share
        self.sampler = sampler
        self.n_mcmc_steps = n_mcmc_steps
        self.n_mcmc_leapfrog = n_mcmc_leapfrog
        self.mcmc_step_size = mcmc_step_size
        self.max_centroids = max_centroids
        self.checkpoint = checkpoint
        self.checkpoint_interval = checkpoint_interval
        self.memory = memory
        self.random_state = random_state
        self.verbose = verbose
