"""Training: a skorch net whose module is the stack of all classes.

The model and the objective know nothing of skorch. Everything that is decided per class
(best weights, early stopping, roll-back of a non-finite loss) lives in
:class:`StackNet`; skorch brings the loop, the optimiser, history and callbacks.
"""

import copy
import logging
import warnings

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import unpack_data
from torch import nn

from ..elbo import Batch
from ..flow.errors import flow_errors
from .data import StackLoader, fixed_batch, metric_rows
from .progress import ProgressBar, nanmean
from .records import BY_EPOCH, ClassHistory
from .resume import SaveState, load_training_state, trained_tensors, training_state_dict

_logger = logging.getLogger(__name__)

# After this many roll-backs in a row, a class stays at its best weights.
_MAX_ROLLBACKS = 20
# Most rows of a class on which the flow is measured after training.
_N_MEASURED = 8


class _AllClassesStopped(Exception):
    """Every class has converged: leaves skorch's loop."""


def _mean_loss(log_p, batch):
    """Return the mean of −log p per class, shape (n_classes,), of values of a batch's rows."""
    # By where, not by a product, because padding rows may hold anything, even infinity.
    log_p = torch.where(batch.mask > 0, log_p, 0.0)
    if batch.weight is not None:
        # Weights have a mean of 1 in the class. With a mean of 1 in the batch, rows next to light
        # ones would count more.
        log_p = batch.weight * log_p
    return -log_p.sum(1) / batch.mask.sum(1).clamp_min(1.0)


def _from_callback(error):
    """Tell a skorch callback that stops training (EarlyStopping) from the user's Ctrl-C."""
    frame = error.__traceback__
    while frame.tb_next is not None:
        frame = frame.tb_next
    return frame.tb_frame.f_globals.get("__name__", "").startswith("skorch.callbacks")


class StackNet(NeuralNet):
    """A skorch net over an :class:`RHVAEStack`.

    Parameters
    ----------
    module : RHVAEStack
        An untrained stack, on its device.
    loader : StackLoader
        Minibatches of the training rows.
    valid : Batch or None
        Held-out rows with fixed noise; a class without any has an empty mask.
    metric_rows : tuple of Tensor, or None
        Training rows and their references, (x, mask, r) or (x, mask), from which the learned
        metric of the held-out ELBO is built.
    patience : int or None
    **kwargs : dict
        Parameters of :class:`skorch.NeuralNet`.
    """

    def __init__(self, module, *, loader, valid, metric_rows, patience, **kwargs):
        super().__init__(module, criterion=nn.Identity, train_split=None, **kwargs)
        self.loader = loader
        self.valid = valid
        self.metric_rows = metric_rows
        self.patience = patience

    def initialize(self):
        """Initialise skorch's parts and the per-class records."""
        super().initialize()
        K = self.module_.n_classes
        # Listed once, because a walk through the modules takes almost as long as a small step.
        self.parameters_ = list(self.module_.parameters())
        self.active_ = torch.arange(K)
        self.lr_scale_ = torch.ones(K)
        self.eps_ = self.module_.eps.detach().cpu().clone()
        self.best_loss_ = np.full(K, np.inf)
        self.best_epoch_ = np.zeros(K, dtype=int)
        self.n_rollbacks_ = np.zeros(K, dtype=int)
        self.has_valid_ = np.zeros(K, dtype=bool)
        if self.valid is not None:
            self.has_valid_ = (self.valid.mask.sum(1) > 0).cpu().numpy()
        self.rollbacks_in_a_row_ = np.zeros(K, dtype=int)
        self.epoch_loss_ = np.full(K, np.nan)
        self.class_losses_ = [{name: [] for name in BY_EPOCH} for _ in range(K)]
        self.best_state_ = {n: v.detach().clone() for n, v in trained_tensors(self.module_).items()}
        return self

    # --- what skorch asks for -----------------------------------------------------------

    def get_iterator(self, dataset, training=False):
        """Return the loader; the data are on the device already."""
        return self.loader

    def infer(self, x, **fit_params):
        """Evaluate the ELBO terms of a batch."""
        return self.module_(x)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the sum over classes of the mean negative ELBO; each class is on its own."""
        loss = _mean_loss(y_pred.elbo, X)
        self.batch_loss_ = loss.detach()
        self.batch_reconstruction_ = _mean_loss(y_pred.log_p_x.detach(), X)
        return torch.where(torch.isfinite(loss), loss, 0.0).sum()

    def train_step_single(self, batch, **fit_params):
        """Compute loss and gradients; a class where either is not finite contributes none."""
        xi, _ = unpack_data(batch)
        terms = self.infer(xi)
        loss = self.get_loss(terms, None, X=xi, training=True)
        loss.backward()
        gradients = [p.grad for p in self.parameters_ if p.grad is not None]
        # A finite loss may have a gradient that is not finite, which one sum per class shows.
        total = sum(g.flatten(1).sum(1) for g in gradients)
        bad = ~torch.isfinite(self.batch_loss_ + total)
        if bad.any():
            self.batch_loss_ = torch.where(bad, torch.nan, self.batch_loss_)
            for g in gradients:
                g[bad] = 0.0
        return {"loss": loss, "y_pred": terms}

    def train_step(self, batch, **fit_params):
        """Take one optimiser step, then undo it where a class cannot take it."""
        scale = self.lr_scale_[self.active_]
        slow = (scale < 1.0).nonzero().flatten()
        if len(slow):
            before = [p.detach()[slow] for p in self.parameters_]
        step = super().train_step(batch, **fit_params)
        bad = ~torch.isfinite(self.batch_loss_)
        with torch.no_grad():
            if len(slow):
                for p, old in zip(self.parameters_, before, strict=True):
                    s = scale[slow].to(p).view(-1, *[1] * (p.dim() - 1))
                    p[slow] = torch.lerp(old, p[slow], s)
            if bad.any():
                self._roll_back(bad.nonzero().flatten().cpu())
        batch_terms = torch.stack([self.batch_loss_, self.batch_reconstruction_])
        self._sum_terms += torch.where(bad, torch.nan, batch_terms)
        self._n_steps += 1
        return step

    def _roll_back(self, positions):
        """Take classes back to their best weights and halve their steps."""
        classes = self.active_[positions]
        self.lr_scale_[classes] *= 0.5
        self.eps_[classes] *= 0.5
        self.module_.eps[positions] *= 0.5
        for name, p in trained_tensors(self.module_).items():
            p[positions] = self.best_state_[name][classes.to(p.device)]
            for value in self.optimizer_.state.get(p, {}).values():
                if torch.is_tensor(value) and value.dim():
                    value[positions] = 0.0
        self.n_rollbacks_[classes] += 1

    # --- the epoch ----------------------------------------------------------------------

    def on_epoch_begin(self, net, **kwargs):
        """Reset the running loss of the epoch."""
        super().on_epoch_begin(net, **kwargs)
        self._set_training(True)
        # Sums of the loss and of the reconstruction, which is one of its two terms.
        self._sum_terms = torch.zeros(2, len(self.active_), device=self.module_.eps.device)
        self._n_steps = 0

    def on_epoch_end(self, net, **kwargs):
        """Record losses, keep the best weights, let converged classes leave the stack."""
        super().on_epoch_end(net, **kwargs)
        terms = (self._sum_terms / max(self._n_steps, 1)).cpu().double().numpy()
        valid_terms = self._valid_terms()
        train, valid = terms[0], valid_terms[0]
        self.epoch_loss_ = train
        active = self.active_.numpy()
        monitored = np.where(self.has_valid_[active], valid, train)
        for j, k in enumerate(active):
            values = train[j], valid[j], terms[1, j], valid_terms[1, j]
            for name, value in zip(BY_EPOCH, values, strict=True):
                self.class_losses_[k][name].append(value)
        finite = np.isfinite(monitored)
        better = finite & (monitored < self.best_loss_[active])
        self.rollbacks_in_a_row_[active] = np.where(
            np.isfinite(train), 0, self.rollbacks_in_a_row_[active] + 1
        )
        epoch = len(self.history)
        self.best_loss_[active[better]] = monitored[better]
        self.best_epoch_[active[better]] = epoch
        self._keep_weights(torch.from_numpy(better.nonzero()[0]))
        stop = self.rollbacks_in_a_row_[active] >= _MAX_ROLLBACKS
        if self.patience is not None:
            stop |= epoch - self.best_epoch_[active] >= self.patience
        self.record_epoch(nanmean(train), float(np.mean(monitored)), len(active))
        if stop.any():
            self.leave(torch.from_numpy((~stop).nonzero()[0]))

    def record_epoch(self, train_loss, valid_loss, n_active_classes):
        """Note in skorch's history what its callbacks look for.

        EarlyStopping and LRScheduler look for a loss, Checkpoint and WandbLogger for whether it is
        the least so far.
        """
        for name, loss in {"train_loss": train_loss, "valid_loss": valid_loss}.items():
            before = [row[name] for row in self.history[:-1] if np.isfinite(row[name])]
            self.history.record(name, loss)
            # Comparisons with NaN say nothing.
            self.history.record(f"{name}_best", bool(loss < min(before, default=np.inf)))
        self.history.record("n_active_classes", n_active_classes)

    @torch.no_grad()
    def _valid_terms(self):
        """Return loss and reconstruction of the held-out rows, shape (2, n_classes)."""
        if self.valid is None:
            return np.full((2, len(self.active_)), np.nan)
        self._set_training(False)
        batch = self.valid
        if self.metric_rows is not None:
            batch = batch._replace(metric=self.module_.metric(*self.metric_rows))
        elbo_terms = self.module_(batch)
        terms = torch.stack([_mean_loss(v, batch) for v in (elbo_terms.elbo, elbo_terms.log_p_x)])
        return torch.where(batch.mask.sum(1) > 0, terms, torch.nan).cpu().double().numpy()

    @torch.no_grad()
    def _keep_weights(self, positions):
        if not len(positions):
            return
        for name, p in trained_tensors(self.module_).items():
            best = self.best_state_[name]
            if len(positions) == len(best):
                best.copy_(p)
            else:
                best[self.active_[positions].to(p.device)] = p[positions.to(p.device)]

    def leave(self, positions):
        """Keep only the classes at `positions` in the stack."""
        if not len(positions):
            raise _AllClassesStopped
        self.active_ = self.active_[positions]
        self.module_.keep(positions)
        for state in self.optimizer_.state.values():
            for name, value in state.items():
                if torch.is_tensor(value) and value.dim():
                    state[name] = value.index_select(0, positions.to(value.device))
        self.loader.active = self.active_.tolist()
        index = positions.to(self.module_.eps.device)
        if self.valid is not None:
            self.valid = self.valid._replace(
                **{
                    name: getattr(self.valid, name)[index]
                    for name in ("x", "mask", "noise_z", "noise_rho", "r", "weight")
                    if getattr(self.valid, name) is not None
                }
            )
            if self.metric_rows is not None:
                self.metric_rows = tuple(t[index] for t in self.metric_rows)

    def fit_loop(self, X, y=None, epochs=None, **kwargs):
        """Run skorch's loop until all classes have stopped.

        Raises
        ------
        KeyboardInterrupt
            The user's; a callback that stops the training (skorch's EarlyStopping raises
            the same exception) just ends the loop.
        """
        self.stopped_ = False
        try:
            super().fit_loop(X, y, epochs, **kwargs)
        except _AllClassesStopped:
            self.stopped_ = True
        except KeyboardInterrupt as error:
            if not _from_callback(error):
                raise
            self.stopped_ = True
        return self


def train_stack(
    stack, rows, settings, streams, device="cpu", description="RHVAE", store=None, n_before=0
):
    """Train a stack; at the end every class has its best weights.

    Parameters
    ----------
    stack : RHVAEStack
        Untrained, on the CPU; trained in place, and on the CPU again at the end.
    rows : list of ClassRows
        One per class.
    settings : TrainingSettings
    streams : dict of str to list of torch.Generator
        CPU streams ``"shuffle"``, ``"noise"`` and ``"split"``, one per class.
    device : str, default="cpu"
        Where to train.
    description : str
        Text of the progress bar.
    store : object or None, default=None
        Keeps the state of the training: ``read()`` returns a state to continue from, or None. See
        also :class:`.resume.SaveState`.
    n_before : int, default=0
        Epochs of the phase before: a state is that of this training only where they are the same.

    Returns
    -------
    history : list of ClassHistory
    interrupted : KeyboardInterrupt or None
        Set where the user interrupted: the weights are then the best so far.

    Raises
    ------
    StateError
        If the state that the store holds is not one of this training.
    """
    kept = {"batch_size": settings.batch_size, "device": str(device), "n_before": n_before}
    save = None if store is None else SaveState(store, kept)
    net = _make_net(stack, rows, settings, streams, device, description, save)
    T = stack.T.cpu().clone()
    n_left = _resume(net, settings, kept, None if store is None else store.read(), description)
    interrupted = None
    _keep_freed_memory()
    try:
        net.notify("on_train_begin", X=None, y=None)
        net.fit_loop(np.empty(0), epochs=n_left)
        if store is not None and n_left:
            store.write(training_state_dict(net, kept, finished=net.stopped_))
    except KeyboardInterrupt as error:
        interrupted = error
        if save is not None:
            save.flush()
    finally:
        net.notify("on_train_end", X=None, y=None)
    _restore(stack, net.best_state_, T, net.eps_)
    flows = _measure_flow(stack, rows, streams["split"])
    return _records(net, flows, device, settings.batch_size), interrupted


def _make_net(stack, rows, settings, streams, device, description, save):
    """Return an initialised net over a stack, which is then on the device."""
    loader = StackLoader(
        rows,
        streams["shuffle"],
        streams["noise"],
        settings.batch_size,
        stack.settings.latent_dim,
        device,
        min_rows=2 if any(getattr(m, "in_turn", None) for m in stack.children()) else 1,
    )
    valid, rows_of_metric = _held_out(stack, rows, streams["split"], device)
    callbacks = list(settings.callbacks or [])
    if save is not None:
        callbacks.append(("save_state", save))
    if settings.verbose:
        callbacks.append(("progress", ProgressBar(settings.max_epochs, description)))
    net = StackNet(
        stack,
        loader=loader,
        valid=valid,
        metric_rows=rows_of_metric,
        patience=settings.patience,
        callbacks=callbacks,
        callbacks__epoch_timer=None,
        callbacks__train_loss=None,
        callbacks__valid_loss=None,
        callbacks__print_log=None,
        device=device,
        max_epochs=settings.max_epochs,
        optimizer=torch.optim.Adam,
        optimizer__fused=_can_fuse(device),
        lr=settings.lr,
        verbose=0,
    )
    return net.initialize()


def _held_out(stack, rows, generators, device):
    """Return the held-out rows as a batch, and those of its metric; None where there are none."""
    if not any(len(r.valid) for r in rows):
        return None, None
    references = None if rows[0].partners is None else [r.valid_references for r in rows]
    weights = [r.valid_weight for r in rows]
    held_out, d = [r.valid for r in rows], stack.settings.latent_dim
    valid = fixed_batch(held_out, generators, d, device, references, weights)
    return valid, metric_rows(rows, generators, device) if stack.flowing else None


def _resume(net, settings, kept, state, description):
    """Put the state of an earlier run, if there is one, into a net; return the epochs left."""
    if state is not None and settings.callbacks:
        warnings.warn(
            "The training goes on from `checkpoint`, which does not hold the state of callbacks: "
            "they start anew. The weights are those of an undisturbed run if no callback changes "
            "the training.",
            UserWarning,
            stacklevel=3,
        )
    finished = state is not None and load_training_state(net, kept, state)
    n_done = len(net.history)
    if n_done > settings.max_epochs:
        raise ValueError(
            "`checkpoint` holds a training of more epochs than max_epochs asks for, which cannot "
            "be taken back. Pass a larger max_epochs, or name another folder."
        )
    if n_done and not finished:
        _logger.info("%s goes on after epoch %d of %d.", description, n_done, settings.max_epochs)
    return 0 if finished else settings.max_epochs - n_done


def _records(net, flows, device, batch_size):
    """Return what every class went through."""
    return [
        ClassHistory(
            **{name: np.array(values) for name, values in by_epoch.items()},
            best_epoch=int(best),
            n_rollbacks=int(n),
            device=device,
            batch_size=batch_size,
            **flow,
        )
        for by_epoch, best, n, flow in zip(
            net.class_losses_, net.best_epoch_, net.n_rollbacks_, flows, strict=True
        )
    ]


def _can_fuse(device):
    """Say whether torch has a fused optimiser for a device: 2.4 has none for Apple's GPUs."""
    return not str(device).startswith("mps") or torch.__version__ >= "2.5"


def _measure_flow(stack, rows, generators):
    """Return what the records of all classes say of the flow; the generators are not advanced."""
    if not stack.flowing:
        return [{}] * len(rows)
    streams = [torch.Generator().set_state(g.get_state()) for g in generators]
    parts = [v.double() for v in metric_rows(rows, streams, "cpu")]
    stack = copy.deepcopy(stack).double()
    with torch.no_grad():
        metric = stack.metric(*parts)
    x, mask, *r = (v[:, :_N_MEASURED] for v in parts)
    draws = [torch.randn(2, *x.shape[1:2], stack.settings.latent_dim, generator=g) for g in streams]
    noise = torch.stack(draws, 1).double()
    errors = flow_errors(stack, Batch(x, mask, *noise, *r, metric=metric))
    values = zip(*(e.tolist() for e in errors), strict=True)
    return [{f"flow_{n}": v for n, v in zip(errors._fields, own, strict=True)} for own in values]


def _keep_freed_memory():
    """Let glibc keep the gradients' memory from step to step instead of returning it.

    Its limit for that is twice the largest block below 32 MiB that was ever freed; without
    this, a tenth of a step goes into having the same pages zeroed again by the kernel.
    Elsewhere it does nothing: the memory is never written.
    """
    torch.empty(2**23 - 2**14)


def _restore(stack, state, T, eps):
    """Put the best weights of all classes back, also of those that left the stack."""
    for name, value in trained_tensors(stack).items():
        value.data = state[name].cpu()
        value.grad = None
    stack.T, stack.eps = T, eps
    stack.eval()
