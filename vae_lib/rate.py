"""Rate and distortion: the exact curve of the linear VAE, and what a rate is made of.

rate R = E KL(q(z given x) || p(z)); distortion = -E log p(x given z); both in nats per image.
The module stands beside the core of the library, which never imports it.
"""

import math
from typing import NamedTuple

import torch

from .distributions import LOG_2PI, gaussian_kl, reparameterize


class RateDistortion(NamedTuple):
    """rate, distortion: floats, nats per image; per_latent: (J,), the rates that add up to it."""

    rate: float
    distortion: float
    per_latent: torch.Tensor


class Surgery(NamedTuple):
    """rate = mutual_information + aggregate_kl: floats, nats per image.

    standard_error: the standard deviation of the N terms of mutual_information over sqrt(N); a
    rough guide to the noise of the draws (the rate is exact).  Near log N it is far too small, of
    a leave-one-out bound too large, and it is never the error for the population.
    """

    rate: float
    mutual_information: float
    aggregate_kl: float
    standard_error: float


def linear_rate_distortion(eigenvalues, sigma, beta=1.0, latents=None):
    """The optimum of the linear VAE's beta-ELBO: reverse water-filling at the level beta sigma^2.

    eigenvalues: (D,) of the data's covariance, those that rounding made negative taken as 0;
    sigma: the fixed noise of a pixel; latents: how many the model has, all D unless given.  A
    latent whose eigenvalue lies under the water has rate 0, another log(eigenvalue / water) / 2.
    Raises ValueError on numbers that cannot be meant.  Cover & Thomas 2006,
    section 10.3.3; Lucas et al. 2019.
    """
    if not (sigma > 0 and beta > 0):
        raise ValueError(f"sigma and beta must be positive, got {sigma} and {beta}")
    rounding = 1e-6 * eigenvalues.abs().max()
    if eigenvalues.dim() != 1 or not eigenvalues.min() >= -rounding:
        raise ValueError("eigenvalues must be (D,) and none negative: a covariance has no others")
    latents = len(eigenvalues) if latents is None else latents
    if not 0 <= latents <= len(eigenvalues):
        raise ValueError(f"latents must lie between 0 and D = {len(eigenvalues)}, got {latents}")
    spectrum = eigenvalues.clamp(min=0).sort(descending=True).values
    coded, uncoded = spectrum[:latents], spectrum[latents:]
    water = beta * sigma**2
    per_latent = 0.5 * torch.log(coded.clamp(min=water) / water)
    error = coded.clamp(max=water).sum() + uncoded.sum()
    constant = len(spectrum) * (LOG_2PI + 2 * math.log(sigma))
    distortion = 0.5 * (constant + error / sigma**2)
    return RateDistortion(per_latent.sum().item(), distortion.item(), per_latent)


@torch.no_grad()
def elbo_surgery(mu, logvar, samples=1, leave_one_out=False, generator=None, chunk=50):
    """The rate of N images, split: E_n KL(q_n || p) = I(n; z) + KL(mean of the q_n || p).

    mu, logvar: (N, J), as `posterior` returns them.  For each image `samples` codes are drawn, and
    each is held to the mixture of all N; nothing but the draws is random, and the two estimates
    are unbiased for these N images.  For the population I(n; z) is too low on average (it is at
    most log N) and the other part too high.  leave_one_out: a code's own image leaves the mixture,
    and the errors change sign.  chunk: so many codes at once, each against all N images.
    Raises ValueError on shapes and counts that cannot be meant.
    Hoffman & Johnson 2016; leave-one-out: Poole et al. 2019.
    """
    if mu.dim() != 2 or mu.shape != logvar.shape:
        raise ValueError(f"mu and logvar must be (N, J), got {mu.shape} and {logvar.shape}")
    if samples < 1 or chunk < 1 or len(mu) < 2:
        raise ValueError("elbo_surgery needs 2 images or more, and positive samples and chunk")
    mu, logvar = mu.double(), logvar.double()
    rows = torch.arange(len(mu), device=mu.device).split(chunk)
    log_q = _log_density(mu, logvar)
    information = torch.zeros_like(mu[:, 0])
    for _ in range(samples):
        z = reparameterize(mu, logvar, generator)
        parts = [_log_ratio(log_q(z[row]), row, leave_one_out) for row in rows]
        information += torch.cat(parts) / samples
    rate, mean = gaussian_kl(mu, logvar).mean().item(), information.mean().item()
    return Surgery(rate, mean, rate - mean, (information.std() / math.sqrt(len(mu))).item())


def _log_density(mu, logvar):
    """The function z (B, J) -> log q_n(z) of all N images: (B, N) nats."""
    precision = torch.exp(-logvar)
    # log q_n(z) is quadratic in z: one matrix product serves all pairs of code and image
    constant = (mu.square() * precision + logvar + LOG_2PI).sum(1, keepdim=True)
    weights = torch.cat([-0.5 * precision, mu * precision, -0.5 * constant], 1).T
    return lambda z: torch.cat([z.square(), z, torch.ones_like(z[:, :1])], 1) @ weights


def _log_ratio(log_q, row, leave_one_out):
    """log q_n(z_n) - log of the mixture at z_n, for the images n in `row`: (B,) nats."""
    ratio = log_q - log_q.gather(1, row[:, None])
    if leave_one_out:
        ratio.scatter_(1, row[:, None], -math.inf)
    # float32 from here on: the exponentials are what costs, and no large numbers cancel any more
    count = log_q.shape[1] - leave_one_out
    return math.log(count) - torch.logsumexp(ratio.float(), 1).double()
