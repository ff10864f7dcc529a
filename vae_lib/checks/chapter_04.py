"""Checks of chapter 4, why this loss."""

import math

import torch
from torch.distributions import Laplace

from .chapter_04_levels import HOLE, REPORT
from .chapter_04_losses import DECODE
from .engine import Check, Question, Wrong, describe, same, untouched, values
from .parts import part, split


def _images(generator):
    """Nine images of six pixels, skewed, so that means and medians differ."""
    return (torch.rand((9, 6), generator=generator) ** 3,)


def _laplace_nats(x, m):
    scale = (x - m).abs().mean()
    return -Laplace(m, scale).log_prob(x).sum(1).mean()


_LAPLACE_MISTAKES = (
    (
        "one b serves all images: average the absolute errors first, then take the logarithm",
        lambda x, m: (x.shape[1] * ((2 * (x - m).abs().mean(1)).log() + 1)).mean(),
    ),
    (
        "every pixel has a b of its own here; one b is shared by all of them",
        lambda x, m: ((2 * (x - m).abs().mean(0)).log() + 1).sum(),
    ),
    (
        "this is the mean over the pixels; the nats of an image are their sum",
        lambda x, m: _laplace_nats(x, m) / x.shape[1],
    ),
    (
        "this is the sum over the images; nats per image are asked for",
        lambda x, m: _laplace_nats(x, m) * len(x),
    ),
    (
        "the term of the errors is missing: at the best b it is 1 for every pixel, not 0",
        lambda x, m: _laplace_nats(x, m) - x.shape[1],
    ),
    (
        "these are the absolute errors alone: the scale b and its log(2 b) are part of the cost",
        lambda x, m: (x - m).abs().sum(1).mean(),
    ),
    (
        "this is the cost of the best Gaussian, D/2 log(2 pi e MSE)",
        lambda x, m: x.shape[1] / 2 * (2 * math.pi * math.e * (x - m).square().mean()).log(),
    ),
)


def _cost_at_its_own_m(ask, generator):
    """The nats at the m that the answer gives, so that a wrong m costs its own point only."""
    got, inputs = [], []
    for _ in range(2):
        (x,) = _images(generator)
        reply = ask(x)
        untouched(reply)
        m, nats = split(reply.value, 2)
        if not isinstance(m, torch.Tensor) or m.shape != x.shape[1:]:
            raise Wrong("first mend m: a tensor (D,). (x.median(0) gives the indices, too.)")
        inputs.append((x, m.to(x)))
        got.append(nats)
    wanted = [_laplace_nats(*args) for args in inputs]
    if all(map(same, got, wanted)):
        return
    for hint, formula in _LAPLACE_MISTAKES:
        if all(map(same, got, [formula(*args) for args in inputs])):
            raise Wrong(hint)
    raise Wrong(describe(got, wanted))


ABSOLUTE = Question(
    "ex-04-laplace",
    "laplace_fit",
    minutes=20,
    checks=(
        part(
            0,
            2,
            values(
                "the best image m",
                _images,
                lambda x: x.sort(0).values[len(x) // 2],
                mistakes=(
                    (
                        "the mean is best for squared errors, not absolute ones",
                        lambda x: x.mean(0),
                    ),
                    (
                        "this is one number for all pixels; every pixel has its own m",
                        lambda x: x.median().expand(x.shape[1]),
                    ),
                    (
                        "this lies half way between the smallest and the largest value",
                        lambda x: (x.amin(0) + x.amax(0)) / 2,
                    ),
                ),
            ),
        ),
        Check("its cost at the best b", _cost_at_its_own_m),
    ),
)

QUESTIONS = (ABSOLUTE, DECODE, HOLE, REPORT)
