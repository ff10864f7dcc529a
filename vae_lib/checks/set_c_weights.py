"""Checks of problem set C on log-weights: the bound, and an estimate without a bias."""

import math

import torch

from .engine import Check, Question, Wrong, describe, same, values
from .parts import part, split

LOST = "e^-2000 is stored as 0: take the largest of each image out first, or use logsumexp"


def bound_and_voices(log_w):
    """log of the mean weight and the effective number of draws: (k, B) -> (B,), (B,).

    What the grader can put in the place of an answer to set-c-bound.
    """
    share = torch.softmax(log_w, 0)
    return torch.logsumexp(log_w, 0) - math.log(len(log_w)), 1 / share.square().sum(0)


# -- the bound ------------------------------------------------------------------------------------


def weights(generator, level=-1.0, k=6):
    return (level + 1.3 * torch.randn(k, 4, generator=generator),)


def faint(generator):
    """Log-weights so low, and so far apart, that no number suits all images."""
    (log_w,) = weights(generator)
    return (log_w + torch.tensor([-1000.0, -2000.0, -1000.0, -2000.0]),)


def _bound(log_w):
    return log_w.double().exp().mean(0).log()


def _voices(log_w):
    w = log_w.double().exp()
    return w.sum(0).square() / w.square().sum(0)


def _of_an_image(ask, generator):
    """Only whether both can be computed at all, so that each formula can fail alone."""
    (log_w,) = faint(generator)
    bound, voices = split(ask(log_w).value, 2)
    if not all(torch.as_tensor(v).isfinite().all() for v in (bound, voices)):
        raise Wrong(LOST)
    shift = log_w.double().mean(0)
    if not same(bound, _bound(log_w - shift) + shift, rtol=2e-3):
        raise Wrong(describe([bound], [_bound(log_w - shift) + shift]))


BOUND = Question(
    "set-c-bound",
    "bound_and_voices",
    minutes=25,
    checks=(
        part(
            0,
            2,
            values(
                "the bound from six weights",
                weights,
                _bound,
                mistakes=(
                    (
                        "this is the mean of the logarithms, the ELBO: average the weights first",
                        lambda log_w: log_w.mean(0),
                    ),
                    ("log k is missing: the weights are averaged, not added",
                     lambda log_w: torch.logsumexp(log_w, 0)),
                    ("log k is subtracted twice",
                     lambda log_w: _bound(log_w) - math.log(len(log_w))),
                    (
                        "this averages over the images: the draws are along the first dimension",
                        lambda log_w: _bound(log_w.T),
                    ),
                    ("this is the mean weight, not its logarithm",
                     lambda log_w: _bound(log_w).exp()),
                ),
                points=3,
            ),
        ),
        part(
            1,
            2,
            values(
                "the effective number of draws",
                weights,
                _voices,
                mistakes=(
                    ("this is a share of the draws: the effective number is between 1 and k",
                     lambda log_w: _voices(log_w) / len(log_w)),
                    ("the weights must add up to 1 before they are squared",
                     lambda log_w: 1 / log_w.exp().square().sum(0)),
                    (
                        "the weights of one image add up to 1 over its draws, not over the images",
                        lambda log_w: 1 / torch.softmax(log_w, 1).square().sum(0),
                    ),
                    ("this is the sum of squares: the effective number is one over it",
                     lambda log_w: 1 / _voices(log_w)),
                    ("these are shares of log-weights: shares are made of the weights",
                     lambda log_w: log_w.sum(0).square() / log_w.square().sum(0)),
                ),
                points=3,
            ),
        ),
        Check("log-weights of an image, near -2000", _of_an_image, points=2),
    ),
)  # fmt: skip

# -- what is unbiased -----------------------------------------------------------------------------


def _groups(generator):
    k = 3 + int(torch.randint(2, (), generator=generator))
    return *weights(generator, k=5 * k), k


def _in_groups(log_w, k):
    return log_w.double().unflatten(0, (-1, k))


def _mean_bound(log_w, k):
    return _in_groups(log_w, k).exp().mean(1).log().mean(0)


def _evidence(log_w, k):
    return log_w.double().exp().mean(0).log()


_BOUNDS = values(
    "the mean bound of k weights",
    _groups,
    _mean_bound,
    mistakes=(
        ("this is the logarithm of all weights together: take L_k of each group, then their mean",
         _evidence),
        ("this is the ELBO, k = 1: in a group the weights are averaged before the logarithm",
         lambda log_w, k: log_w.mean(0)),
        ("this is one group alone: average L_k over all groups",
         lambda log_w, k: _bound(log_w[:k])),
        ("log k is missing", lambda log_w, k: _mean_bound(log_w, k) + math.log(k)),
        ("k is the number of weights in a group, not the number of groups",
         lambda log_w, k: _mean_bound(log_w, len(log_w) // k)),
        ("a group is k rows that follow each other, not every so many-th row",
     lambda log_w, k: _bound(log_w.unflatten(0, (k, -1))).mean(0)),
    ("the bounds of the groups are added: take their mean",
         lambda log_w, k: _mean_bound(log_w, k) * (len(log_w) // k)),
    ),
    points=4,
)  # fmt: skip

_TRUTH = values(
    "the mean estimate of p(x), as a logarithm",
    _groups,
    _evidence,
    mistakes=(
        ("the logarithm comes last: average the estimates of p(x) over the groups first",
         _mean_bound),
        ("this is the estimate of p(x), not its logarithm",
         lambda log_w, k: _evidence(log_w, k).exp()),
        ("the estimates are added up: divide by their number",
         lambda log_w, k: torch.logsumexp(log_w, 0) - math.log(k)),
        ("this is the ELBO: average weights, not log-weights", lambda log_w, k: log_w.mean(0)),
    ),
    points=3,
)  # fmt: skip

GROUPS = Question(
    "set-c-groups",
    "by_groups",
    minutes=25,
    checks=(
        part(0, 2, _BOUNDS),
        part(1, 2, _TRUTH),
    ),
    uses={"bound_and_voices": "vae_lib.checks.set_c_weights:bound_and_voices"},
)
