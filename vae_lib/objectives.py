"""Bounds on log p(x), each to be maximised: nats per image, shape (B,).

The objective is apart from the model: a new bound is a new function, not a new model.
`fit` minimises `-value.mean()`; the mean over the batch is taken there and nowhere else.
"""

import math
from typing import NamedTuple

import torch

from .distributions import gaussian_kl, gaussian_log_prob, reparameterize


class Bound(NamedTuple):
    """value: the bound; log_px_z: its reconstruction term; kl: its KL term.  (B,) nats each."""

    value: torch.Tensor
    log_px_z: torch.Tensor
    kl: torch.Tensor


def elbo(model, x):
    """E_q[log p(x given z)] - KL(q(z given x) || p(z)), with one draw of z per image.

    x: (B, C, H, W) -> Bound of (B,) nats.  Kingma & Welling 2013, eq. (7).
    """
    mu, logvar = model.encode(x)
    z = reparameterize(mu, logvar)
    log_px_z = model.likelihood.log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return Bound(log_px_z - kl, log_px_z, kl)


def beta_elbo(model, x, beta):
    """E_q[log p(x given z)] - beta * KL; beta = 1 is the ELBO.  Higgins et al. 2017, eq. (4).

    A bound on log p(x) only for beta >= 1.  Raises ValueError for negative beta.
    """
    if beta < 0:
        raise ValueError(f"beta must not be negative, got {beta}")
    _, log_px_z, kl = elbo(model, x)
    return Bound(log_px_z - beta * kl, log_px_z, kl)


def log_weights(model, x, k):
    """log w = log p(x given z) + log p(z) - log q(z given x) for k draws of z: (k, B) nats.

    Returns (log_w, log_px_z), both (k, B).  Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k counts importance samples and must be at least 1, got {k}")
    mu, logvar = (t.repeat(k, 1) for t in model.encode(x))
    z = reparameterize(mu, logvar)
    log_px_z = model.likelihood.log_prob(x.repeat(k, 1, 1, 1), model.decode(z))
    log_pz = gaussian_log_prob(z, torch.zeros_like(z), 0.0)
    log_w = log_px_z + log_pz - gaussian_log_prob(z, mu, logvar)
    return log_w.view(k, -1), log_px_z.view(k, -1)


def iwae_bound(model, x, k):
    """log of the mean of k importance weights, in nats; rises with k towards log p(x).

    x: (B, C, H, W) -> Bound of (B,).  log_px_z is its mean over the k draws, and kl is
    mean(log_px_z - log w); for k > 1 value exceeds their difference.  Burda et al. 2016, eq. (8).
    """
    log_w, log_px_z = log_weights(model, x, k)
    value = torch.logsumexp(log_w, 0) - math.log(k)
    return Bound(value, log_px_z.mean(0), (log_px_z - log_w).mean(0))


def reconstruction_log_prob(model, x):
    """log p(x given encoder(x)) of a plain autoencoder; its kl is 0.  No bound on log p(x).

    x: (B, C, H, W) -> Bound of (B,) nats.
    """
    log_px_z = model.likelihood.log_prob(x, model.decode(model.encode(x)))
    return Bound(log_px_z, log_px_z, torch.zeros_like(log_px_z))


@torch.no_grad()
def mean_bound(model, objective, batches):
    """The objective averaged over all images of some batches: Bound of floats, nats per image."""
    total, n = torch.zeros(3, dtype=torch.float64), 0
    for x in batches:
        total += torch.stack([part.cpu().double().sum() for part in objective(model, x)])
        n += len(x)
    if n == 0:
        raise ValueError("there are no images to average over")
    return Bound(*(total / n).tolist())
