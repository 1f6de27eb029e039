"""An estimator's way into a file and back."""

from sklearn.utils.validation import check_is_fitted

from .archive import read_archive, write_archive
from .model_file import model_document, restore_model

__all__ = ["EmbedderFileMixin", "ModelFileMixin"]


class ModelFileMixin:
    """The methods of :class:`~sklearn_pyraug.RHVAEAugmenter` that write and read model files."""

    def save(self, path, *, overwrite=False):
        """Write what was learned and all parameters to one file, which holds data and no code.

        The file is complete or not there: it is written under a temporary name first.

        Parameters
        ----------
        path : str or path-like
            The file. The usual suffix is ``.pyraug``.
        overwrite : bool, default=False
            Whether a file already there may be replaced.

        Raises
        ------
        NotFittedError
            Before `fit` or `fit_resample`.
        FileExistsError
            If `path` exists and `overwrite` is False.
        ValueError
            If a parameter or an attribute is of a type that a file cannot hold, or if parameters
            that shape the networks were changed after `fit`.
        OSError
            If the file cannot be written.

        See Also
        --------
        load : The way back.

        Notes
        -----
        The file holds the coded training rows where new rows start from real ones, as a pickle
        does: keep it where the data may be kept. It does not hold networks of your own, which
        :meth:`load` asks for, nor `callbacks` and a callable `sampling_strategy`, for which it
        puts their defaults.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> X, y = load_iris(return_X_y=True)
        >>> augmenter = RHVAEAugmenter(max_epochs=5, random_state=0).fit(X, y)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "iris.pyraug"
        ...     augmenter.save(path)
        ...     loaded = RHVAEAugmenter.load(path)
        >>> bool((loaded.sample(2)[0] == augmenter.sample(2)[0]).all())
        True
        """
        check_is_fitted(self, "classes_")
        meta, tensors = model_document(self, "augmenter")
        write_archive(path, meta, tensors, overwrite=overwrite)

    @classmethod
    def load(
        cls,
        path,
        *,
        encoder=None,
        decoder=None,
        metric_network=None,
        callbacks=None,
        device=None,
    ):
        """Return the fitted augmenter of a file that :meth:`save` has written.

        Nothing that the file names is imported or called, and sizes are checked before anything
        is allocated. With the same integer `random_state`, :meth:`sample` draws the rows that it
        would have drawn before :meth:`save`, bit for bit.

        Parameters
        ----------
        path : str or path-like
            The file.
        encoder, decoder, metric_network : torch.nn.Module, callable or None, default=None
            The networks of your own with which the model was trained, the same as then; None
            where it had none.
        callbacks : list of skorch callbacks or None, default=None
            The parameter, for another `fit`.
        device : str or None, default=None
            The parameter `device`. None keeps the one in the file, or takes ``"auto"`` where
            this machine lacks it. The networks are on the CPU until they are used.

        Returns
        -------
        augmenter : RHVAEAugmenter
            Fitted, with the parameters that it had.

        Raises
        ------
        ValueError
            If the file is damaged or of another version of the format, or if the networks are
            not those of the training.
        OSError
            If the file is missing or unreadable.

        See Also
        --------
        save : The way there, with an example.

        Examples
        --------
        >>> from sklearn_pyraug import RHVAEAugmenter
        >>> RHVAEAugmenter.load("absent.pyraug")
        Traceback (most recent call last):
        ...
        FileNotFoundError: [Errno 2] No such file or directory: 'absent.pyraug'
        """
        networks = {"encoder": encoder, "decoder": decoder, "metric_network": metric_network}
        meta, tensors = read_archive(path)
        return restore_model(
            cls,
            "augmenter",
            path,
            meta,
            tensors,
            networks=networks,
            callbacks=callbacks,
            device=device,
        )


class EmbedderFileMixin:
    """The methods of :class:`~sklearn_pyraug.RHVAEEmbedder` that write and read model files."""

    def save(self, path, *, overwrite=False):
        """Write what was learned and all parameters to one file, which holds data and no code.

        The file is complete or not there: it is written under a temporary name first.

        Parameters
        ----------
        path : str or path-like
            The file. The usual suffix is ``.pyraug``.
        overwrite : bool, default=False
            Whether a file already there may be replaced.

        Raises
        ------
        NotFittedError
            Before `fit`.
        FileExistsError
            If `path` exists and `overwrite` is False.
        ValueError
            If a parameter or an attribute is of a type that a file cannot hold, or if parameters
            that shape the networks were changed after `fit`.
        OSError
            If the file cannot be written.

        See Also
        --------
        load : The way back.

        Notes
        -----
        The file holds no training rows, but codes of some, and of the columns their ranges and
        what repeats in them.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from sklearn.datasets import load_iris
        >>> from sklearn_pyraug import RHVAEEmbedder
        >>> X, _ = load_iris(return_X_y=True)
        >>> embedder = RHVAEEmbedder(max_epochs=5, random_state=0).fit(X)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "iris.pyraug"
        ...     embedder.save(path)
        ...     loaded = RHVAEEmbedder.load(path)
        >>> bool((loaded.transform(X) == embedder.transform(X)).all())
        True
        """
        check_is_fitted(self)
        meta, tensors = model_document(self, "embedder", self._augmenter())
        write_archive(path, meta, tensors, overwrite=overwrite)

    @classmethod
    def load(cls, path, *, device=None):
        """Return the fitted embedder of a file that :meth:`save` has written.

        Nothing that the file names is imported or called, and sizes are checked before anything
        is allocated. :meth:`transform` gives the codes that it gave before :meth:`save`, bit for
        bit.

        Parameters
        ----------
        path : str or path-like
            The file.
        device : str or None, default=None
            The parameter `device`. None keeps the one in the file, or takes ``"auto"`` where
            this machine lacks it. The networks are on the CPU until they are used.

        Returns
        -------
        embedder : RHVAEEmbedder
            Fitted, with the parameters that it had.

        Raises
        ------
        ValueError
            If the file is damaged, of another version of the format, or of another class.
        OSError
            If the file is missing or unreadable.

        See Also
        --------
        save : The way there, with an example.

        Examples
        --------
        >>> from sklearn_pyraug import RHVAEEmbedder
        >>> RHVAEEmbedder.load("absent.pyraug")
        Traceback (most recent call last):
        ...
        FileNotFoundError: [Errno 2] No such file or directory: 'absent.pyraug'
        """
        meta, tensors = read_archive(path)
        return restore_model(cls, "embedder", path, meta, tensors, device=device)
