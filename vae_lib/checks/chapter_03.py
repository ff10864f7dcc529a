"""Checks of chapter 3, KL between Gaussians."""

import math

import torch
from torch import distributions as td

from .chapter_03_calm import GIBBS
from .chapter_03_judging import JUDGE
from .engine import Question
from .part_values import part_values

LOG_2PI = math.log(2 * math.pi)

# -- a pointed code -------------------------------------------------------------------------------


def _scale(generator):
    return (0.2 + 2 * torch.rand(5, generator=generator),)


def _laplace_kl(b):
    return 0.5 * LOG_2PI + b**2 - (2 * b).log() - 1


LAPLACE_SLIPS = (
    ("E[z^2] of a Laplace distribution is 2 b^2, not b^2", lambda b: _laplace_kl(b) - b**2 / 2),
    (
        "this is KL(prior || q): the two densities are swapped",
        lambda b: (2 * b).log() + math.sqrt(2 / math.pi) / b - 0.5 * (LOG_2PI + 1),
    ),
    (
        "the 2 of the density 1/(2 b) is missing under the logarithm",
        lambda b: _laplace_kl(b) + math.log(2),
    ),
    ("E[|z|]/b is 1, and it is missing in E[log q]", lambda b: _laplace_kl(b) + 1),
    (
        "this is the KL of a Gaussian with the same variance: log q is that of a Laplace density",
        lambda b: b**2 - 0.5 * (1 + (2 * b**2).log()),
    ),
)

LAPLACE = Question(
    "ex-03-laplace",
    "laplace_kl",
    minutes=15,
    checks=(
        part_values(
            "the KL of five scales",
            _scale,
            _laplace_kl,
            LAPLACE_SLIPS,
            points=2,
            shifted="a constant of log q or of log p is missing",
        ),
    ),
)

# -- the best prior -------------------------------------------------------------------------------


def _codes(generator):
    mu, logvar = torch.randn(2, 30, 3, generator=generator)
    return 0.8 * mu + 0.5, logvar - 1


def _variance(mu, logvar):
    """E[z^2] of the mixture of all codes, through torch's mixture distribution."""
    each = td.Normal(mu.T, torch.exp(0.5 * logvar).T)
    mixed = td.MixtureSameFamily(td.Categorical(torch.ones_like(mu.T)), each)
    return mixed.variance + mixed.mean**2


def _charged(mu, logvar, variance):
    q = td.Normal(mu, torch.exp(0.5 * logvar))
    return td.kl_divergence(q, td.Normal(torch.zeros_like(mu), variance.sqrt())).mean(0)


def _left(mu, logvar):
    return _charged(mu, logvar, _variance(mu, logvar))


PRIOR_SLIPS = (
    ("sigma^2 is missing: the codes spread about their means", lambda m, v: m.square().mean(0)),
    (
        "the means of the codes are centred: the prior stays at 0, so E[mu^2] counts whole",
        lambda m, v: m.var(0, unbiased=False) + v.exp().mean(0),
    ),
    ("this is tau: the variance tau^2 is asked for", lambda m, v: _variance(m, v).sqrt()),
    (
        "this is the aggregate's variance without the means: mu^2 is missing",
        lambda m, v: v.exp().mean(0),
    ),
    (
        "sigma stands where sigma^2 belongs",
        lambda m, v: (m.square() + torch.exp(0.5 * v)).mean(0),
    ),
)

LEFT_SLIPS = (
    (
        "this is the KL to N(0, 1): put the best prior in its place",
        lambda m, v: _charged(m, v, torch.ones_like(m[0])),
    ),
    (
        "the mean of log sigma^2 is wanted, not the logarithm of the mean",
        lambda m, v: 0.5 * (_variance(m, v).log() - v.exp().mean(0).log()),
    ),
    ("this is the sum over the images: take their mean", lambda m, v: len(m) * _left(m, v)),
    ("this is twice the KL: the half is missing", lambda m, v: 2 * _left(m, v)),
)

PRIOR = Question(
    "ex-03-prior",
    "best_prior",
    minutes=25,
    checks=(
        part_values("the best variance", _codes, _variance, PRIOR_SLIPS, part=0, of=2),
        part_values("the KL that is left", _codes, _left, LEFT_SLIPS, part=1, of=2),
    ),
)

QUESTIONS = (LAPLACE, GIBBS, PRIOR, JUDGE)
