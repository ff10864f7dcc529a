"""Checks of chapter 4: which beta, or which noise, a loss in somebody's code stands for."""

import math

import torch

from .engine import Check, Question, values
from .parts import part


def choice(generator, *options):
    """One of the options, drawn."""
    return options[int(torch.randint(len(options), (), generator=generator))]


def _axes(generator):
    """What the two terms of three losses average over: no axis is in all of them, or in none."""
    uneven = choice(
        generator,
        (("batch", "pixels"), ("latents",)),
        (("pixels",), ("batch", "latents")),
    )
    return uneven, ((), ("batch", "latents")), (("batch", "pixels"), ("batch",))


def _written(generator, axes):
    """D, J, B, the axes that each term averages over, and the weight of the KL."""
    sizes = choice(generator, 196, 784, 3072), choice(generator, 2, 20, 50)
    batch, weight = choice(generator, 64, 100, 128), choice(generator, 0.3, 4.0, 7.0)
    return *sizes, batch, *axes, weight


def _three_losses(title, expected, mistakes):
    """`values` with one round for each of the three losses: what is there in one lacks in one."""

    def run(ask, generator):
        turns = iter(_axes(generator))
        one = values(
            title,
            lambda generator: _written(generator, next(turns)),
            expected,
            mistakes,
            rounds=3,
            atol=1e-9,
        )
        one.run(ask, generator)

    return Check(title, run, mistakes=mistakes)


def _beta(D, J, B, rec, kl, weight, batch=True):
    """By counting: how often a term is divided, beside the other."""
    size = {"batch": B if batch else 1, "pixels": D, "latents": J}
    for axis in rec:
        weight *= size[axis]
    for axis in kl:
        weight /= size[axis]
    return weight


_ALWAYS = "D and J count only if the terms average over pixels and latents"


def _always(D, J, B, rec, kl, weight):
    return _beta(D, J, B, {*rec, "pixels"}, {*kl, "latents"}, weight)


DECODE = Question(
    "ex-04-decode",
    "hidden_beta",
    minutes=15,
    checks=(
        part(
            0,
            2,
            _three_losses(
                "beta",
                _beta,
                mistakes=(
                    ("this is a / c; beta is c / a", lambda *loss: 1 / _beta(*loss)),
                    (
                        "the batch is left out: it cancels only if both terms average over it",
                        lambda *loss: _beta(*loss, batch=False),
                    ),
                    (_ALWAYS, _always),
                    (
                        "what the reconstruction term is averaged over is left out",
                        lambda D, J, B, rec, kl, weight: _beta(D, J, B, (), kl, weight),
                    ),
                    (
                        "what the KL is averaged over is left out",
                        lambda D, J, B, rec, kl, weight: _beta(D, J, B, rec, (), weight),
                    ),
                    (
                        "the weight of the KL is left out",
                        lambda *loss: _beta(*loss[:5], 1.0),
                    ),
                    (
                        "an average over n things divides by n; here it multiplies",
                        lambda *loss: loss[5] ** 2 / _beta(*loss),
                    ),
                ),
            ),
        ),
        part(
            1,
            2,
            _three_losses(
                "the s that has beta 1",
                lambda *loss: math.sqrt(_beta(*loss) / 2),
                mistakes=(
                    (
                        "this is s^2; s is a standard deviation",
                        lambda *loss: _beta(*loss) / 2,
                    ),
                    (
                        "the half is missing: a squared error is divided by 2 s^2, not by s^2",
                        lambda *loss: math.sqrt(_beta(*loss)),
                    ),
                    (
                        "the batch is left out: it cancels only if both terms average over it",
                        lambda *loss: math.sqrt(_beta(*loss, batch=False) / 2),
                    ),
                    (_ALWAYS, lambda *loss: math.sqrt(_always(*loss) / 2)),
                    (
                        "a and c have changed places",
                        lambda *loss: math.sqrt(1 / _beta(*loss) / 2),
                    ),
                ),
            ),
        ),
    ),
)
