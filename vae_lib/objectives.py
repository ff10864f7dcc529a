"""Bounds on log p(x), each to be maximised: nats per image, shape (B,).

The objective is apart from the model: a new bound is a new function, not a new model.
`fit` minimises `-value.mean()`; the mean over the batch is taken there and nowhere else.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

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


def free_bits_elbo(model, x, floor):
    """E_q[log p(x given z)] - sum over latents of max(floor, mean KL of that latent in the batch).

    The first `floor` nats of a latent cost nothing, so nothing is won by switching it off.  kl is
    the true KL; value lies below the ELBO by what the floor adds, the same for every image.  Of
    several processes each takes the mean over its share.  Kingma et al. 2016.
    Raises ValueError for negative floor.
    """
    if floor < 0:
        raise ValueError(f"floor is in nats and must not be negative, got {floor}")
    mu, logvar = model.encode(x)
    log_px_z = model.likelihood.log_prob(x, model.decode(reparameterize(mu, logvar)))
    pairs = zip(mu.split(1, 1), logvar.split(1, 1), strict=True)
    kl = torch.stack([gaussian_kl(m, v) for m, v in pairs], 1)  # (B, J)
    added = (floor - kl.mean(0)).clamp(min=0).sum()
    return Bound(log_px_z - kl.sum(1) - added, log_px_z, kl.sum(1))


class WarmUp(nn.Module):
    """`beta_elbo` whose beta rises in a line from 0 to 1 over so many training steps.

    It counts the calls with a model in training mode, so every run needs its own; `fit` keeps the
    count in its checkpoint.  A model in evaluation mode gets the plain ELBO.  Bowman et al. 2016,
    section 3.1.  Raises ValueError unless steps is positive.
    """

    def __init__(self, steps):
        super().__init__()
        if not steps > 0:
            raise ValueError(f"steps must be positive, got {steps}")
        self.steps = steps
        self.register_buffer("step", torch.zeros(()))

    def extra_repr(self):
        return f"steps={self.steps}"

    def forward(self, model, x):
        value, log_px_z, kl = elbo(model, x)
        if not model.training:
            return Bound(value, log_px_z, kl)
        beta = (self.step / self.steps).clamp(max=1)
        self.step += 1
        return Bound(log_px_z - beta * kl, log_px_z, kl)


def log_weights(model, x, k, fixed_q=False):
    """log w = log p(x given z) + log p(z) - log q(z given x) for k draws of z: (k, B) nats.

    Returns log_w (k, B), log_px_z (k, B) and the draws z (k * B, J).  fixed_q: gradients reach the
    encoder by way of z only.  Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k counts importance samples and must be at least 1, got {k}")
    mu, logvar = (t.repeat(k, 1) for t in model.encode(x))
    z = reparameterize(mu, logvar)
    if fixed_q:
        mu, logvar = mu.detach(), logvar.detach()
    copies = x.repeat(k, *[1] * (x.dim() - 1))
    log_px_z = model.likelihood.log_prob(copies, model.decode(z))
    log_pz = gaussian_log_prob(z, torch.zeros_like(z), 0.0)
    log_w = log_px_z + log_pz - gaussian_log_prob(z, mu, logvar)
    return log_w.view(k, -1), log_px_z.view(k, -1), z


def iwae_bound(model, x, k):
    """log of the mean of k importance weights, in nats; rises with k towards log p(x).

    x: (B, C, H, W) -> Bound of (B,).  log_px_z is its mean over the k draws, and kl is
    mean(log_px_z - log w); for k > 1 value exceeds their difference.  Burda et al. 2016, eq. (8).
    """
    log_w, log_px_z, _ = log_weights(model, x, k)
    value = torch.logsumexp(log_w, 0) - math.log(k)
    return Bound(value, log_px_z.mean(0), (log_px_z - log_w).mean(0))


def dreg_bound(model, x, k):
    """The value of `iwae_bound`, with the doubly reparameterized gradient for the encoder.

    The encoder's gradient comes by way of z only, each draw's with the square of its normalised
    weight.  The decoder's is unchanged.  Only `value` is to be differentiated.  Tucker et al. 2019,
    eq. (8).
    """
    log_w, log_px_z, z = log_weights(model, x, k, fixed_q=True)
    if z.requires_grad:  # one factor comes from the logarithm of the mean, the other from here
        share = torch.softmax(log_w.detach(), 0).view(-1, 1)
        z.register_hook(lambda gradient: share * gradient)
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
