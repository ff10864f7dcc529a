"""log p(x) by annealed importance sampling: from the prior to the posterior in many small steps.

A chain of codes passes through the densities f_t(z) = p(z) p(x given z)^t, t from 0 to 1.  Its
weight collects what every rise of t is worth, and has the mean p(x), whatever the number of steps.
The encoder lends no more than a step size.  It stands beside the core of the library.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch

from .distributions import at_least_float32
from .evaluate import _evaluating, _on_device


class Annealed(NamedTuple):
    """log_px: the estimate, (B,) nats, from log_w (chains, B); z: where the chains ended.

    The mean of exp(log_w) over the chains estimates p(x), or 1 / p(x) in reverse.  z is
    (chains, B, J); accepted, (B,), is the share of the moves that were accepted.
    """

    log_px: torch.Tensor
    log_w: torch.Tensor
    z: torch.Tensor
    accepted: torch.Tensor


def ais(model, images, chains=16, steps=100, leaps=3, size=0.5, seed=0):
    """log p(x) by chains from the prior to the posterior; in the mean it is a lower bound.

    images: (B, C, H, W) in [0, 1] -> Annealed.  Takes chains * B * steps * leaps decodings and
    as many gradients; chains * B are in memory.  size: of one leap, in standard deviations.
    Neal 2001, section 2; with Hamiltonian moves as Wu et al. 2017.  Raises
    ValueError unless chains and steps are positive.
    """
    with _evaluating(model, seed):
        chain = _Chains(model, images, chains, leaps, size)
        state = chain.look(torch.randn_like(chain.sigma))
        log_w = torch.zeros_like(state.log_px_z, dtype=torch.float64)
        for before, t in _steps_of(steps):
            log_w += (t - before) * state.log_px_z
            state = chain.move(state, t)
    log_w, z, accepted = chain.result(log_w, state, steps)
    return Annealed(torch.logsumexp(log_w, 0) - math.log(chains), log_w, z, accepted)


def reverse_ais(model, images, z, chains=16, steps=100, leaps=3, size=0.5, seed=0):
    """log p(x) by chains from the posterior back to the prior; in the mean it is an upper bound.

    z: exact draws of p(z given x), (B, J), one for each image, or (chains, B, J).  Images that
    the model has drawn itself come with one.  Else as `ais`, and raises ValueError on a z of
    another shape.  Grosse et al. 2015.
    """
    with _evaluating(model, seed):
        chain = _Chains(model, images, chains, leaps, size)
        state = chain.look(chain.all_of(z))
        log_w = torch.zeros_like(state.log_px_z, dtype=torch.float64)
        for before, t in reversed(_steps_of(steps)):
            state = chain.move(state, t)
            log_w -= (t - before) * state.log_px_z
    log_w, z, accepted = chain.result(log_w, state, steps)
    return Annealed(math.log(chains) - torch.logsumexp(log_w, 0), log_w, z, accepted)


def _steps_of(steps):
    """[(t before, t)] from 0 to 1, t = (i / steps)^4: a small t already means much."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    return list(pairwise((i / steps) ** 4 for i in range(steps + 1)))


class _State(NamedTuple):
    """z (n, J), log p(x given z) (n,) and its slope in z (n, J)."""

    z: torch.Tensor
    log_px_z: torch.Tensor
    slope: torch.Tensor


class _Chains:
    """So many chains for each image, and moves that leave f_t as it is."""

    def __init__(self, model, images, chains, leaps, size):
        if chains < 1:
            raise ValueError(f"chains must be at least 1, got {chains}")
        self.model, self.chains, self.leaps, self.size = model, chains, leaps, size
        x = next(_on_device(model, images, len(images)))
        self.x = x.repeat(chains, *[1] * (x.dim() - 1))
        with torch.no_grad():
            logvar = at_least_float32(model.encode(x)[1])
        self.sigma = torch.exp(0.5 * logvar).clamp(max=1).repeat(chains, 1)
        self.moved = torch.zeros(len(self.x), device=x.device)

    def all_of(self, z):
        """z (B, J) or (chains, B, J) as one row for each chain, (chains * B, J)."""
        shape = (self.chains, len(self.x) // self.chains, self.sigma.shape[1])
        if z.shape not in (shape, shape[1:]):
            raise ValueError(f"z must be {shape[1:]} or {shape}, got {tuple(z.shape)}")
        return z.to(self.sigma.device).expand(shape).reshape(self.sigma.shape)

    def look(self, z):
        z = z.detach().requires_grad_()
        log_px_z = self.model.likelihood.log_prob(self.x, self.model.decode(z))
        slope = torch.autograd.grad(log_px_z.sum(), z)[0]  # z alone: no gradient of the weights
        return _State(z.detach(), log_px_z.detach(), slope)

    def move(self, state, t):
        """Hamiltonian Monte Carlo: a push, some leapfrog steps, and then accept or stay."""
        # if f_1 is a Gaussian as wide as sigma, f_t is as wide as this
        step = self.size / torch.sqrt(1 + t * (self.sigma**-2 - 1))
        push = torch.randn_like(state.z)
        start, new = self.log_f(state, push, t), state
        for _ in range(self.leaps):
            push = push + 0.5 * step * (t * new.slope - new.z)
            new = self.look(new.z + step * push)
            push = push + 0.5 * step * (t * new.slope - new.z)
        accept = torch.rand_like(start).log() < self.log_f(new, push, t) - start
        self.moved += accept
        accept_z = accept.unsqueeze(1)
        return _State(
            torch.where(accept_z, new.z, state.z),
            torch.where(accept, new.log_px_z, state.log_px_z),
            torch.where(accept_z, new.slope, state.slope),
        )

    def log_f(self, state, push, t):
        """log f_t(z) + log N(push; 0, I), up to a constant."""
        return t * state.log_px_z - 0.5 * (state.z.square() + push.square()).sum(1)

    def result(self, log_w, state, steps):
        """log_w (chains, B), z (chains, B, J) and the accepted share (B,), on the CPU."""
        z = state.z.view(self.chains, -1, state.z.shape[1])
        accepted = self.moved.view(self.chains, -1).mean(0) / steps
        return log_w.view(self.chains, -1).cpu(), z.cpu(), accepted.cpu()
