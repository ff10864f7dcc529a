"""Checks of chapter 13, how good is the bound?"""

import math
from functools import partial

import torch

from .chapter_13_proposals import DEFENSIVE, LEAST_SCALE
from .engine import Check, Question, Wrong, describe, same, untouched, values

LEVELS = (-500.0, -1000.0, -1500.0, -2000.0)  # nats, of images that differ in kind


def _log_weights(generator, objective):
    return -2 + 2 * torch.randn(5, 3, generator=generator), objective


def _of_an_image(ask, generator):
    """Log-weights of -500 to -2,000 nats, so that no number suits all images.

    An answer that normalises along the wrong dimension fails the other check, not this one.
    """
    log_w = torch.tensor(LEVELS) + 2 * torch.randn(5, 4, generator=generator)
    reply = ask(log_w, "iwae")
    untouched(reply)
    right, other = (torch.softmax(log_w.double(), dim) for dim in (0, 1))
    if not any(same(reply.value, shares, rtol=1e-3) for shares in (right, other)):
        raise Wrong(describe([reply.value], [right]))


def _voices(log_w, objective):
    w = torch.exp(log_w.double() - log_w.max(0).values)
    shares = w / w.sum(0)
    return {"vae": torch.full_like(w, 1 / len(w)), "iwae": shares, "dreg": shares.square()}[
        objective
    ]


SHARES = (
    ("the shares of one image add up to 1 over its draws, not over the images",
     lambda log_w, objective: torch.softmax(log_w, 1)),
    ("these are the weights, not their shares", lambda log_w, objective: log_w.exp()),
    ("these are the log-weights over their sum: shares are made of the weights",
     lambda log_w, objective: log_w / log_w.sum(0)),
)  # fmt: skip

SQUARES = (
    ("one factor is missing: the score terms have taken away v (1 - v)",
     lambda log_w, objective: _voices(log_w, "iwae")),
    ("this is v (1 - v), what the score terms take away: what is left of v?",
     lambda log_w, objective: _voices(log_w, "iwae") * (1 - _voices(log_w, "iwae"))),
    ("the squares are not made to add up to 1: a loud draw makes the gradient larger",
     lambda log_w, objective: torch.softmax(2 * log_w, 0)),
)  # fmt: skip

EQUAL = (
    ("a mean of k logarithms: each has the factor 1 / k", lambda log_w, _: torch.ones_like(log_w)),
    ("the mean is over the draws, not over the images",
     lambda log_w, _: torch.full_like(log_w, 1 / log_w.shape[1])),
    ("these are the shares of IWAE: the mean of the logarithms hears all draws alike",
     lambda log_w, _: torch.softmax(log_w, 0)),
)  # fmt: skip


def _gaps(generator):
    """Bounds of four images whose gaps are exactly c / k and c / m; the truth is what remains."""
    log_px = -100 + 30 * torch.randn(4, generator=generator)
    c = 3 + 6 * torch.rand(4, generator=generator)
    k = torch.randint(3, 7, (), generator=generator).item()
    m = 3 * k + 1
    return log_px - c / k, log_px - c / m, k, m


def _truth(lower, higher, k, m):
    """Two equations, L = log p(x) - c / k and the same for m, solved for log p(x) and c."""
    system = torch.tensor([[1.0, -1 / k], [1.0, -1 / m]]).double()
    return torch.linalg.solve(system, torch.stack([lower, higher]).double())[0]


FOLD = (
    ("that is right for m = 2k only", lambda low, high, k, m: 2 * high - low),
    ("this is the higher bound itself: c / m is still in it", lambda low, high, k, m: high),
    ("the two are swapped: the bound of more weights has the larger factor",
     lambda low, high, k, m: (m * low - k * high) / (m - k)),
    ("a weighted mean lies between two bounds: the truth is above both",
     lambda low, high, k, m: (k * low + m * high) / (k + m)),
    ("a mean lies between two bounds: the truth is above both",
     lambda low, high, k, m: (low + high) / 2),
    ("this is the gain from k to m, without the bound to which it is added",
     lambda low, high, k, m: high - low),
    ("the whole gain from k to m is not what is missing beyond m: solve for c",
     lambda low, high, k, m: high + (high - low) / 2),
)  # fmt: skip

TIGHT = dict(rtol=1e-6, atol=2e-3)  # the bounds are large, and a wrong one is a tenth off
LOOSE = dict(rtol=1e-6, atol=5.0)  # whether it is finite; a missing log n fails the other check


def _likelihoods(generator, level):
    return (torch.tensor(level) + 3 * torch.randn(6, 4, generator=generator),)


def _harmonic(log_px_z):
    a = -log_px_z.double()
    top = a.max(0).values
    return -(top + (a - top).exp().mean(0).log())


HARMONIC = (
    ("this is the mean of the likelihoods: the chain back weighs by 1 / p(x given z)",
     lambda a: torch.logsumexp(a, 0) - math.log(len(a))),
    ("this estimates -log p(x): the mean of the weights is 1 / p(x)", lambda a: -_harmonic(a)),
    ("log n is missing: the weights are averaged, not added",
     lambda a: -torch.logsumexp(-a, 0)),
    ("log n has the wrong sign", lambda a: -torch.logsumexp(-a, 0) - math.log(len(a))),
    ("this averages over the images: the draws are along the first dimension",
     lambda a: math.log(a.shape[1]) - torch.logsumexp(-a, 1)),
    ("this is the mean of the logarithms: the weights are averaged first", lambda a: a.mean(0)),
)  # fmt: skip


def _voice(title, objective, mistakes):
    return values(title, partial(_log_weights, objective=objective), _voices, mistakes)


QUESTIONS = (
    Question(
        "ex-13-average",
        "voices",
        minutes=20,
        checks=(
            _voice("VAE with k", "vae", EQUAL),
            _voice("IWAE", "iwae", SHARES),
            _voice("DReG, for the encoder", "dreg", SQUARES),
            Check("log-weights of an image", _of_an_image),
        ),
    ),
    Question("ex-13-width", "least_scale", minutes=25, checks=LEAST_SCALE),
    Question("ex-13-defensive", "log_defensive", minutes=15, checks=DEFENSIVE),
    Question(
        "ex-13-jackknife",
        "without_c",
        minutes=15,
        checks=(values("two counts of weights", _gaps, _truth, FOLD, points=2, **TIGHT),),
    ),
    Question(
        "ex-13-harmonic",
        "harmonic_evidence",
        minutes=15,
        checks=(
            values("the harmonic mean", partial(_likelihoods, level=-3.0), _harmonic, HARMONIC),
            values(
                "likelihoods of an image", partial(_likelihoods, level=LEVELS), _harmonic, **LOOSE
            ),
        ),
    ),
)
