"""Where the ELBO loses its nats: to the family of q, or to the encoder that proposes it.

log p(x) - ELBO(q_phi) = [log p(x) - ELBO(q*)] + [ELBO(q*) - ELBO(q_phi)], where q* is the best
diagonal Gaussian for this one image.  It stands beside the core of the library.
"""

from typing import NamedTuple

import torch

from .distributions import gaussian_kl, reparameterize
from .evaluate import _evaluating, _on_device


class Gap(NamedTuple):
    """approximation + amortisation = log p(x) - ELBO.  (N,) nats each."""

    approximation: torch.Tensor
    amortisation: torch.Tensor


def optimal_posterior(model, images, steps=200, draws=6, lr=0.05, start=None, seed=0):
    """The diagonal Gaussian with the highest ELBO for each image, by gradient ascent.

    images: (N, C, H, W) in [0, 1] -> mu and logvar, (N, J) each.  Adam climbs from the encoder's
    q, or from start = (mu, logvar), with fresh draws of z at every step and a rate that falls in
    a line to 0; it finds an optimum that can be reached from there, and one that it does not quite
    reach makes ELBO(q*) too low.  N * draws decodings are in memory.  Cremer et al. 2018.
    """
    with _evaluating(model, seed):
        x = _together(model, images)
        with torch.no_grad():
            begin = model.encode(x) if start is None else start
        q = [t.detach().to(x.device, copy=True).requires_grad_() for t in begin]
        optimizer = torch.optim.Adam(q, lr=lr, betas=(0.9, 0.99))
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = lr * (1 - step / steps)
            value = _elbo_draws(model, x, *q, draws).mean(0)
            # asked for q alone, so the networks' weights cost nothing
            for parameter, slope in zip(q, torch.autograd.grad(-value.sum(), q), strict=True):
                parameter.grad = slope
            optimizer.step()
    return tuple(t.detach() for t in q)


@torch.no_grad()
def elbo_of(model, images, mu, logvar, draws=1000, chunk=1000, seed=0):
    """The ELBO of given q = N(mu, diag exp(logvar)), averaged over draws of z: (N,) nats.

    mu, logvar: (N, J).  About `chunk` decodings are in memory.  One seed draws the same noise for
    every q, which keeps the difference between two of them calm.
    """
    with _evaluating(model, seed):
        x = _together(model, images)
        mu, logvar = mu.to(x.device), logvar.to(x.device)
        size = max(1, chunk // len(x))
        sizes = [min(size, draws - done) for done in range(0, draws, size)]
        total = sum(_elbo_draws(model, x, mu, logvar, n).double().sum(0) for n in sizes)
    return total.cpu() / draws


def split_gap(model, images, log_px, best, draws=1000, seed=0):
    """log p(x) - ELBO in its two parts: a Gap of (N,) nats.

    log_px: (N,), exact or well estimated.  best: the mu and logvar of `optimal_posterior`.
    A q* short of the best one moves nats from amortisation to approximation, and a log_px that
    is too low takes them from approximation alone: so amortisation is a lower bound, up to the
    noise of the draws.  Cremer et al. 2018.
    """
    with torch.no_grad(), _evaluating(model, None):
        proposed = model.encode(_together(model, images))
    of_best, of_proposed = (elbo_of(model, images, *q, draws, seed=seed) for q in (best, proposed))
    return Gap(log_px.cpu() - of_best, of_best - of_proposed)


def _together(model, images):
    """All images as one batch in [0, 1] on the model's device."""
    return next(iter(_on_device(model, images, len(images))))


def _elbo_draws(model, x, mu, logvar, draws):
    """The ELBO of N(mu, diag exp(logvar)) from each of so many draws: (draws, B) nats."""
    z = reparameterize(mu.repeat(draws, 1), logvar.repeat(draws, 1))
    copies = x.repeat(draws, *[1] * (x.dim() - 1))
    log_px_z = model.likelihood.log_prob(copies, model.decode(z)).view(draws, -1)
    return log_px_z - gaussian_kl(mu, logvar)
