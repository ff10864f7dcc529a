"""Checks of chapter 13 on proposals that are wide enough."""

import math

import torch
from torch.distributions import Independent, Normal

from .engine import values


def _posterior(generator):
    """A precision (3, 3), and the variances of a q that is too narrow or wide enough."""
    root = torch.randn(3, 3, generator=generator)
    precision = root @ root.T + 0.5 * torch.eye(3)
    return precision, (0.3 + torch.rand(3, generator=generator)) / precision.diagonal()


def _least_scale(precision, variances):
    """By bisection on where 2 Lambda - S^-1 / c^2 is positive definite."""
    twice, inverse = 2 * precision.double(), torch.diag(1 / variances.double())
    low, high = 0.0, 100.0
    for _ in range(50):
        middle = (low + high) / 2
        finite = torch.linalg.eigvalsh(twice - inverse / middle**2)[0] > 0
        low, high = (low, middle) if finite else (middle, high)
    return high


def _along_axes(precision, variances):
    marginal = torch.linalg.inv(precision.double()).diagonal()
    return (marginal / (2 * variances)).max().sqrt().item()


def _best_direction(precision, variances):
    root = variances.double().sqrt()
    inner = 2 * root[:, None] * precision.double() * root
    return torch.linalg.eigvalsh(inner)[-1].rsqrt().item()


def _one_by_one(precision, variances):
    """As if the posterior of each latent, the others held fixed, were all of it."""
    return (1 / (2 * variances * precision.diagonal())).sqrt()


def _half_read(precision, variances):
    product = torch.linalg.inv(precision.double()) @ torch.diag(1 / variances.double())
    return (torch.linalg.eigvalsh(product)[-1] / 2).sqrt().item()


def _two_directions(precision, variances):
    widest = 1 / torch.linalg.eigvalsh(precision.double())[0]
    return (widest / (2 * variances.min())).sqrt().item()


WIDTH = (
    ("a product of a matrix and a diagonal one is not symmetric: eigvalsh reads half of it",
     _half_read),
    ("the posterior's largest and q's smallest variance lie in different directions",
     _two_directions),
    ("along the axes alone is not enough: every direction has to be wide enough", _along_axes),
    ("the diagonal of the precision forgets that the latents are correlated",
     lambda precision, variances: _one_by_one(precision, variances).max().item()),
    ("this is a factor for the variances: the scale is one for the standard deviations",
     lambda precision, variances: _least_scale(precision, variances) ** 2),
    ("the half is missing: more than half of the posterior's variance is enough",
     lambda precision, variances: _least_scale(precision, variances) * math.sqrt(2)),
    ("this looks at the best direction: the worst one makes the variance infinite",
     _best_direction),
)  # fmt: skip


def _draws(generator):
    """Six draws near the prior and near q, q itself, and the share of the prior."""
    mu, logvar = torch.randn(2, generator=generator), -1 + torch.randn(2, generator=generator)
    z = torch.randn(6, 2, generator=generator)
    z = torch.cat([z[:3], mu + torch.exp(0.5 * logvar) * z[3:]])
    return z, mu, logvar, 0.1 + 0.3 * torch.rand((), generator=generator).item()


def _far_draws(generator):
    """As `_draws`, but every draw is some sixty standard deviations from the prior and from q."""
    z, mu, logvar, a = _draws(generator)
    return z + 60, mu, logvar, a


def _log_both(z, mu, logvar, spread=0.5):
    q = Independent(Normal(mu.double(), torch.exp(spread * logvar.double())), 1)
    prior = Independent(Normal(torch.zeros_like(q.mean), 1.0), 1)
    return q.log_prob(z.double()), prior.log_prob(z.double())


def _log_mixture(z, mu, logvar, a, spread=0.5):
    log_q, log_p = _log_both(z, mu, logvar, spread)
    return torch.logaddexp(math.log(1 - a) + log_q, math.log(a) + log_p)


def _geometric(z, mu, logvar, a):
    log_q, log_p = _log_both(z, mu, logvar)
    return (1 - a) * log_q + a * log_p


def _latent_by_latent(z, mu, logvar, a):
    log_q = Normal(mu.double(), torch.exp(0.5 * logvar.double())).log_prob(z.double())
    log_p = Normal(torch.zeros_like(log_q), 1.0).log_prob(z.double())
    return torch.logaddexp(math.log(1 - a) + log_q, math.log(a) + log_p).sum(1)


def _shares_of_logs(z, mu, logvar, a):
    log_q, log_p = _log_both(z, mu, logvar)
    return torch.logaddexp((1 - a) * log_q, a * log_p)


MIXTURES = (
    ("each latent is mixed by itself: a draw comes from one of the two as a whole",
     _latent_by_latent),
    ("the shares multiply the densities: add their logarithms to the log-densities",
     _shares_of_logs),
    ("a is the share of the prior, 1 - a that of q: they are swapped",
     lambda z, mu, logvar, a: _log_mixture(z, mu, logvar, 1 - a)),
    ("this mixes the logarithms: a mixture adds densities", _geometric),
    ("this adds the two densities without their shares",
     lambda z, mu, logvar, a: torch.logaddexp(*_log_both(z, mu, logvar))),
    ("exp(logvar) is a variance: the standard deviation is exp(logvar / 2)",
     lambda z, mu, logvar, a: _log_mixture(z, mu, logvar, a, spread=1.0)),
    ("this is the density, not its logarithm",
     lambda z, mu, logvar, a: _log_mixture(z, mu, logvar, a).exp()),
)  # fmt: skip

LEAST_SCALE = (values("every direction", _posterior, _least_scale, WIDTH, points=2),)

DEFENSIVE = (
    values("the density", _draws, _log_mixture, MIXTURES),
    # whether it is finite: swapped shares, which cost less than 3 nats, fail the other check
    values("where both densities underflow", _far_draws, _log_mixture, rtol=1e-4, atol=3.0),
)
