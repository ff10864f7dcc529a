"""Checks of chapter 3 on an estimate of the KL that is never negative."""

import math
from dataclasses import replace

import torch

from .engine import Question, Wrong, values
from .part_values import part_values


def _log_densities(generator):
    log_q, log_p = torch.randn(2, 20, generator=generator)
    return log_q - 1, log_p - 1


def _nearly_equal(generator):
    """Two log-densities whose difference squared is about as small as rounding errors.

    They are close to 0 themselves: so their difference is no multiple of the spacing around 1,
    for which exp(log t) - 1 would be exact.
    """
    root = math.sqrt(torch.finfo(torch.get_default_dtype()).eps)
    log_q = -0.05 * torch.rand(60, generator=generator)
    sign = torch.randint(2, (60,), generator=generator) * 2 - 1
    return log_q, log_q + sign * root * (0.5 + torch.rand(60, generator=generator))


def _calm(log_q, log_p):
    """By the series of exp where t is near 1, which loses no digits."""
    d = (log_p - log_q).double()
    series = sum(d**n / math.factorial(n) for n in range(2, 6))
    return torch.where(d.abs() < 1e-3, series, d.exp() - 1 - d)


CALM_SLIPS = (
    (
        "this is -log t, right on average, but single draws are negative: t - 1 is missing",
        lambda log_q, log_p: log_q - log_p,
    ),
    ("log t has the wrong sign", lambda log_q, log_p: _calm(log_q, log_p) + 2 * (log_p - log_q)),
    (
        "this is the size of log t: never negative, but too large on average",
        lambda log_q, log_p: (log_p - log_q).abs(),
    ),
    ("t is p/q, and here it is q/p", lambda log_q, log_p: _calm(log_p, log_q)),
    (
        "this is half the square of log t: never negative, but biased",
        lambda log_q, log_p: (log_p - log_q) ** 2 / 2,
    ),
    (
        "this is t - 1, whose mean is 0: log t is missing",
        lambda log_q, log_p: (log_p - log_q).exp() - 1,
    ),
    (
        "the 1 is missing: t - log t is at least 1, not at least 0",
        lambda log_q, log_p: _calm(log_q, log_p) + 1,
    ),
)

ROUNDED = (
    "t - 1 is a difference of nearly equal numbers, and rounding makes single draws negative: "
    "torch.expm1 keeps its digits"
)
CLAMPED = (
    "no value is negative, but the rounding error is still there, clamped or without its sign: "
    "torch.expm1 keeps the digits"
)


def _or_rounded(one):
    """The check `one`, with a hint for answers that are off by rounding errors alone."""

    def run(ask, generator):
        off, negative = [], []

        def asked(*args, **how):
            reply = ask(*args, **how)
            right = _calm(*args)
            if isinstance(reply.value, torch.Tensor) and reply.value.shape == right.shape:
                error = (reply.value.double() - right).abs().max()
                negative.append(bool((reply.value < 0).any()))
                off.append(error < 8 * torch.finfo(args[0].dtype).eps and bool(reply.value.any()))
            return reply

        try:
            one.run(asked, generator)
        except Wrong as wrong:
            if off and all(off):
                raise Wrong(ROUNDED if any(negative) else CLAMPED) from wrong
            raise

    return replace(one, run=run)


GIBBS = Question(
    "ex-03-gibbs",
    "calm_estimate",
    minutes=20,
    checks=(
        part_values(
            "twenty draws",
            _log_densities,
            _calm,
            CALM_SLIPS,
            points=2,
            broken="log_p and log_q are logarithms already: log t is their difference",
        ),
        _or_rounded(
            values("where q and p nearly agree", _nearly_equal, _calm, rtol=0.02, atol=0.0)
        ),
    ),
)
