"""The data's part of the flow: theta(z) and −∇_z log p(x, z), with their adjoints.

The likelihood gives its derivative by theta in closed form; what is left is the decoder's
vector-Jacobian product, and the adjoint of that. For the default perceptron both are written
out (:class:`MLPScore`); any other decoder is differentiated by autograd
(:class:`AutogradScore`).

Shapes: K classes, B rows per class, D columns, d latent dimensions.
"""

from typing import NamedTuple

import torch

from ..networks.mlp import MLPDecoder

__all__ = ["AutogradScore", "MLPScore", "Workspace", "score_of"]

# Passes a gradient where the unit was active; a product with a mask takes seven times as long.
_where_active = torch.ops.aten.threshold_backward.grad_input


def score_of(stack, x, r=None):
    """Return the data's part of the flow for rows `x` of a stack.

    Parameters
    ----------
    stack : RHVAEStack
    x : Tensor of shape (K, B, D)
    r : Tensor of shape (K, B, D) or None
        Reference rows.

    Returns
    -------
    score : MLPScore or AutogradScore
        Its ``parameters`` are the tensors by which its adjoint differentiates.
    """
    cls = MLPScore if type(stack.decoder) is MLPDecoder else AutogradScore
    return cls(stack.decoder, stack.likelihood, x, r, stack.workspace)


class Workspace:
    """Buffers that are used again from one training step to the next.

    Fresh memory costs more to touch than a small layer costs to compute. One step at a time
    holds them; a second one that is under way meanwhile gets buffers of its own.
    """

    def __init__(self):
        self._free = {}

    def take(self, *shape, like):
        """Return an uninitialised tensor, to be handed back by :meth:`give_back`."""
        free = self._free.get((shape, like.dtype, like.device))
        return free.pop() if free else like.new_empty(shape)

    def give_back(self, tensors):
        """Take tensors back that nobody reads any more."""
        for t in tensors:
            self._free.setdefault((tuple(t.shape), t.dtype, t.device), []).append(t)


class MLPScore:
    """Score of the default decoder, a perceptron with rectified linear units.

    With δ = −∂ log p(x|θ)/∂θ the gradient is z + Jᵀδ. Its adjoint runs through the layers twice:
    forwards with its cotangent, which is a product with the same Jacobian J, and backwards, as
    for any loss, with the cotangent of theta. Weights enter by outer products of rows, which
    are collected over all points and summed in one product.

    Parameters
    ----------
    decoder : MLPDecoder
    likelihood : torch.nn.Module
    x : Tensor of shape (K, B, D)
    r : None
        The direct decoder has no reference row.
    workspace : Workspace or None
    """

    def __init__(self, decoder, likelihood, x, r=None, workspace=None):
        self.likelihood, self.x = likelihood, x
        self.workspace = workspace or Workspace()
        layers = decoder.net.layers
        self.n_layers = len(layers)
        self.parameters = (
            *(layer.weight for layer in layers),
            *(layer.bias for layer in layers),
            *likelihood.loss_gradient_parameters(),
        )

    def bind(self, parameters, n_points=0, second_order=True):
        """Take detached parameters and prepare for the adjoint of `n_points` evaluations.

        Without `second_order` the gradient counts as a constant, and only theta of the point
        that was evaluated last has an adjoint.
        """
        n, (K, B, _) = self.n_layers, self.x.shape
        self.W, self.b, self.extra = parameters[:n], parameters[n : 2 * n], parameters[2 * n :]
        self.b_bar, self.extra_bar = [[] for _ in self.b], []
        self.n_evaluated, self.second_order = 0, second_order
        # Two slots per point: layer inputs h beside cotangents ā of layer outputs, and f beside
        # e, the same in the forward run of the adjoint. W̄ = Σ hᵀā + Σ fᵀe.
        if n_points:
            n_slots = 2 * n_points if second_order else 1
            take = self.workspace.take
            self.left = [take(K, n_slots, B, W.shape[1], like=W) for W in self.W]
            self.right = [take(K, n_slots, B, W.shape[2], like=W) for W in self.W]

    def evaluate(self, z, with_tape):
        """Return theta, −∇_z log p(x, z) and the residual."""
        slot = 2 * self.n_evaluated if self.second_order else 0
        self.n_evaluated += 1
        keep_e = with_tape and self.second_order
        h = [z]
        for i, (W, b) in enumerate(zip(self.W[:-1], self.b[:-1], strict=True)):
            a = torch.baddbmm(b, h[-1], W)
            out = self.left[i + 1][:, slot] if with_tape else a
            h.append(torch.clamp_min(a, 0.0, out=out))
        theta = torch.baddbmm(self.b[-1], h[-1], self.W[-1])
        delta = self.right[-1][:, slot + 1] if keep_e else torch.empty_like(theta)
        e = self.likelihood.loss_gradient(self.x, theta, *self.extra, out=delta)
        for i in reversed(range(1, self.n_layers)):
            e = torch.bmm(e, self.W[i].mT)
            out = self.right[i - 1][:, slot + 1] if keep_e else e
            e = _where_active(e, h[i], 0.0, grad_input=out)
        if with_tape:
            self.left[0][:, slot] = z
        return theta, torch.baddbmm(z, e, self.W[0].mT), slot

    def adjoint(self, slot, theta_bar, gradient_bar):
        """Return z̄ and keep what the parameters' cotangents are made of."""
        if not self.second_order:
            return self._backwards(slot, theta_bar).add_(gradient_bar)
        f = gradient_bar
        self.left[0][:, slot + 1] = f
        for i, W in enumerate(self.W):
            if i:
                out = self.left[i][:, slot + 1]
                f = _where_active(f, self.left[i][:, slot], 0.0, grad_input=out)
            f = torch.bmm(f, W)
        a_bar = self.right[-1][:, slot]
        extra = self.likelihood.loss_gradient_adjoint(
            self.x, self.right[-1][:, slot + 1], f, *self.extra, out=a_bar
        )
        self.extra_bar.append(extra)
        if theta_bar is not None:
            a_bar += theta_bar
        return self._backwards(slot, a_bar).add_(gradient_bar)

    def _backwards(self, slot, a_bar):
        # The adjoint of theta alone, as of any loss.
        if a_bar is None:
            return torch.zeros_like(self.left[0][:, slot])
        if not self.second_order:
            self.right[-1][:, slot] = a_bar
        for i in reversed(range(self.n_layers)):
            self.b_bar[i].append(a_bar.sum(1, keepdim=True))
            product = torch.bmm(a_bar, self.W[i].mT)
            if i:
                out = self.right[i - 1][:, slot]
                a_bar = _where_active(product, self.left[i][:, slot], 0.0, grad_input=out)
        return product

    def parameter_cotangents(self):
        """Return the cotangents of ``parameters``; ends the use of this object."""
        pairs = list(zip(self.left, self.right, strict=True))
        W_bar = [torch.bmm(f.flatten(1, 2).mT, e.flatten(1, 2)) for f, e in pairs]
        b_bar = [torch.stack(parts).sum(0) for parts in self.b_bar]
        extra_bar = [torch.stack(parts).sum(0) for parts in zip(*self.extra_bar, strict=True)]
        if not self.second_order:
            extra_bar = [None for _ in self.extra]
        self.workspace.give_back([*self.left, *self.right])
        del self.left, self.right
        return *W_bar, *b_bar, *extra_bar


class _AutogradResidual(NamedTuple):
    z: torch.Tensor
    theta: torch.Tensor
    gradient: torch.Tensor


class AutogradScore:
    """Score of any decoder that torch can differentiate twice.

    Parameters
    ----------
    decoder, likelihood : torch.nn.Module
    x : Tensor of shape (K, B, D)
    r : Tensor of shape (K, B, D) or None
        Reference rows.
    workspace : None
        Not used.
    """

    def __init__(self, decoder, likelihood, x, r=None, workspace=None):
        self.decoder, self.likelihood, self.x, self.r = decoder, likelihood, x, r
        self.n_weights = sum(1 for _ in decoder.parameters())
        self.parameters = (*decoder.parameters(), *likelihood.loss_gradient_parameters())

    def bind(self, parameters, n_points=0, second_order=True):
        """Take detached parameters; the decoder's own are used in place."""
        self.second_order = second_order
        extra = parameters[self.n_weights :]
        self.extra = [p.detach().requires_grad_() for p in extra]
        self.leaves = [*self.decoder.parameters(), *self.extra]
        self.totals = [None] * len(self.leaves)

    @torch.enable_grad()
    def evaluate(self, z, with_tape):
        """Return theta, −∇_z log p(x, z) and the residual."""
        leaf = z.detach().requires_grad_()
        theta = self.decoder(leaf, self.r)
        delta = self.likelihood.loss_gradient(self.x, theta, *self.extra)
        (product,) = torch.autograd.grad(
            theta, leaf, delta, retain_graph=with_tape, create_graph=with_tape and self.second_order
        )
        gradient = leaf + product
        residual = _AutogradResidual(leaf, theta, gradient) if with_tape else None
        return theta.detach(), gradient.detach(), residual

    def adjoint(self, residual, theta_bar, gradient_bar):
        """Return z̄ and add to the parameters' cotangents."""
        z, theta, gradient = residual
        pairs = [(theta, theta_bar)]
        if self.second_order:
            pairs.append((gradient, gradient_bar))
        pairs = [p for p in pairs if p[1] is not None]
        if not pairs:
            return gradient_bar
        outputs, cotangents = zip(*pairs, strict=True)
        leaves = [p for p in self.leaves if p.requires_grad]
        with torch.enable_grad():
            z_bar, *new = torch.autograd.grad(outputs, (z, *leaves), cotangents, allow_unused=True)
        new = iter(new)
        for i, p in enumerate(self.leaves):
            part = next(new) if p.requires_grad else None
            if part is not None:
                self.totals[i] = part if self.totals[i] is None else self.totals[i] + part
        return z_bar if self.second_order else z_bar + gradient_bar

    def parameter_cotangents(self):
        """Return the cotangents of ``parameters``."""
        return tuple(self.totals)
