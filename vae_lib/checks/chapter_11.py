"""Checks of chapter 11, training on a GPU, fast."""

import itertools

import torch

from .chapter_11_timing import EPOCH_MEAN, TIMES_AS_FAST
from .engine import Question, values
from .parts import part


def _saved(ms, factors):
    return ms * (1 - 1 / factors)


def _order(ms, factors, key=_saved):
    return key(ms, factors).argsort(descending=True)


def _in_turn(ms, factors):
    return ms.sum() / (ms.sum() - _saved(ms, factors)[_order(ms, factors)].cumsum(0))


def _singles(ms, factors):
    return (ms.sum() / (ms.sum() - _saved(ms, factors))).sort(descending=True).values


def _parts_in_order(generator):
    ms = (1 + 6 * torch.rand(5, generator=generator)).sort(descending=True).values
    factors = (1.5 + 8 * torch.rand(5, generator=generator)).sort(descending=True).values
    return ms, factors


def _parts_shuffled(generator):
    ms, factors = _parts_in_order(generator)
    rows = torch.randperm(5, generator=generator)
    return ms[rows], (1 + factors / ms.square())[rows]  # the widest can be improved least


STEP_BY_STEP = (
    ("the gains do not multiply: after one change the shares of the others have grown",
     lambda ms, f: _singles(ms, f).cumprod(0)),
    ("each gain is taken alone: the changes made before it stay in force", _singles),
    ("speed-ups do not add up, the milliseconds that are saved do",
     lambda ms, f: 1 + (_singles(ms, f) - 1).cumsum(0)),
    ("this is the share of the time that is left: the speed-up is one over it",
     lambda ms, f: 1 / _in_turn(ms, f)),
)  # fmt: skip

WRONG_ORDER = (
    ("sorted by the factors: a large factor on a short part saves little",
     lambda ms, f: _order(ms, f, key=lambda ms, f: f)),
    ("sorted by the milliseconds before the change: what counts is what it saves",
     lambda ms, f: _order(ms, f, key=lambda ms, f: ms)),
    ("the change that saves least stands first", lambda ms, f: _order(ms, f).flip(0)),
    ("this is the place of each part in the order: give the parts, best first",
     lambda ms, f: _order(ms, f).argsort()),
)  # fmt: skip


def _linear_net(generator):
    """Three linear layers, as convolutions of size 1 on one pixel."""
    n, m = torch.randint(3, 30, (2,), generator=generator).tolist()
    return ([(n, m, 1, 1, 1), (m, n + 1, 1, 1, 1), (n + 1, n + 2, 1, 1, 1)],)


def _conv_net(generator):
    """Down by two convolutions, linear layers, and up again."""
    c, d, e = torch.randint(2, 20, (3,), generator=generator).tolist()
    down, up = [(c, d, 4, 14, 7), (d, e, 5, 7, 3)], [(e, d, 5, 3, 7), (d, c + 1, 4, 7, 14)]
    return ([*down, *_linear_net(generator)[0], *up],)


def _products(layers, power=2, side=min):
    """Multiplications in the forward pass, layer by layer."""
    return [a * b * size**power * side(p, q) ** 2 for a, b, size, p, q in layers]


def _forward(layers, **wrong):
    return 2 * sum(_products(layers, **wrong))


def _backward(layers):
    return 2 * _forward(layers) - 2 * _products(layers)[0]


FORWARD = (
    ("a transposed convolution multiplies for each pixel of its input, not of its output",
     lambda net: _forward(net, side=lambda side_in, side_out: side_out)),
    ("a convolution multiplies for each pixel of its output, not of its input",
     lambda net: _forward(net, side=max)),
    ("a kernel has size times size entries for each pair of channels",
     lambda net: _forward(net, power=1)),
    ("a multiplication and an addition are two operations", lambda net: _forward(net) // 2),
)  # fmt: skip

BACKWARD = (
    ("nobody asks for the gradient of the image: the first layer has one product, not two",
     lambda net: 2 * _forward(net)),
    ("each layer but the first has two products on the way back, one for each gradient",
     lambda net: _forward(net)),
    ("it is the first layer that saves a product, not the last",
     lambda net: 2 * _forward(net) - 2 * _products(net)[-1]),
    ("the first layer saves one product of two: its weights still need a gradient",
     lambda net: 2 * _forward(net) - 4 * _products(net)[0]),
    ("a multiplication and an addition are two operations", lambda net: _backward(net) // 2),
)  # fmt: skip


def _small(generator):
    """A gradient of which float16 loses a part, and a scale at which it loses nearly none."""
    size = 2.0 ** -torch.randint(17, 38, (12,), generator=generator)
    # eleven bits, so that float16 rounds once at most, whichever way a mistake takes
    return size * (1 + torch.rand(12, generator=generator)).half(), 2.0**16


def _large_in_turn():
    """Gradients that float16 holds with and without the scale, every other one but for an entry."""
    turn = itertools.cycle((True, False))

    def draw(generator):
        gradient = 10 ** (-3.5 + 2 * torch.rand(12, generator=generator))
        if next(turn):
            gradient[3] = 2 + 6 * torch.rand((), generator=generator)
        return gradient, 2.0**16

    return draw


def _through(gradient, scale):
    scaled = (gradient * scale).half()
    if not scaled.isfinite().all():
        return torch.zeros_like(gradient), scale / 2
    return scaled.float() / scale, scale


def _entry_left_out(gradient, scale):
    finite = torch.nan_to_num((gradient * scale).half().float(), posinf=0, neginf=0)
    return finite / scale, _through(gradient, scale)[1]


SMALL = (
    ("float16 has lost what is below 3e-8: scale before the cast, divide after going back",
     lambda g, c: (g.half().float(), c)),
    ("the scale is still in the gradient", lambda g, c: ((g * c).half().float(), c)),
    ("it has not been through float16 at all", lambda g, c: (g, c)),
)  # fmt: skip

LARGE = (
    ("one infinity spoils the step: leave out all of it, not one entry", _entry_left_out),
    ("one infinity spoils the step: leave out all of it, and halve the scale",
     lambda g, c: (_entry_left_out(g, c)[0], c)),
    ("nothing overflows here: is the gradient ever in float16?", lambda g, c: (g, c)),
    ("the scale stays too large, and the next step overflows as well",
     lambda g, c: (_through(g, c)[0], c)),
    ("an infinity passes: test the numbers after the cast to float16",
     lambda g, c: ((g * c).half().float() / c, c)),
)  # fmt: skip

EXACT = dict(rounds=4, rtol=1e-5, atol=1e-14)

QUESTIONS = (
    Question(
        "ex-11-amdahl",
        "best_first",
        minutes=15,
        checks=(
            part(
                0,
                2,
                values("the best change first", _parts_shuffled, _order, WRONG_ORDER, rounds=6),
            ),
            part(1, 2, values("one after the other", _parts_in_order, _in_turn, STEP_BY_STEP)),
        ),
    ),
    Question(
        "ex-11-conv-flops",
        "step_flops",
        minutes=20,
        checks=(
            part(0, 2, values("forward", _conv_net, _forward, FORWARD)),
            part(1, 2, values("backward", _linear_net, _backward, BACKWARD)),
        ),
    ),
    Question("ex-11-sum", "epoch_mean", minutes=15, checks=EPOCH_MEAN),
    Question(
        "ex-11-scale",
        "through_float16",
        minutes=20,
        checks=(
            values("small gradients survive", _small, _through, SMALL, **EXACT),
            values("an overflow", _large_in_turn(), _through, LARGE, **EXACT),
        ),
    ),
    Question("ex-11-clock", "times_as_fast", minutes=25, checks=TIMES_AS_FAST),
)
