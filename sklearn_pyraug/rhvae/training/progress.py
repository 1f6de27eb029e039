"""A progress bar for the training loop."""

import numpy as np
from skorch.callbacks import Callback
from tqdm.auto import tqdm


def nanmean(values):
    """Return the mean of the numbers among `values`, NaN (without a warning) if there are none."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else np.nan


class ProgressBar(Callback):
    """A tqdm bar over epochs.

    Parameters
    ----------
    total : int
        Number of epochs.
    description : str
        Text before the bar.
    """

    def __init__(self, total, description):
        self.total = total
        self.description = description

    def on_train_begin(self, net, **kwargs):
        """Open the bar."""
        self.bar_ = tqdm(
            total=self.total,
            initial=len(net.history),
            desc=self.description,
            unit="epoch",
            leave=False,
        )

    def on_epoch_end(self, net, **kwargs):
        """Advance the bar by one epoch."""
        self.bar_.set_postfix(loss=f"{nanmean(net.epoch_loss_):.4g}", refresh=False)
        self.bar_.update()

    def on_train_end(self, net, **kwargs):
        """Close the bar."""
        self.bar_.close()
