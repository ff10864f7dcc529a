"""Checks of problem set B on differences: of the same images, with two errors."""

import itertools

import torch

from .engine import Question, values
from .parts import part


def _runs(generator):
    """log p(x) of the same images under runs of two models, (S, B) each: some images are hard
    for every run, and some seeds are lucky for both models."""
    S, B = 3 + int(torch.randint(2, (), generator=generator)), 7
    base = -100 + 10 * torch.randn(B, generator=generator)
    base = base + 3 * torch.randn(S, 1, generator=generator)
    return tuple(
        base + torch.randn(S, 1, generator=generator) + torch.randn(S, B, generator=generator)
        for _ in range(2)
    )


def _ahead_and_behind():
    """A draw of runs in which the first model is ahead and behind in turn."""
    turn = itertools.cycle((True, False))

    def draw(generator):
        a, b = _runs(generator)
        return (a, b) if ((a - b).mean() > 0) == next(turn) else (b, a)

    return draw


def _error(rows, correction=1):
    return rows.std(correction=correction) / len(rows) ** 0.5


def _gap(a, b):
    return (a - b).mean()


def _paired(axis):
    return lambda a, b: _error((a - b).mean(axis))


def _slips(axis, apart, of):
    """Wrong errors of the mean over `of`, where the mean over `axis` is taken first."""
    other = 1 - axis
    return (
        (apart, lambda a, b: (_error(a.mean(axis)) ** 2 + _error(b.mean(axis)) ** 2).sqrt()),
        (
            f"this is the spread of the differences: the error of their mean over the {of} is "
            "smaller",
            lambda a, b: (a - b).mean(axis).std(),
        ),
        (
            f"the {of} are a sample: divide by one less than their number in the variance",
            lambda a, b: _error((a - b).mean(axis), correction=0),
        ),
        (
            "runs times images are no independent numbers: average over the one, then spread over "
            "the other",
            lambda a, b: _error((a - b).flatten()),
        ),
        (
            "the errors are averaged: average the differences first, then take one error",
            lambda a, b: ((a - b).std(other) / a.shape[other] ** 0.5).mean(),
        ),
        (
            "that is the other error: this one spreads over the " + of,
            _paired(other),
        ),
    )


PAIRED = Question(
    "set-b-paired",
    "paired",
    minutes=30,
    checks=(
        part(
            0,
            3,
            values(
                "the difference",
                _ahead_and_behind(),
                _gap,
                mistakes=(
                    ("the sign tells who is ahead: keep it", lambda a, b: _gap(a, b).abs()),
                    (
                        "this adds up the images: take their mean",
                        lambda a, b: (a - b).sum(1).mean(),
                    ),
                    ("this is the best run against the best: take the mean over the runs",
                     lambda a, b: a.mean(1).max() - b.mean(1).max()),
                    ("this is the first run alone", lambda a, b: (a - b)[0].mean()),
                ),
                points=2,
                atol=1e-4,
            ),
        ),
        part(
            1,
            3,
            values(
                "its error over the images",
                _runs,
                _paired(0),
                _slips(0, "the two models see the same images: take differences first", "images"),
                points=3,
                rtol=1e-3,
            ),
        ),
        part(
            2,
            3,
            values(
                "its error over the runs",
                _runs,
                _paired(1),
                _slips(1, "the two models share their seeds: take differences first", "runs"),
                points=3,
                rtol=1e-3,
            ),
        ),
    ),
)  # fmt: skip
