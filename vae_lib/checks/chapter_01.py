"""Checks of chapter 1, latent-variable models."""

import math

import torch
from torch import distributions as td

from .chapter_01_draws import DRAWS, tables
from .chapter_01_proposal import PROPOSAL
from .chapter_01_sums import ENUMERATE
from .engine import Question, values
from .part_values import part_values


def _uniform(generator, low, high):
    return low + (high - low) * torch.rand((), generator=generator).item()


# -- the nats of a linear latent ------------------------------------------------------------------


def _linear(generator):
    w, s = _uniform(generator, 0.6, 2), _uniform(generator, 0.3, 1)
    return 1.5 * math.hypot(w, s) * torch.randn(5, generator=generator), w, s


def _posterior(x, w, s):
    """Mean and variance of p(z given x), by conditioning the joint Gaussian of z and x."""
    return x * w / (w**2 + s**2), 1 - w**2 / (w**2 + s**2)


def _rate(x, w, s):
    mu, v = _posterior(x, w, s)
    return td.kl_divergence(td.Normal(mu, math.sqrt(v)), td.Normal(0.0, 1.0))


def _precision_only(x, w, s):
    _, v = _posterior(x, w, s)
    return torch.full_like(x, 0.5 * (v - 1 - math.log(v)))


def _turned(x, w, s):
    mu, v = _posterior(x, w, s)
    return td.kl_divergence(td.Normal(torch.zeros_like(mu), 1.0), td.Normal(mu, math.sqrt(v)))


def _variance_as_deviation(x, w, s):
    mu, v = _posterior(x, w, s)
    return td.kl_divergence(td.Normal(mu, v), td.Normal(0.0, 1.0))


RATE = Question(
    "ex-01-rate",
    "linear_rate",
    minutes=20,
    checks=(
        values(
            "the KL of five observations",
            _linear,
            _rate,
            points=2,
            mistakes=(
                (
                    "the mean of the posterior is missing: a code far from 0 costs too",
                    _precision_only,
                ),
                (
                    "this is the average over all x that the model draws: here x is given",
                    lambda x, w, s: torch.full_like(x, 0.5 * math.log(1 + (w / s) ** 2)),
                ),
                ("this is KL(prior || posterior): the two are swapped", _turned),
                (
                    "mu^2 is divided by v: the distance counts in widths of the prior, which is 1",
                    lambda x, w, s: (
                        _precision_only(x, w, s)
                        + 0.5 * _posterior(x, w, s)[0] ** 2 / _posterior(x, w, s)[1]
                    ),
                ),
                (
                    "log v has the wrong sign: a narrower posterior costs more",
                    lambda x, w, s: _rate(x, w, s) + math.log(_posterior(x, w, s)[1]),
                ),
                (
                    "v is a variance already, and here it is squared once more",
                    _variance_as_deviation,
                ),
                (
                    "the mean enters unsquared",
                    lambda *a: _precision_only(*a) + 0.5 * _posterior(*a)[0],
                ),
            ),
        ),
    ),
)

# -- learning needs the posterior -----------------------------------------------------------------


def _slopes(generator):
    log_px_z, log_mass = tables(generator)
    return log_px_z, 3 * torch.randn(4, 9, generator=generator), log_mass


def _steep(generator):
    log_px_z, slopes, log_mass = _slopes(generator)
    best = torch.randint(9, (4, 1), generator=generator)
    return log_px_z.scatter_add(1, best, log_px_z.new_full((4, 1), 60)) - 1000, slopes, log_mass


def _gradient(log_px_z, slopes, log_mass):
    """By autograd: let the log-likelihoods move along their slopes, and differentiate the sum."""
    step = torch.zeros(len(slopes), 1, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        moved = log_px_z.double() + step * slopes.double() + log_mass.double()
        total = torch.logsumexp(moved, 1).sum()
    return torch.autograd.grad(total, step)[0][:, 0]


LEARN = Question(
    "ex-01-learn",
    "evidence_gradient",
    minutes=15,
    checks=(
        values(
            "the gradient of four points",
            _slopes,
            _gradient,
            points=2,
            mistakes=(
                (
                    "this is the mean over the prior: weigh each code by its posterior mass",
                    lambda a, g, m: g @ m.exp(),
                ),
                (
                    "the prior is missing in the weights: the posterior is likelihood times prior",
                    lambda a, g, m: (a.softmax(1) * g).sum(1),
                ),
                (
                    "the weights do not sum to 1: divide by p(x)",
                    lambda a, g, m: ((a + m).exp() * g).sum(1),
                ),
                (
                    "only the best code counts here: every code counts with its posterior mass",
                    lambda a, g, m: g.gather(1, (a + m).argmax(1, keepdim=True))[:, 0],
                ),
                (
                    "the weights sum to 1 over the points: they must over the cells",
                    lambda a, g, m: ((a + m).softmax(0) * g).sum(1),
                ),
                (
                    "all codes weigh the same here: weigh each by its posterior mass",
                    lambda a, g, m: g.mean(1),
                ),
            ),
        ),
        part_values(
            "log-likelihoods of -1,000 nats",
            _steep,
            _gradient,
            rtol=1e-3,
            broken="e^-1000 is stored as 0, and 0/0 is no number: torch.softmax divides before "
            "it takes exponentials",
        ),
    ),
)

QUESTIONS = (ENUMERATE, DRAWS, RATE, LEARN, PROPOSAL)
