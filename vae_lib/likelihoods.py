"""p(x given z): how a decoder's output becomes a log-probability, a mean image and a draw.

Each likelihood has `log_prob(x, params) -> (B,)` nats, `mean(params)` and `draw(params)`, where
`params` is what the decoder returns, shaped like x.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import distributions as d
from .data import binarize


class Bernoulli(nn.Module):
    """Binary pixels; params are logits."""

    def log_prob(self, x, params):
        return d.bernoulli_log_prob(x, params)

    def mean(self, params):
        return torch.sigmoid(params)

    def draw(self, params, generator=None):
        return binarize(torch.sigmoid(params), generator)


class Gaussian(nn.Module):
    """Real-valued pixels; params are means, one sigma for all, fixed or learned.

    sigma is a standard deviation in units of the pixel range.
    """

    def __init__(self, sigma=1.0, learned=False):
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma is a standard deviation and must be positive, got {sigma}")
        logvar = torch.tensor(2 * math.log(sigma))
        self.logvar = nn.Parameter(logvar, requires_grad=learned)

    def log_prob(self, x, params):
        return d.gaussian_log_prob(x, params, self.logvar)

    def mean(self, params):
        return params

    def draw(self, params, generator=None):
        eps = torch.randn(params.shape, generator=generator, device=params.device)
        return params + torch.exp(0.5 * self.logvar) * eps


class ContinuousBernoulli(nn.Module):
    """Grey pixels in [0, 1]; params are logits (Loaiza-Ganem & Cunningham 2019)."""

    def log_prob(self, x, params):
        return d.continuous_bernoulli_log_prob(x, params)

    def mean(self, params):
        params = d.at_least_float32(params)
        # E[x] = 1 / (1 - e^-l) - 1 / l, with its limit 1/2 + l/12 near 0
        near_zero, safe = d.apart_from_zero(params)
        return torch.where(near_zero, 0.5 + params / 12, -1 / torch.expm1(-safe) - 1 / safe)

    def draw(self, params, generator=None):
        uniform = torch.rand(params.shape, generator=generator, device=params.device)
        near_zero, safe = d.apart_from_zero(params)
        # the inverse CDF of the density for -|l|, mirrored where l > 0: exp cannot overflow
        a = -safe.abs()
        inverse = torch.log1p(uniform * torch.expm1(a)) / a
        return torch.where(near_zero, uniform, torch.where(safe > 0, 1 - inverse, inverse))


class DiscretizedLogistic(nn.Module):
    """256 grey levels; params are means, one learned scale (Kingma et al. 2016)."""

    def __init__(self, scale=0.1):
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))

    def log_prob(self, x, params):
        return d.discretized_logistic_log_prob(x, params, self.log_scale)

    def mean(self, params):
        # for X = clamp(logistic, 0, 1), E[X] is the integral of P(X > t) over [0, 1]
        s = torch.exp(self.log_scale)
        return s * (F.softplus(params / s) - F.softplus((params - 1) / s))

    def draw(self, params, generator=None):
        uniform = torch.rand(params.shape, generator=generator, device=params.device)
        noise = torch.logit(uniform, eps=1e-6)
        x = params + torch.exp(self.log_scale) * noise
        return (x.clamp(0, 1) * 255).round() / 255


LIKELIHOODS = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "continuous_bernoulli": ContinuousBernoulli,
    "discretized_logistic": DiscretizedLogistic,
}


def make_likelihood(likelihood):
    """A likelihood from its name, or the given module unchanged.  Raises ValueError on others."""
    if isinstance(likelihood, nn.Module):
        return likelihood
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"likelihood must be one of {sorted(LIKELIHOODS)}, got {likelihood!r}")
    return LIKELIHOODS[likelihood]()
