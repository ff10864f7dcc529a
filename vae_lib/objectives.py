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
    copies = x.repeat(k, *[1] * (x.dim() - 1))
    log_px_z = model.likelihood.log_prob(copies, model.decode(z))
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


def effective_beta(
    pixels,
    latents,
    reconstruction="sum",
    kl="sum",
    reconstruction_weight=1.0,
    kl_weight=1.0,
    sigma=None,
):
    """The beta for which `beta_elbo` has the optimum of a loss written in another scale.

    The loss is reconstruction_weight * R + kl_weight * KL, where `reconstruction` and `kl` say
    whether R is summed or averaged over the pixels and KL over the latents.  R is -log p(x given
    z) if sigma is None, else the squared error (without a half) of a Gaussian of standard
    deviation sigma.  Raises ValueError on reductions and numbers that cannot be meant.
    """
    for name, value in (("reconstruction", reconstruction), ("kl", kl)):
        if value not in ("sum", "mean"):
            raise ValueError(f"{name} must be 'sum' or 'mean', got {value!r}")
    numbers = dict(pixels=pixels, latents=latents, reconstruction_weight=reconstruction_weight)
    for name, value in (numbers | ({} if sigma is None else dict(sigma=sigma))).items():
        if not value > 0:
            raise ValueError(f"{name} must be positive, got {value}")
    if not kl_weight >= 0:
        raise ValueError(f"kl_weight must not be negative, got {kl_weight}")
    per_nat = reconstruction_weight / (pixels if reconstruction == "mean" else 1)
    if sigma is not None:
        per_nat *= 2 * sigma**2  # squared error = 2 sigma^2 (-log p) + a constant
    return kl_weight / (latents if kl == "mean" else 1) / per_nat


def implied_sigma(pixels, latents, **loss):
    """The sigma of the Gaussian decoder for which a squared-error loss has beta = 1.

    Takes the arguments of `effective_beta` but sigma.  Under a mean over 784 pixels and a summed
    KL it is 19.8, on pixels that reach from 0 to 1.
    """
    return math.sqrt(effective_beta(pixels, latents, **loss, sigma=1.0))


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
