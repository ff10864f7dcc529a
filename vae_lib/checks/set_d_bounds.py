"""Checks of broken averages over draws, for problem set D."""

import math

import torch

from .engine import Check, Question, Wrong, same, shape_of, untouched, values
from .set_d_losses import MEND, normal, prediction
from .tiny_model import (
    IMAGES,
    MISTAKEN,
    WIDE,
    binary,
    judge_mean,
    kl_of,
    log_prob_of,
    tiny,
    under_q,
)

# -- the mean code --------------------------------------------------------------------------------


def _linear(generator):
    s = 0.3 + float(torch.rand((), generator=generator))
    return normal(generator, 6, 3), normal(generator, 4, 3), s


def _flattery(power=2.0, s_power=2.0, half=0.5):
    def formula(W, logvar, s):
        sides = W * (0.5 * power * logvar).exp().sqrt()[:, None]  # (B, D, J)
        return half * sides.square().sum((1, 2)) / s**s_power

    return formula


FLATTERY = prediction(
    "set-d-flattery",
    "flattery",
    "four images under a linear decoder",
    _linear,
    _flattery(),
    (
        ("the half is missing", _flattery(half=1.0)),
        ("the variance of a latent counts, not its standard deviation", _flattery(power=1.0)),
        ("the squared error is divided by s squared, not by s", _flattery(s_power=1.0)),
    ),
)


def _over_draws(ask, generator, draws=200, copies=80):
    made, x = tiny(generator, WIDE), binary(generator, IMAGES)
    model, rows = made.build(), x.repeat(copies, 1)
    reply = ask(made, rows, draws, seed=1)
    untouched(reply)
    if shape_of(reply.value) != f"tensor({len(rows)},)":
        raise Wrong(f"it returns {shape_of(reply.value)}; tensor({len(rows)},) is expected")
    with torch.no_grad():
        mean, sd = under_q(model, x)
        mu, logvar = model.encode(x)
        kl, at_mean = kl_of(mu, logvar), log_prob_of(model, x, mu)
    found = reply.value.view(copies, IMAGES)
    _name_terms(found.mean(0), mean, kl, at_mean, 5 * sd / (draws * copies) ** 0.5, draws)
    # how widely the copies of an image scatter, where 1 is right
    scatter = float((found.var(0) * draws / sd.square()).mean().sqrt())
    if scatter < 0.1:
        raise Wrong("copies of an image get one value: every image needs noise of its own")
    if scatter > 1.4:
        raise Wrong("it scatters like a single draw: average over all the draws")
    averaged = (
        "average log p(x given z), not the codes",
        {"sigma": lambda v: (v.exp() / draws).sqrt()},
    )
    judge_mean(found + kl, model, x, draws, (*MISTAKEN, averaged))
    if same(*(ask(made, x, 2, seed=seed).value for seed in (1, 2))):
        raise Wrong("two calls agree: the noise is fixed")


def _name_terms(found, mean, kl, at_mean, error, draws):
    """Name a mistake in the terms, where all images agree with it."""

    def near(target):
        return bool(((found - target).abs() <= error).all())

    if same(found, at_mean - kl):
        raise Wrong("this is still the mean code: no draw occurs")
    if near(mean - kl):
        return
    if near(mean) or near(mean - kl / draws):
        raise Wrong("the KL is missing, or divided by the draws")
    if near(mean + kl):
        raise Wrong("the KL is added; it is subtracted")


TEST = Question("set-d-test", "test_elbo", MEND, (Check("200 draws", _over_draws, 4),))


# -- the mean of the logarithms -------------------------------------------------------------------

LOST = prediction(
    "set-d-lost",
    "lost_nats",
    "five variances",
    lambda generator: (0.1 + 5 * torch.rand(5, generator=generator),),
    lambda variance: variance / 2,
    (
        ("the half is missing: the mean of e^t is e^(variance / 2)", lambda variance: variance),
        ("this is half the standard deviation, not half the variance", lambda v: v.sqrt() / 2),
        ("take the logarithm of the mean weight", lambda v: (v / 2).exp() - 1),
    ),
)


def _weights(level, step=0.0):
    """Log-weights of four images, each by `step` lower than the last."""

    def draw(generator):
        return (level - step * torch.arange(4) + 3 * torch.randn((6, 4), generator=generator),)

    return draw


def _log_mean(log_w):
    top = log_w.amax(0)
    return top + (log_w - top).exp().mean(0).log()


BOUND = Question(
    "set-d-bound",
    "mended_bound",
    MEND,
    (
        values(
            "six draws for four images",
            _weights(-2.0),
            _log_mean,
            mistakes=(
                ("this is still the mean of the logarithms", lambda w: w.mean(0)),
                (
                    "log k is missing: this is the log of the sum",
                    lambda w: _log_mean(w) + math.log(6),
                ),
                ("this is the mean weight: take its logarithm", lambda w: w.exp().mean(0)),
                ("this is the largest weight alone", lambda w: w.amax(0)),
                (
                    "the logarithms are weighted by the weights: that is no log of a mean",
                    lambda w: (w.softmax(0) * w).sum(0),
                ),
            ),
            points=3,
        ),
        values(
            "weights of e^-300 and less",
            _weights(-300.0, step=500.0),
            _log_mean,
            mistakes=(
                (
                    "take out the largest weight of each image, not the largest of all",
                    lambda w: w.max() + (w - w.max()).exp().mean(0).log(),
                ),
            ),
            rtol=1e-5,
            atol=1e-3,
        ),
    ),
)
