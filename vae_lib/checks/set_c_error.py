"""Checks of problem set C on the error and the bias of the bound from k weights."""

import torch

from .engine import Check, Question, Wrong, same, shape_of, values
from .parts import part, split
from .set_c_weights import LOST, faint, weights


def _spread(log_w, correction=1):
    """The standard deviation of the weights over their mean."""
    w = (log_w - log_w.mean(0)).double().exp()
    return w.std(0, correction=correction) / w.mean(0)


def _error(log_w):
    return _spread(log_w) / len(log_w) ** 0.5


def _bias(log_w):
    return -_spread(log_w).square() / (2 * len(log_w))


_ERROR = values(
    "the standard error",
    weights,
    _error,
    mistakes=(
        (
            "this is the error of the mean log-weight: here the weights are averaged",
            lambda log_w: log_w.std(0) / len(log_w) ** 0.5,
        ),
        ("this is the spread of the weights, not the error of their mean: sqrt(k) is missing",
         _spread),
        ("divide by k - 1 in the variance: the mean is estimated from the same draws",
         lambda log_w: _spread(log_w, 0) / len(log_w) ** 0.5),
        ("this is the error of p(x): for its logarithm divide by the estimate",
         lambda log_w: log_w.double().exp().std(0) / len(log_w) ** 0.5),
        ("this is the squared error, a variance", lambda log_w: _error(log_w).square()),
        ("the draws are along the first dimension: this spreads over the images",
         lambda log_w: _error(log_w.T)),
    ),
    points=3,
)  # fmt: skip

_BIAS = values(
    "the bias",
    weights,
    _bias,
    mistakes=(
        ("the bound is too low on average: the bias is negative", lambda log_w: -_bias(log_w)),
        ("the half is missing: it comes from the second derivative of log",
         lambda log_w: 2 * _bias(log_w)),
        ("k is missing: the bias falls like 1 / k",
         lambda log_w: _bias(log_w) * len(log_w)),
        ("the squared spread belongs here, not the spread",
         lambda log_w: -_spread(log_w) / (2 * len(log_w))),
        ("divide by k - 1 in the variance: the mean is estimated from the same draws",
         lambda log_w: -_spread(log_w, 0).square() / (2 * len(log_w))),
    ),
    points=3,
)  # fmt: skip


def _of_an_image(ask, generator):
    """The same numbers as for weights near 1, and of the right size: no more is asked here, so
    that each formula can fail alone."""
    (log_w,) = faint(generator)
    (near, far) = (split(ask(shifted).value, 2) for shifted in (log_w - log_w.mean(0), log_w))
    if not all(torch.as_tensor(v).isfinite().all() for v in far):
        raise Wrong(LOST)
    if not same(near, far, rtol=1e-2):
        raise Wrong("a common factor of all weights changes the answer: both are ratios")
    if shape_of(far[0]) != shape_of(far[1]) or shape_of(far[0]) != shape_of(_error(log_w)):
        raise Wrong("each of the two is one number for every image, (B,)")
    if not (torch.as_tensor(far[1]) < 0).all():
        raise Wrong("the bound is too low on average: the bias is negative")
    ratio = torch.as_tensor(far[0]) / _error(log_w)
    if not ((ratio > 0.25) & (ratio < 4)).all():
        raise Wrong(f"the error is {ratio.max():.2g} times as large as it should be")


ERROR = Question(
    "set-c-error",
    "error_and_bias",
    minutes=30,
    checks=(
        part(0, 2, _ERROR),
        part(1, 2, _BIAS),
        Check("log-weights of an image, near -2000", _of_an_image, points=2),
    ),
)  # fmt: skip
