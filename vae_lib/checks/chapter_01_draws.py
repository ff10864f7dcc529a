"""Checks of chapter 1: what draws from the prior cost."""

import math

import torch
from torch import distributions as td

from .engine import Question, values
from .part_values import part_values


def tables(generator, cells=9):
    """log p(x given z) of 4 images at each cell, and the log prior mass of the cells."""
    log_mass = (0.7 * torch.randn(cells, generator=generator)).log_softmax(0)
    return 2 * torch.randn(4, cells, generator=generator) - 3, log_mass


def _tables_and_error(generator):
    error = 0.05 + 0.25 * torch.rand((), generator=generator).item()
    return *tables(generator), error


def _peaked(generator):
    log_px_z, log_mass = tables(generator, cells=200)  # so R is large, and R - 1 hardly less
    return 20 * log_px_z - 1000, log_mass, 0.2


def _ratio(log_px_z, log_mass, error=0.0):
    """R, as a mean over the posterior: the second line of the chapter's equation."""
    posterior = td.Categorical(logits=log_px_z.double() + log_mass.double()).probs
    return (posterior.square() / log_mass.double().exp()).sum(1)


def _draws(log_px_z, log_mass, error):
    return (_ratio(log_px_z, log_mass) - 1) / error**2


def _exp_kl(log_px_z, log_mass):
    posterior = td.Categorical(logits=log_px_z + log_mass)
    return td.kl_divergence(posterior, td.Categorical(logits=log_mass.expand_as(log_px_z))).exp()


DRAWS = Question(
    "ex-01-draws",
    "draws_needed",
    minutes=15,
    checks=(
        values(
            "the draws for four images",
            _tables_and_error,
            _draws,
            points=2,
            rtol=1e-3,
            mistakes=(
                (
                    "the error is not squared: the variance falls like 1/k, the error like "
                    "one over the root of k",
                    lambda a, m, e: (_ratio(a, m) - 1) / e,
                ),
                (
                    "R stands where R - 1 belongs: if x tells nothing, R = 1 and any draw is exact",
                    lambda a, m, e: _ratio(a, m) / e**2,
                ),
                (
                    "this is log R in the place of R: take the exponential",
                    lambda a, m, e: (_ratio(a, m).log() - 1) / e**2,
                ),
                (
                    "the prior mass is squared with the likelihood: E[p(x given z)^2] has it once",
                    lambda a, m, e: ((a + m).softmax(1).square().sum(1) - 1) / e**2,
                ),
                (
                    "the square of p(x) is missing: relative means divided by p(x)^2",
                    lambda a, m, e: (((2 * a).exp() @ m.exp()) - 1) / e**2,
                ),
                (
                    "all cells weigh the same here: the expectations are under the prior, with "
                    "the masses exp(log_mass)",
                    lambda a, m, e: _draws(a, torch.full_like(m, -math.log(len(m))), e),
                ),
                (
                    "this uses e^KL, the mean of the logarithm: R is the mean of the ratio itself",
                    lambda a, m, e: (_exp_kl(a, m) - 1) / e**2,
                ),
            ),
        ),
        part_values(
            "log-likelihoods of -1,000 nats",
            _peaked,
            _draws,
            rtol=0.08,
            broken="e^-1000 is stored as 0, and 0/0 is no number: form log R from two "
            "torch.logsumexp, and take the exponential at the end",
        ),
    ),
)
