"""Checks of chapter 4: the log-probability of stored images, from densities of their pixels."""

import math

import torch
from torch.distributions import Normal

from .chapter_04_losses import choice
from .engine import Question, values

BITS = math.log(2)


def _levels(generator):
    """Seven images of five pixels, each pixel with a few levels of its own.

    All levels are small: E[x^2] - E[x]^2 is a right variance, and keeps its digits there.
    """
    base = torch.randint(0, 20, (1, 5), generator=generator)
    around = torch.randint(0, 5, (7, 5), generator=generator)
    around[0], around[1] = 0, torch.arange(3, 8)  # no pixel is constant, no two vary alike
    return ((base + around).to(torch.get_default_dtype()),)


def _constant(generator):
    pixels = 3 + int(torch.randint(6, (), generator=generator))
    return (torch.randint(0, 256, (1, pixels), generator=generator).repeat(7, 1) * 1.0,)


def _ceiling(levels):
    """By quadrature over u: two points are exact for a square."""
    u = torch.tensor([0.5 - 12**-0.5, 0.5 + 12**-0.5], dtype=torch.float64)
    y = (levels.double()[None] + u[:, None, None]) / 256
    flat = y.flatten(0, 1)
    log_p = Normal(flat.mean(0), flat.std(0, correction=0)).log_prob(y)
    return log_p.mean((0, 1)).sum() - levels.shape[1] * math.log(256)


def _by_variance(variance):
    """The formula of a mistake, from the variance it gives each pixel, in levels."""
    return lambda x: -0.5 * (2 * math.pi * math.e * variance(x)).log().sum()


def _spread(x):
    return x.var(0, correction=0)


_MIXED = (
    "two units are mixed: 1/12 is in levels squared, a variance on [0, 1] is 256^2 times smaller",
    lambda x: _by_variance(lambda x: _spread(x) / 256**2 + 1 / 12)(x) - x.shape[1] * math.log(256),
)


HOLE = Question(
    "ex-04-hole",
    "ceiling_nats",
    minutes=25,
    checks=(
        values(
            "pixels that vary",
            _levels,
            _ceiling,
            mistakes=(
                _MIXED,
                (
                    "u adds 1/12 of a level squared to every variance: here it is missing, or in "
                    "another unit than the levels",
                    _by_variance(_spread),
                ),
                (
                    "in units of a level a bin has width 1: D ln 256 is subtracted once too often",
                    lambda x: _ceiling(x) - x.shape[1] * math.log(256),
                ),
                (
                    "one s for all pixels: each pixel has its own",
                    _by_variance(lambda x: (_spread(x) + 1 / 12).mean().expand(x.shape[1])),
                ),
                (
                    "this is a log density on [0, 1]: the bins of width 1/256 are left out",
                    lambda x: _ceiling(x) + x.shape[1] * math.log(256),
                ),
                (
                    "the best variance divides by N, not by N - 1",
                    _by_variance(lambda x: x.var(0) + 1 / 12),
                ),
                (
                    "at the best s the squared error costs another half for every pixel",
                    lambda x: _ceiling(x) + x.shape[1] / 2,
                ),
                (
                    "this is the mean over the pixels; the nats of an image are their sum",
                    lambda x: _ceiling(x) / x.shape[1],
                ),
            ),
        ),
        values(
            "pixels that never change",
            _constant,
            _ceiling,
            mistakes=(
                (
                    "two units are mixed: 1/12 is in levels squared, where a bin has width 1, and "
                    "D ln 256 belongs to densities on [0, 1]",
                    _MIXED[1],
                ),
                (
                    "without the noise a constant pixel has s = 0 and an infinite density",
                    _by_variance(_spread),
                ),
                (
                    "constant pixels are left out: they have a mass too, and it is below 1",
                    lambda x: torch.zeros(()),
                ),
                (
                    "every pixel has ln 256 too much: the bins of width 1/256 are left out, or u "
                    "is in another unit than the levels",
                    lambda x: _ceiling(x) + x.shape[1] * math.log(256),
                ),
            ),
        ),
    ),
)


def _report(generator):
    pixels = choice(generator, 196, 784, 3072)
    top = choice(generator, 2.5, 3.1, 50.0)  # not 1, where 8 bits would be right
    density = 3 * torch.rand((), generator=generator).item() - 1.5  # nats per pixel
    return density * pixels + 0.1, pixels, top


def _by_bins(log_p, D, top):
    """The mass of the bins, then the bits."""
    return -(log_p / D + math.log(top / 256)) / BITS


REPORT = Question(
    "ex-04-bits",
    "stored_bits",
    minutes=15,
    checks=(
        values(
            "bits per dimension",
            _report,
            _by_bins,
            points=2,
            rounds=4,
            mistakes=(
                (
                    "this takes a density for a mass: a mass is density times the width of a bin",
                    lambda log_p, D, top: -log_p / (D * BITS),
                ),
                (
                    "8 bits are right between 0 and 1 alone: what is the width of a bin here?",
                    lambda log_p, D, top: 8 - log_p / (D * BITS),
                ),
                (
                    "the width of a bin has the wrong sign: a narrow bin has less mass",
                    lambda log_p, D, top: -(log_p / D - math.log(top / 256)) / BITS,
                ),
                (
                    "one bin for the whole image: every pixel has a bin of its own",
                    lambda log_p, D, top: -(log_p + math.log(top / 256)) / (D * BITS),
                ),
                (
                    "this is in nats: divide by ln 2",
                    lambda log_p, D, top: -(log_p / D + math.log(top / 256)),
                ),
                (
                    "these are the bits of the whole image: divide by D",
                    lambda log_p, D, top: -(log_p + D * math.log(top / 256)) / BITS,
                ),
                (
                    "256 levels make bins of width top / 256, not top / 255",
                    lambda log_p, D, top: -(log_p / D + math.log(top / 255)) / BITS,
                ),
            ),
        ),
    ),
)
