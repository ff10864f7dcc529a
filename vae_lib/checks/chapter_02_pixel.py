"""Checks of chapter 2: one pixel and one latent, by hand."""

import math

import torch
from torch import distributions as td

from .engine import Question
from .part_values import part_values


def _numbers(generator):
    x, mu, sigma = torch.rand(3, generator=generator).tolist()
    return 1 + 2 * x, 0.3 + mu, 0.4 + 0.5 * sigma


def _log_normal(x, mean, deviation):
    return td.Normal(float(mean), deviation).log_prob(torch.tensor(x, dtype=torch.float64))


def _evidence(x, mu, sigma):
    return _log_normal(x, 0, math.sqrt(2))


def _kl(mu, sigma, m, tau):
    return td.kl_divergence(*(td.Normal(*map(torch.tensor, d)) for d in ((mu, sigma), (m, tau))))


def _rate(x, mu, sigma):
    return _kl(mu, sigma, 0.0, 1.0)


def _hand_gap(x, mu, sigma):
    return _kl(mu, sigma, x / 2, math.sqrt(0.5))


def _reconstruction(x, mu, sigma):
    """From the identity, ELBO = log p(x) - gap: no integral."""
    return _evidence(x, mu, sigma) - _hand_gap(x, mu, sigma) + _rate(x, mu, sigma)


EVIDENCE_SLIPS = (
    (
        "the variance of x is that of z and that of the noise together",
        lambda x, mu, sigma: _log_normal(x, 0, 1.0),
    ),
    ("the variance of x is 2, not its standard deviation", lambda x, *_: _log_normal(x, 0, 2.0)),
    (
        "this is log p(x given z = mu): the evidence knows no q",
        lambda x, mu, sigma: _log_normal(x, mu, 1.0),
    ),
)

RECONSTRUCTION_SLIPS = (
    (
        "log 2 pi is missing: log p(x given z) is a normalised density",
        lambda x, mu, sigma: _reconstruction(x, mu, sigma) + math.log(2 * math.pi) / 2,
    ),
    (
        "the spread of q costs: sigma^2 has the wrong sign",
        lambda x, mu, sigma: _reconstruction(x, mu, sigma) + sigma**2,
    ),
    (
        "this decodes the mean: E_q[(x - z)^2] is (x - mu)^2 + sigma^2",
        lambda x, mu, sigma: _log_normal(x, mu, 1.0),
    ),
    (
        "sigma enters squared: E_q[(x - z)^2] is (x - mu)^2 + sigma^2",
        lambda x, mu, sigma: _log_normal(x, mu, 1.0) - sigma / 2,
    ),
)

RATE_SLIPS = (
    (
        "log sigma^2 is missing",
        lambda x, mu, sigma: _rate(x, mu, sigma) + math.log(sigma),
    ),
    (
        "this is the KL to the posterior, the gap: the rate goes to the prior",
        _hand_gap,
    ),
    (
        "this is KL(prior || q): the two are swapped",
        lambda x, mu, sigma: _kl(0.0, 1.0, mu, sigma),
    ),
    (
        "the logarithm is that of sigma^2, not of sigma",
        lambda x, mu, sigma: _rate(x, mu, sigma) + math.log(sigma) / 2,
    ),
)

GAP_SLIPS = (
    (
        "the squared distance of the means is to be divided by the posterior's variance, 1/2",
        lambda x, mu, sigma: _hand_gap(x, mu, sigma) - (mu - x / 2) ** 2 / 2,
    ),
    ("this is the rate, the KL to the prior: the gap goes to the posterior", _rate),
    (
        "the posterior's variance is 1/2, and here it is its standard deviation",
        lambda x, mu, sigma: _kl(mu, sigma, x / 2, 0.5),
    ),
    (
        "the posterior's precision is 1 + 1: here its variance is 1",
        lambda x, mu, sigma: _kl(mu, sigma, x / 2, 1.0),
    ),
    (
        "this is the KL from the posterior to q: the two are swapped",
        lambda x, mu, sigma: _kl(x / 2, math.sqrt(0.5), mu, sigma),
    ),
)

HAND = Question(
    "ex-02-hand",
    "one_pixel",
    minutes=25,
    checks=(
        part_values("log p(x)", _numbers, _evidence, EVIDENCE_SLIPS, part=0, of=4),
        part_values(
            "the reconstruction", _numbers, _reconstruction, RECONSTRUCTION_SLIPS, part=1, of=4
        ),
        part_values("the rate", _numbers, _rate, RATE_SLIPS, part=2, of=4),
        part_values("the gap", _numbers, _hand_gap, GAP_SLIPS, part=3, of=4),
    ),
)
