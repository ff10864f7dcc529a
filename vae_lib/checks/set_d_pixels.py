"""Checks of pixels that the likelihood does not expect, for problem set D."""

import math

import torch
import torch.nn.functional as F

from .engine import Question, values
from .set_d_losses import MEND, coins, cost, normal, prediction

# -- pixels outside [0, 1] ------------------------------------------------------------------------


def _standardised(generator):
    return (normal(generator, 12, scale=2.0),)


def _by_limit(x):
    """The slope towards both ends, at logits so large that the bend no longer counts."""
    far = torch.tensor([-1e6, 1e6], dtype=torch.float64)
    each = F.softplus(far) - x.double()[:, None] * far
    return (-each / 1e6).amax(1).clamp(min=0).to(x.dtype)


SLOPE = prediction(
    "set-d-slope",
    "fall_per_logit",
    "twelve pixels inside and outside",
    _standardised,
    _by_limit,
    (
        (
            "pixels between 0 and 1 are safe: there nothing falls without limit, so return 0",
            lambda x: torch.maximum(x - 1, -x),
        ),
        (
            "pixels below 0 fall too, towards logits of minus infinity",
            lambda x: (x - 1).clamp(min=0),
        ),
        ("pixels above 1 fall too, towards logits of plus infinity", lambda x: (-x).clamp(min=0)),
        ("a pixel is safe up to 1, not up to 0: only what exceeds 1 counts", lambda x: x.abs()),
    ),
)


def _scaled(generator):
    x = 2 * torch.rand((4, 9), generator=generator) - 1
    return x, normal(generator, 4, 9, scale=2.0)


def _grey(change, reduce=torch.sum):
    def formula(x, logits):
        return reduce(change(x) * logits - F.softplus(logits), 1)

    return formula


PIXELS = Question(
    "set-d-pixels",
    "mended_log_prob",
    MEND,
    (
        values(
            "four images between -1 and 1",
            _scaled,
            lambda x, v: (
                -F.binary_cross_entropy_with_logits(v, 0.5 + x / 2, reduction="none").sum(1)
            ),
            mistakes=(
                ("this is still the broken one: x reaches down to -1", _grey(lambda x: x)),
                (
                    "clamping makes all dark pixels one black: undo the standardisation instead",
                    _grey(lambda x: x.clamp(0, 1)),
                ),
                ("a sigmoid is not what was done to the pixels: undo that", _grey(torch.sigmoid)),
                ("the pixels are shifted but not scaled back", _grey(lambda x: x + 1)),
                ("the absolute value folds black onto white", _grey(torch.abs)),
                (
                    "this is the mean over the pixels; sum them",
                    _grey(lambda x: (x + 1) / 2, torch.mean),
                ),
            ),
            points=4,
        ),
    ),
)


# -- the sigmoid twice ----------------------------------------------------------------------------


def _images(generator):
    return (torch.rand((4, 12), generator=generator).pow(2).round(),)


def _floor_with(on, off):
    return lambda x: (x * on + (1 - x) * off).sum(1)


ON, OFF = math.log(1 + math.exp(-1)), math.log(2)

FLOOR = prediction(
    "set-d-floor",
    "least_cost",
    "four binary images",
    _images,
    _floor_with(ON, OFF),
    (
        (
            "on and off are swapped: the second sigmoid sees numbers from 0 to 1",
            _floor_with(OFF, ON),
        ),
        ("pixels that are on do better than a fair coin", _floor_with(OFF, OFF)),
        ("pixels that are off cannot do better than a fair coin", _floor_with(ON, ON)),
        ("pixels that are off are not free: their cost ends at a fair coin", _floor_with(ON, 0.0)),
        ("the second sigmoid reaches 0.731, not 1: an on pixel is not free", _floor_with(0.0, OFF)),
    ),
)


def _features(size):
    def draw(generator):
        h, weight = normal(generator, 4, 3, scale=size), normal(generator, 3, 7)
        return coins(generator, 4, 7), h, weight, normal(generator, 7)

    return draw


def _from_features(transform=lambda t: t, reduce=torch.sum):
    return lambda x, h, w, b: reduce(cost(x, transform(h @ w + b)), 1)


LOGITS = Question(
    "set-d-logits",
    "mended_cost",
    MEND,
    (
        values(
            "four images and their features",
            _features(1.0),
            _from_features(),
            mistakes=(
                (
                    "this is still the broken one: a sigmoid of a sigmoid",
                    _from_features(torch.sigmoid),
                ),
                ("this is the mean over the pixels; sum them", _from_features(reduce=torch.mean)),
                ("the bias is lost", lambda x, h, w, b: _from_features()(x, h, w, 0 * b)),
            ),
            points=3,
        ),
        values("features a hundred times as large", _features(100.0), _from_features()),
    ),
)
