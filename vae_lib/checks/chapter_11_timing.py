"""Checks of chapter 11 that need a pretend loss or a pretend machine."""

import torch

from .calling import Made
from .engine import Check, Wrong, same, values


def _epoch(sizes, watch=""):
    def draw(generator):
        weight = torch.rand(3, 1, generator=generator)
        batches = [1 + i + torch.rand(n, 3, generator=generator) for i, n in enumerate(sizes)]
        return Made("batch_loss", (weight, watch)), batches

    return draw


def _losses(made, batches):
    return torch.stack([(x @ made.args[0]).square().mean() for x in batches])


def _over_images(made, batches):
    return (torch.cat(batches) @ made.args[0]).square().mean()


UNEVEN = (
    ("this is the mean of the batches' means: the smaller batch counts too much",
     lambda made, batches: _losses(made, batches).mean()),
    ("this adds up the means of the batches and divides by nothing",
     lambda made, batches: _losses(made, batches).sum()),
    ("this is the loss of the last batch alone",
     lambda made, batches: _losses(made, batches)[-1]),
    ("divided by the number of batches: each loss was multiplied by its images before",
     lambda made, batches: _over_images(made, batches) * len(torch.cat(batches)) / len(batches)),
)  # fmt: skip


def _watched(title, watch):
    """The value is right, and `batch_loss` has not raised on what it watches."""
    draw = _epoch((4,) * 6, watch)

    def run(ask, generator):
        made, batches = draw(generator)
        value = ask(made, batches).value
        if watch == "reads" and isinstance(value, (int, float)):
            raise Wrong("it returns a number, so it has waited for the device: return the tensor")
        if not same(value, _over_images(made, batches)):
            raise Wrong("the mean is wrong already where all batches are of one size")

    return Check(title, run)


def _median(times):
    return sorted(times)[len(times) // 2]


def _mean(times):
    return sum(times) / len(times)


def _timer(machine, rounds, warm=True, turns=True, middle=_median):
    """The ratio as a careful timer finds it, or as one that leaves out one of the rules."""
    steps = (machine.before, machine.after)

    def timed(step):
        start = machine.clock()
        step()
        machine.wait()
        return machine.clock() - start

    _ = [timed(step) for step in steps if warm]
    if turns:
        times = zip(*[[timed(step) for step in steps] for _ in range(rounds)], strict=True)
    else:
        times = [[timed(step) for _ in range(rounds)] for step in steps]
    before, after = (middle(list(t)) for t in times)
    return before / after


def _mean_of_ratios(made, rounds):
    machine = made.build()
    return _mean([_timer(machine, 1, warm=r == 0) for r in range(rounds)])


def _without(**rule):
    """What a timer finds that breaks this rule."""
    return lambda made, rounds: _timer(made.build(), rounds, **rule)


def _ratio(made, rounds):
    return made.args[0] / made.args[1]


def _honest(title, vice, rounds, *mistakes):
    def draw(generator):
        after, factor = (1 + torch.rand(2, generator=generator)).tolist()
        return Made("machine", (after * 1.6 * factor, after, vice)), rounds

    upside_down = (
        "this is the new time over the old: above 1 should mean faster",
        lambda made, n: 1 / _ratio(made, n),
    )
    # in turns on a drifting machine the later step is slower by the drift of one call
    return values(title, draw, _ratio, (*mistakes, upside_down), rtol=0.04)


EPOCH_MEAN = (
    values("the mean over the images", _epoch((5, 5, 2)), _over_images, UNEVEN),
    _watched("no number is read on the way", "reads"),
    _watched("no graph is kept", "graphs"),
)

TIMES_AS_FAST = (
    _honest(
        "a queue",
        "queue",
        5,
        (
            "the clock is read when the work has been asked for, not when it is done: wait first",
            lambda made, n: 1.0,
        ),
    ),
    _honest(
        "a cold start",
        "cold",
        1,
        (
            "the first call also loads what the step needs: run both once before you time",
            _without(warm=False),
        ),
    ),
    _honest(
        "a machine that drifts",
        "drift",
        31,
        (
            "first all of one, then all of the other, and the drift is in between: take turns",
            _without(turns=False),
        ),
    ),
    _honest(
        "an interruption",
        "interruption",
        15,
        (
            "one interruption spoils a mean: take the median",
            _without(middle=_mean),
        ),
        (
            "one interruption spoils a mean, also of blocks: take the median",
            _without(turns=False, middle=_mean),
        ),
        ("one interruption spoils a mean of ratios: take a median", _mean_of_ratios),
    ),
)
