"""Checks of problem set B on the inputs: scaled by the training images alone."""

from dataclasses import replace

import torch

from .engine import Check, Question, Wrong
from .part_values import part_values
from .parts import split


def _counts(generator):
    size = torch.tensor([16, 9, 5, 12])
    train, test = ((torch.rand(n, 4, generator=generator) * (size + 1)).floor() for n in (9, 6))
    return train, 3 + test


def _with_dead_pixels(generator):
    train, test = _counts(generator)
    level = torch.randint(2, 9, (2,), generator=generator)
    train[:, :2], test[:, :2] = level, level + torch.tensor([3, 6])
    return train, test


def _scaled(by_mean=None, by_spread=None, tell=lambda train, test: train):
    """(x - mean) / spread of both parts, with mean and spread of `tell(train, test)`."""
    by_mean = by_mean or (lambda x: x.mean(0))
    by_spread = by_spread or (lambda x: x.std(0, correction=0))

    def scaled(x, train, test):
        seen = tell(train, test)
        return (x - by_mean(seen)) / by_spread(seen)

    return scaled


def _train(formula):
    return lambda train, test: formula(train, train, test)


def _test(formula):
    return lambda train, test: formula(test, train, test)


_right = _scaled()
_pooled = _scaled(tell=lambda train, test: torch.cat([train, test]))
_own = _scaled(tell=lambda train, test: test)
_one_for_all = _scaled(by_mean=torch.mean, by_spread=lambda x: x.std(correction=0))
_less_one = _scaled(by_spread=lambda x: x.std(0))
_variance = _scaled(by_spread=lambda x: x.var(0, correction=0))

LEAK = "the test images helped to set mean and spread: that is a leak, use the training images"
SHARED = (
    ("divide by the spread, a standard deviation; this is the variance", _variance),
    ("every pixel has a mean and a spread of its own", _one_for_all),
    ("the spread is that of these images: divide by N, not by N - 1", _less_one),
    ("the mean is not subtracted", _scaled(by_mean=lambda x: 0)),
    (LEAK, _pooled),
)


def _dead(ask, generator):
    """The pixels that are constant in the training images, of the test images alone."""

    def asked(*args, **options):
        reply = ask(*args, **options)
        value = split(reply.value, 2)[1]
        if not isinstance(value, torch.Tensor) or value.shape != args[1].shape:
            raise Wrong("the second value is the test images, in the shape they came in")
        return replace(reply, value=value[:, :2])

    _DEAD.run(asked, generator)


def _no_spread(change):
    return lambda train, test: change(test - train.mean(0))[:, :2]


_DEAD = part_values(
    "",
    _with_dead_pixels,
    _no_spread(lambda gap: gap),
    mistakes=(
        ("a pixel that never changed was set to 0: centre it, do not wipe it out", _no_spread(
            torch.zeros_like)),
        ("a pixel that never changed has a mean: subtract it", lambda train, test: test[:, :2]),
        *((f"{small} in place of a spread of 0 blows the pixel up: only centre it",
           _no_spread(lambda gap, small=small: gap / float(small)))
          for small in ("1e-5", "1e-6", "1e-7", "1e-8", "1e-10", "1e-12")),
    ),
    broken="a pixel that never changed has spread 0, and you divide by it",
)  # fmt: skip

INPUTS = Question(
    "set-b-inputs",
    "standardize",
    minutes=20,
    checks=(
        part_values(
            "the training images",
            _counts,
            _train(_right),
            tuple((hint, _train(formula)) for hint, formula in SHARED),
            part=0,
            of=2,
            points=2,
        ),
        part_values(
            "the test images",
            _counts,
            _test(_right),
            (
                *((hint, _test(formula)) for hint, formula in SHARED),
                (
                    "the test images have their own mean and spread here: one map for both parts",
                    _test(_own),
                ),
            ),
            part=1,
            of=2,
            points=2,
        ),
        Check("a pixel that never changed in training", _dead, points=2),
    ),
)
