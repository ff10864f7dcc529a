"""Checks of problem set C on the terms of two gradients of an expectation."""

import math

import torch
from torch.distributions import Normal

from .calling import Made
from .engine import Question, values
from .parts import part

# -- two gradients --------------------------------------------------------------------------------


def wave_draws(generator):
    """A function a z^2 + b sin z, one mu and one logvar, and seven draws of noise."""
    a, b = (0.5 + torch.rand(2, generator=generator)).tolist()
    mu, logvar = torch.randn(2, generator=generator)
    return Made("wave", (a, b)), mu, logvar.abs() + 0.3, torch.randn(7, generator=generator)


def wave_parts(made, mu, logvar, eps):
    """f(z), f'(z), z and sigma, in double precision, by hand."""
    (a, b), sigma = made.args, logvar.double().div(2).exp()
    z = mu.double() + sigma * eps.double()
    return a * z**2 + b * z.sin(), 2 * a * z + b * z.cos(), z, sigma


def _score(made, mu, logvar, eps):
    """d log q / d mu and d log q / d logvar at the draws, by autograd."""
    f, _, z, _ = wave_parts(made, mu, logvar, eps)
    mu, logvar = (t.double().expand(len(eps)).clone().requires_grad_() for t in (mu, logvar))
    log_q = Normal(mu, logvar.div(2).exp()).log_prob(z)
    return f, torch.autograd.grad(log_q.sum(), (mu, logvar))


def _of(formula):
    return lambda *args: formula(*wave_parts(*args))


def _score_mu(*args):
    f, (by_mu, _) = _score(*args)
    return f * by_mu


def _score_logvar(*args):
    f, (_, by_logvar) = _score(*args)
    return f * by_logvar


def _wrong(formula):
    """formula(f, slope, sigma, eps), slope of f."""

    def wrong(made, mu, logvar, eps):
        f, slope, _, sigma = wave_parts(made, mu, logvar, eps)
        return formula(f, slope, sigma, eps.double())

    return wrong


def _too_wide(formula):
    return lambda made, mu, logvar, eps: formula(made, mu, 2 * logvar, eps)


VARIANCE = "exp(logvar) is a variance: the standard deviation is exp(logvar / 2)"
MOVING = "log q is differentiated through z as well: hold the draw fixed"

SCORE_MU = (
    (VARIANCE, _too_wide(_score_mu)),
    (MOVING, _wrong(lambda f, d, s, e: 0 * e)),
    ("this is the score alone: each is multiplied by f(z)", _wrong(lambda f, d, s, e: e / s)),
    ("sigma is missing: the score of mu is (z - mu) / sigma^2",
     _wrong(lambda f, d, s, e: f * e)),
    ("sigma is divided by twice: z - mu is sigma eps",
     _wrong(lambda f, d, s, e: f * e / s**2)),
    ("this multiplies by log q: the score is its derivative",
     _wrong(lambda f, d, s, e: f * (-0.5 * e**2 - s.log() - 0.5 * math.log(2 * math.pi)))),
    ("this is the pathwise term: the score function needs no slope of f",
     _wrong(lambda f, d, s, e: d)),
)  # fmt: skip

SCORE_LOGVAR = (
    (VARIANCE, _too_wide(_score_logvar)),
    (MOVING, _wrong(lambda f, d, s, e: -f / 2)),
    ("this is the score of sigma; by logvar, sigma changes by sigma / 2",
     _wrong(lambda f, d, s, e: f * (e**2 - 1) / s)),
    ("this is the score of log sigma: log sigma^2 has half of it",
     _wrong(lambda f, d, s, e: f * (e**2 - 1))),
    ("the normaliser of q is forgotten: log q has the term -log sigma",
     _wrong(lambda f, d, s, e: f * e**2 / 2)),
    ("this is the score alone: each is multiplied by f(z)",
     _wrong(lambda f, d, s, e: (e**2 - 1) / 2)),
    ("this is the pathwise term: the score function needs no slope of f",
     _wrong(lambda f, d, s, e: d * s * e / 2)),
)  # fmt: skip

PATH_MU = (
    (VARIANCE, _too_wide(_wrong(lambda f, d, s, e: d))),
    ("this is f, not its slope: dz/dmu is 1", _wrong(lambda f, d, s, e: f)),
    ("this is the score-function term: follow the draw instead",
     _wrong(lambda f, d, s, e: f * e / s)),
    ("dz/dmu is 1: sigma does not enter", _wrong(lambda f, d, s, e: d * s)),
    ("this is the mean over the draws: return each term",
     _wrong(lambda f, d, s, e: d.mean().expand(len(e)))),
)  # fmt: skip

PATH_LOGVAR = (
    (VARIANCE, _too_wide(_wrong(lambda f, d, s, e: d * s * e / 2))),
    ("this is the derivative in sigma; by logvar, sigma changes by sigma / 2",
     _wrong(lambda f, d, s, e: d * e)),
    ("the half is missing: sigma is exp(logvar / 2)", _wrong(lambda f, d, s, e: d * s * e)),
    ("this is sigma squared: exp(logvar) is the variance",
     _wrong(lambda f, d, s, e: d * s**2 * e)),
    ("this is the score-function term: follow the draw instead",
     _wrong(lambda f, d, s, e: f * (e**2 - 1) / 2)),
)  # fmt: skip


def _term(place, title, formula, mistakes):
    return part(
        place, 4, values(title, wave_draws, formula, mistakes, points=3, rtol=1e-3, atol=1e-4)
    )


TERMS = Question(
    "set-c-terms",
    "gradient_terms",
    minutes=40,
    checks=(
        _term(0, "score function, in mu", _score_mu, SCORE_MU),
        _term(1, "score function, in logvar", _score_logvar, SCORE_LOGVAR),
        _term(2, "pathwise, in mu", _of(lambda f, slope, z, sigma: slope), PATH_MU),
        _term(3, "pathwise, in logvar", _wrong(lambda f, d, s, e: d * s * e / 2), PATH_LOGVAR),
    ),
)
