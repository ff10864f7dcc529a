"""Checks of chapter 3 on a test that the student writes: it must accept and reject."""

import torch

from .calling import Made
from .engine import Check, Question, Wrong, shape_of

RIGHT = ("right", "right, by torch")
TOO_STRICT = (
    "it rejects a right implementation: compare per image, with the sum over the latents, and "
    "allow for rounding"
)

REDUCTIONS = {
    "mean over latents": "it accepts a mean over the latents: try several latents, away from the "
    "prior",
    "sum over the batch": "it accepts a sum over the batch: try several different images, and "
    "compare each",
    "half forgotten": "it accepts twice the KL: compare values away from the prior, where they "
    "are not 0",
}
SPREADS = {
    "sigma read as logvar": "it accepts sigma read as logvar: compare values, at several widths",
    "sigma read as variance": "it accepts sigma read as a variance: compare values, at widths "
    "other than 1",
    "log sigma for log sigma^2": "it accepts log sigma in the place of log sigma^2: compare "
    "values, at widths other than 1",
    "wrong direction": "it accepts KL(prior || q): compare values, at widths other than 1",
}
PLACES = {
    "bracket closed early": "it accepts a bracket that closes too early, though its value at the "
    "prior is not even 0",
    "mean forgotten": "it accepts a KL without its mean: compare values, with means other than 0",
    "mean not squared": "it accepts mu in the place of mu^2: compare values, with means other "
    "than 0 and 1",
    "size of the mean": "it accepts |mu| in the place of mu^2: compare values, with means other "
    "than 0, 1 and -1",
}


def _accepts(ask, name):
    try:
        value = ask(Made("kl_variant", (name,))).value
    except Wrong as wrong:
        if "AssertionError" in str(wrong):
            raise Wrong("it asserts: return False for a wrong implementation instead") from wrong
        raise
    if isinstance(value, torch.Tensor) and value.ndim:
        raise Wrong(f"it returns {shape_of(value)}: one True or False is expected, for all images")
    if isinstance(value, torch.Tensor):
        value = value.item()
    if not isinstance(value, (bool, int, float)) or value not in (True, False):
        raise Wrong(f"it returns {value!r:.40}: True or False is expected")
    return bool(value)


def _catches(title, bugs):
    """The check that the right ones are accepted and each of the bugs {name: hint} is not."""

    def run(ask, generator):
        if not all(_accepts(ask, name) for name in RIGHT):
            raise Wrong(TOO_STRICT)
        for name, hint in bugs.items():
            if _accepts(ask, name):
                raise Wrong(hint)

    return Check(title, run)


JUDGE = Question(
    "ex-03-judge",
    "is_right",
    minutes=20,
    checks=(
        _catches("catches wrong sums and factors", REDUCTIONS),
        _catches("catches a spread that is misread", SPREADS),
        _catches("catches a mean that is mistreated", PLACES),
    ),
)
