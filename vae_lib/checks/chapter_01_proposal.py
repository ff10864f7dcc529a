"""Checks of chapter 1: draws from a proposal, weighed."""

import math
from dataclasses import replace

import torch

from .engine import Question, Wrong, same
from .part_values import entry, part_values


def _log_densities(generator):
    log_px_z, log_pz, log_qz = torch.randn(3, 4, 7, generator=generator)
    return 2 * log_px_z - 5, log_pz - 1, log_qz - 1


def _faint(generator):
    log_px_z, log_pz, log_qz = _log_densities(generator)
    return log_px_z - 2000, log_pz, log_qz


def _log_mean(log_w):
    return log_w.double().exp().mean(1).log()


def _estimate(log_px_z, log_pz, log_qz):
    log_w = (log_px_z + log_pz - log_qz).double()
    shift = log_w.mean(1, keepdim=True)
    return _log_mean(log_w - shift) + shift[:, 0]


def _effective(log_px_z, log_pz, log_qz):
    w = (log_px_z + log_pz - log_qz).double().exp()
    return w.sum(1).square() / w.square().sum(1)


ESTIMATE = (
    (
        "the draws did not come from the prior: divide by q(z)",
        lambda a, p, q: _log_mean(a + p),
    ),
    (
        "this is the mean of the likelihood alone, right for draws from the prior: draws from q "
        "carry the weight p(z) / q(z)",
        lambda a, p, q: _log_mean(a),
    ),
    ("the prior p(z) is missing in the weight", lambda a, p, q: _log_mean(a - q)),
    ("the weight is upside down: p(z) belongs above q(z)", lambda a, p, q: _log_mean(a - p + q)),
    (
        "this is the mean of the logarithms, too low on average: take the logarithm of the mean",
        lambda a, p, q: (a + p - q).mean(1),
    ),
    ("this is p(x): its logarithm is asked for", lambda a, p, q: (a + p - q).exp().mean(1)),
    (
        "the sum is divided by the number of images: divide by k, the number of draws",
        lambda a, p, q: torch.logsumexp(a + p - q, 1) - math.log(len(a)),
    ),
    (
        "the weights are summed: p(x) is their mean",
        lambda a, p, q: torch.logsumexp(a + p - q, 1),
    ),
)

EFFECTIVE = (
    (
        "this is a share of the draws: the effective number is between 1 and k",
        lambda *args: _effective(*args) / 7,
    ),
    (
        "the weights must sum to 1 before they are squared",
        lambda a, p, q: 1 / (a + p - q).exp().square().sum(1),
    ),
    (
        "this is the sum of squares: the effective number is one over it",
        lambda *args: 1 / _effective(*args),
    ),
    (
        "the shares sum to 1 over the images: they must over the draws of an image",
        lambda a, p, q: 1 / (a + p - q).softmax(0).square().sum(1),
    ),
    (
        "these are the shares of p(x given z) alone: a draw from q counts with its whole weight",
        lambda a, p, q: _effective(a, 0 * a, 0 * a),
    ),
)

TOO_FAINT = "e^-2000 is stored as 0, and its logarithm is infinite: use torch.logsumexp"

LOST_SHARES = (
    "the estimate holds, but the effective number is not the one of the same weights without the "
    "factor e^-2000: w.exp() is stored as 0, torch.softmax divides before it takes exponentials"
)


def _with_the_shares(one):
    """The check `one`; and a factor on all weights must leave the effective number as it is."""

    def run(ask, generator):
        one.run(ask, generator)
        log_px_z, *others = _log_densities(generator)
        loud, faint = (
            entry(ask(log_px_z - less, *others).value, part=1, of=2) for less in (0, 2000)
        )
        if not same(faint, loud, rtol=5e-3):
            raise Wrong(LOST_SHARES)

    return replace(one, run=run)


PROPOSAL = Question(
    "ex-01-proposal",
    "weigh_draws",
    minutes=25,
    checks=(
        part_values("the estimate of log p(x)", _log_densities, _estimate, ESTIMATE, part=0, of=2),
        part_values(
            "the effective number of draws", _log_densities, _effective, EFFECTIVE, part=1, of=2
        ),
        _with_the_shares(
            part_values(
                "log-densities of -2,000 nats",
                _faint,
                _estimate,
                part=0,
                of=2,
                broken=TOO_FAINT,
                rtol=5e-3,
            )
        ),
    ),
)
