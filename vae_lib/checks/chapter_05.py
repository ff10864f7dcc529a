"""Checks of chapter 5, the reparameterization trick."""

import torch
from torch.distributions import Normal, kl_divergence

from .chapter_05_draws import DRAWS
from .chapter_05_edges import UNIFORM
from .engine import Question, values
from .parts import part

# -- two gradients in logvar ----------------------------------------------------------------------


def _one_draw(generator):
    mu, logvar, eps, slope = torch.randn(4, 5, 3, generator=generator)
    logvar = torch.where(torch.rand(5, 3, generator=generator) < 0.3, logvar - 12, logvar)
    return mu, logvar, eps, 2 * slope


def _by_draw(mu, logvar, eps, slope):
    """By autograd, with f(z) = slope * z."""
    logvar = logvar.clone().requires_grad_()
    reward = slope * (mu + logvar.mul(0.5).exp() * eps)
    return torch.autograd.grad(-reward.sum(), logvar)[0]


def _by_kl(mu, logvar, eps, slope):
    logvar = logvar.clone().requires_grad_()
    q = Normal(mu, logvar.mul(0.5).exp())
    return torch.autograd.grad(kl_divergence(q, Normal(0.0, 1.0)).sum(), logvar)[0]


LOGVAR = Question(
    "ex-05-logvar",
    "logvar_gradients",
    minutes=15,
    checks=(
        part(
            0,
            2,
            values(
                "the part of -f(z)",
                _one_draw,
                _by_draw,
                mistakes=(
                    (
                        "this is the derivative in sigma; by logvar, sigma changes by sigma / 2",
                        lambda mu, logvar, eps, slope: -slope * eps,
                    ),
                    (
                        "this is the derivative in sigma squared; logvar is its logarithm",
                        lambda mu, v, eps, slope: -0.5 * slope * eps * (-0.5 * v).exp(),
                    ),
                    (
                        "sigma is missing: the smaller it is, the less z moves with logvar",
                        lambda mu, logvar, eps, slope: -0.5 * slope * eps,
                    ),
                    (
                        "this is sigma squared: exp(logvar) is the variance",
                        lambda mu, logvar, eps, slope: -slope * eps * logvar.exp(),
                    ),
                    (
                        "this is dz/dlogvar; the loss also changes by -f'(z) for each unit of z",
                        lambda mu, logvar, eps, slope: 0.5 * eps * (0.5 * logvar).exp(),
                    ),
                    (
                        "(z - mu) / 2 is asked for, and here mu is still inside z",
                        lambda mu, v, eps, slope: -slope * (mu + (0.5 * v).exp() * eps) / 2,
                    ),
                ),
            ),
        ),
        part(
            1,
            2,
            values(
                "the part of the KL",
                _one_draw,
                _by_kl,
                mistakes=(
                    (
                        "this is the derivative in sigma, not in logvar",
                        lambda mu, v, eps, slope: (0.5 * v).exp() - (-0.5 * v).exp(),
                    ),
                    (
                        "this is the derivative in sigma squared; logvar is its logarithm",
                        lambda mu, v, eps, slope: 0.5 * (1 - (-v).exp()),
                    ),
                    (
                        "this is the KL itself; its derivative in logvar is asked for",
                        lambda mu, v, eps, slope: 0.5 * (mu.square() + v.exp() - 1 - v),
                    ),
                    (
                        "the term -log sigma^2 is forgotten: it pulls, too",
                        lambda mu, v, eps, slope: 0.5 * v.exp(),
                    ),
                    (
                        "sigma stands where sigma squared belongs",
                        lambda mu, v, eps, slope: 0.5 * ((0.5 * v).exp() - 1),
                    ),
                ),
            ),
        ),
    ),
)

# -- the variance of the score-function guess -----------------------------------------------------


def _size(generator):
    J = 2 + int(torch.randint(30, (), generator=generator))
    return J, 0.3 + 2.5 * J * torch.rand((), generator=generator).item()


def _second_moment(J, b, spread=1.0):
    """E[(f - b)^2 eps^2] by a sum over a grid of the first noise; the rest by its two moments."""
    eps = torch.linspace(-10, 10, 4001, dtype=torch.float64)
    weight = Normal(0.0, 1.0).log_prob(eps).exp() * (20 / 4000)
    rest, rest_variance = 2 * (J - 1), 6 * (J - 1) * spread
    square = ((1 + eps) ** 2 + rest - b) ** 2 + rest_variance
    return (weight * eps**2 * square).sum().item()


DIMENSION = Question(
    "ex-05-dimension",
    "score_variance",
    minutes=30,
    checks=(
        values(
            "the variance for any J and b",
            _size,
            lambda J, b: _second_moment(J, b) - 4,
            points=3,
            rounds=3,
            mistakes=(
                ("this is the second moment: subtract the square of the mean", _second_moment),
                (
                    "this is the standard deviation; its square is asked for",
                    lambda J, b: (_second_moment(J, b) - 4) ** 0.5,
                ),
                (
                    "this is at the best baseline, 2 J + 2; b is given",
                    lambda J, b: _second_moment(J, 2 * J + 2) - 4,
                ),
                (
                    "the cross term has E[f eps_1^2] in it, not E[f eps_1]",
                    lambda J, b: _second_moment(J, 0.0) - 4 - 4 * b + b**2,
                ),
                ("this is without the baseline", lambda J, b: _second_moment(J, 0.0) - 4),
                (
                    "the other coordinates fluctuate: E[r^2] is not the square of E[r]",
                    lambda J, b: _second_moment(J, b, spread=0.0) - 4,
                ),
                (
                    "b^2 is missing: it is multiplied by E[eps^2] = 1",
                    lambda J, b: _second_moment(J, b) - 4 - b**2,
                ),
                (
                    "the baseline also multiplies f: the cross term -2 b E[f eps^2] is missing",
                    lambda J, b: _second_moment(J, 0.0) - 4 + b**2,
                ),
                (
                    "f and eps_1 are not independent: E[f eps_1^2] is 2 J + 2, not 2 J",
                    lambda J, b: _second_moment(J, b) - 4 + 4 * b,
                ),
            ),
        ),
    ),
)

QUESTIONS = (LOGVAR, DIMENSION, UNIFORM, DRAWS)
