"""Densities, the Gaussian KL and the reparameterization trick: (B, ...) in, nats of shape (B,) out.

Every function sums over the event (all dimensions but the first) and averages over nothing.
Half-precision inputs are computed in float32, so that autocast cannot overflow an exp.
"""

import math

import torch
import torch.nn.functional as F

LOG_2PI = math.log(2 * math.pi)


def reparameterize(mu, logvar, generator=None):
    """A draw z = mu + sigma * eps, eps ~ N(0, I), differentiable in mu and logvar.

    mu, logvar: (B, J) -> (B, J).  Raises ValueError on mismatched shapes.
    Kingma & Welling 2013, section 2.4; Rezende et al. 2014, section 3.
    """
    mu, logvar = _same_shape("mu", mu, "logvar", logvar)
    sigma = torch.exp(0.5 * logvar)
    eps = torch.randn(mu.shape, generator=generator, device=mu.device, dtype=mu.dtype)
    return mu + sigma * eps


def gaussian_kl(mu, logvar):
    """KL(N(mu, diag exp(logvar)) || N(0, I)), in nats.

    mu, logvar: (B, J) -> (B,).  Raises ValueError on mismatched shapes.
    Kingma & Welling 2013, appendix B.
    """
    mu, logvar = _same_shape("mu", mu, "logvar", logvar)
    return -0.5 * (1 + logvar - mu.square() - logvar.exp()).flatten(1).sum(1)


def gaussian_log_prob(x, mu, logvar):
    """log N(x; mu, diag exp(logvar)), in nats; a density, so it may exceed 0.

    x, mu: (B, ...); logvar: the same shape or a scalar -> (B,).  Raises ValueError on mismatch.
    """
    x, mu = _same_shape("x", x, "mu", mu)
    logvar = _scalar_or_like("logvar", logvar, x)
    square = (x - mu).square() * torch.exp(-logvar)
    return -0.5 * (LOG_2PI + logvar + square).flatten(1).sum(1)


def bernoulli_log_prob(x, logits):
    """log p(x) of independent Bernoulli pixels with P(x = 1) = sigmoid(logits), in nats.

    x: (B, ...) in {0, 1}; logits: the same shape -> (B,).  Raises ValueError on mismatch.
    For grey x in [0, 1] this is minus the cross-entropy, not a log-likelihood.
    """
    x, logits = _same_shape("x", x, "logits", logits)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(1)


def continuous_bernoulli_log_prob(x, logits):
    """log density of the continuous Bernoulli on [0, 1], in nats.

    x: (B, ...) in [0, 1]; logits: the same shape -> (B,).  Raises ValueError on mismatch.
    Loaiza-Ganem & Cunningham 2019, section 3; the constant is logits / tanh(logits / 2).
    """
    x, logits = _same_shape("x", x, "logits", logits)
    near_zero, safe = apart_from_zero(logits)
    exact = torch.log(safe / torch.tanh(safe / 2))
    series = math.log(2) + logits.square() / 12
    log_constant = torch.where(near_zero, series, exact).flatten(1).sum(1)
    return bernoulli_log_prob(x, logits) + log_constant


def apart_from_zero(logits):
    """Where logits are so near 0 that a quotient by them needs its series, and logits safe to use.

    (...) -> a mask and the logits with a harmless 1 under it, so that the branch of torch.where
    that is not taken has a finite gradient too.
    """
    near_zero = logits.abs() < 1e-2
    return near_zero, torch.where(near_zero, torch.ones_like(logits), logits)


def discretized_logistic_log_prob(x, mu, log_scale, levels=256):
    """log mass of the grey level x under a logistic(mu, exp(log_scale)) cut into `levels` bins.

    x: (B, ...) on the grid {0, 1/(levels - 1), ..., 1}; mu: the same shape; log_scale: that or
    a scalar -> (B,) nats.  The end bins reach to infinity.  Raises ValueError on mismatch.
    Salimans et al. 2017, section 2.1; after Kingma et al. 2016, appendix.
    """
    x, mu = _same_shape("x", x, "mu", mu)
    log_scale = _scalar_or_like("log_scale", log_scale, x)
    width = 1 / (levels - 1)
    upper = (x - mu + width / 2) * torch.exp(-log_scale)
    lower = (x - mu - width / 2) * torch.exp(-log_scale)
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)): nothing cancels
    step = (width * torch.exp(-log_scale)).clamp(min=1e-30)
    left = torch.where(x > 1 - width / 2, torch.zeros_like(x), F.logsigmoid(upper))
    right = torch.where(x < width / 2, torch.zeros_like(x), F.logsigmoid(-lower))
    inside = (x >= width / 2) & (x <= 1 - width / 2)
    edge = torch.where(inside, torch.log(-torch.expm1(-step)), torch.zeros_like(x))
    return (left + right + edge).flatten(1).sum(1)


def at_least_float32(x):
    """Half precision to float32; float32 and float64 unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _same_shape(name_a, a, name_b, b):
    if a.shape != b.shape:
        raise ValueError(
            f"{name_a} and {name_b} must have one shape, got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    return at_least_float32(a), at_least_float32(b)


def _scalar_or_like(name, a, x):
    # filled in on the device: a copy from the host could not be recorded in a CUDA graph
    a = a.to(x.device) if torch.is_tensor(a) else torch.full((), a, device=x.device)
    if a.dim() and a.shape != x.shape:
        raise ValueError(
            f"{name} must be a scalar or shaped like x, got {tuple(a.shape)} for {tuple(x.shape)}"
        )
    return at_least_float32(a)
