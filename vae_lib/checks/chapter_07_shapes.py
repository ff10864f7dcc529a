"""Checks of the shapes in a convolutional encoder and its mirror (chapter 7)."""

import math

import torch
import torch.nn.functional as F

from .engine import values


def _integer(generator, low, high):
    return int(torch.randint(low, high, (), generator=generator))


def _comes_back(generator):
    height = 4 * _integer(generator, 2, 5)
    width = height + 4 * _integer(generator, 1, 4)
    shape = (_integer(generator, 1, 4), height, width)
    return shape, (_integer(generator, 5, 9), _integer(generator, 10, 16)), 4


def _rounds(generator):
    side = 4 * _integer(generator, 3, 8) + 1
    shape = (_integer(generator, 1, 4), side, side)
    return (
        shape,
        (_integer(generator, 5, 9), _integer(generator, 10, 16)),
        _integer(generator, 5, 7),
    )


def _shapes(image_shape, channels, k):
    c, (c1, c2) = image_shape[0], channels
    h, found = torch.zeros(image_shape), []
    for layer, c_in, c_out in ((F.conv2d, c, c1), (F.conv2d, c1, c2)):
        h = layer(h, torch.zeros(c_out, c_in, k, k), stride=2, padding=1)
        found.append(tuple(h.shape))
    for c_in, c_out in ((c2, c1), (c1, c)):
        h = F.conv_transpose2d(h, torch.zeros(c_in, c_out, k, k), stride=2, padding=1)
        found.append(tuple(h.shape))
    return tuple(found)


def _down(side, k):
    return (side + 2 - k) // 2 + 1


def _up(side, k):
    return 2 * (side - 1) - 2 + k


def _by_side(down=_down, up=_up):
    """The shapes, if sides went by these two maps (side, kernel) -> side."""

    def shapes(image_shape, channels, k):
        (c, *sides), (c1, c2) = image_shape, channels
        found = []
        for step, width in ((down, c1), (down, c2), (up, c1), (up, c)):
            sides = [step(side, k) for side in sides]
            found.append((width, *sides))
        return tuple(found)

    return shapes


def _late(image_shape, channels, k):
    one, two, three, four = _shapes(image_shape, channels, k)
    return one, two, (channels[1], *three[1:]), (channels[0], *four[1:])


def _mirrored(image_shape, channels, k):
    one, two, _, _ = _shapes(image_shape, channels, k)
    return one, two, one, tuple(image_shape)


def _batched(*args):
    return tuple((1, *shape) for shape in _shapes(*args))


_no_first = _by_side(lambda side, k: (side + 2 - k) // 2)
_no_last = _by_side(up=lambda side, k: 2 * side - 2 + k)
_unpadded = _by_side(lambda side, k: (side - k) // 2 + 1, lambda side, k: 2 * (side - 1) + k)
_padded_once = _by_side(lambda side, k: (side + 1 - k) // 2 + 1, lambda n, k: 2 * (n - 1) - 1 + k)
_fraction = _by_side(lambda side, k: (side + 2 - k) / 2 + 1)
_rounded_up = _by_side(lambda side, k: math.ceil((side + 2 - k) / 2) + 1)
_halved = _by_side(lambda side, k: side // 2, lambda side, k: 2 * side)


LATE = "the channels of the way back lag by one layer: it ends with those of x"

COLOUR = (
    values(
        "sides that come back",
        _comes_back,
        _shapes,
        mistakes=(
            (
                "height and width are swapped",
                lambda *a: tuple((c, w, h) for c, h, w in _shapes(*a)),
            ),
            (LATE, _late),
            ("one window is missing: count one more than the steps between them", _no_first),
            ("n patches on the way back have n - 1 steps between them", _no_last),
            ("the padding is forgotten", _unpadded),
            ("the padding counts at both sides", _padded_once),
            ("every shape has a batch dimension: those of one image are asked for", _batched),
        ),
    ),
    values(
        "sides that do not come back",
        _rounds,
        _shapes,
        mistakes=(
            ("what the encoder rounded down does not come back by itself", _mirrored),
            (LATE, _late),
            ("a side is a whole number: half a window is none", _fraction),
            ("a window that does not fit is left out: round down, not up", _rounded_up),
            ("sides are halved and doubled whatever the kernel; the kernel counts", _halved),
        ),
    ),
)
