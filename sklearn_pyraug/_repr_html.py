"""How a fitted augmenter shows in a notebook."""

from html import escape

__all__ = ["FittedHTMLMixin"]

_HEADER = ("class", "rows", "epochs", "best epoch", "new rows")


class FittedHTMLMixin:
    """Add what was learned to scikit-learn's picture of the parameters."""

    def _repr_html_inner(self):
        return super()._repr_html_inner() + fitted_html(self)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs)
        if "text/html" in bundle:
            bundle["text/html"] += fitted_html(self)
        return bundle


def fitted_html(augmenter):
    """Return a table of the classes of a fitted augmenter, or nothing before `fit`.

    It has no colours of its own, so that it suits light and dark pages.

    Parameters
    ----------
    augmenter : RHVAEAugmenter

    Returns
    -------
    html : str
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
    header = "".join(f"<th>{name}</th>" for name in _HEADER)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<details><summary>{escape(summary)}</summary><table><thead><tr>{header}</tr></thead>"
        f"<tbody>{body}</tbody></table></details>"
    )
