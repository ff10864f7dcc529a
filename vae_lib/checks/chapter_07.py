"""Checks of chapter 7, a convolutional autoencoder."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli

from .chapter_07_shapes import COLOUR
from .engine import Question, values


def _varied(generator):
    share = 0.15 + 0.7 * torch.rand(6, generator=generator)
    train, test = (torch.bernoulli(share.expand(n, 6), generator=generator) for n in (41, 15))
    both = torch.tensor([[0.0], [1.0]]).expand(2, 6)  # so that no pixel is constant
    return torch.cat([train, both]), torch.cat([test.flip(1), both]), 0.01


def _stuck(generator):
    train = torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0]).expand(20, 5).clone()
    return train, torch.bernoulli(torch.full((12, 5), 0.4), generator=generator), 0.05


def _by(share, factor=lambda test: 1.0):
    """The cost of the constant image `share(train, test)`, times a factor."""

    def cost(train, test, eps):
        on = share(train, test).expand(test.shape[1]).clamp(eps, 1 - eps)
        return -factor(test) * Bernoulli(on).log_prob(test).sum(1).mean()

    return cost


def _mean(train, test):
    return train.mean(0)


def _entropy(train, test, eps):
    return F.binary_cross_entropy(train.mean(0).expand_as(test), test) * test.shape[1]


def _only_on(train, test, eps):
    return -(test * train.mean(0).clamp(eps, 1 - eps).log()).sum(1).mean()


def _added(train, test, eps):
    p = train.mean(0)
    return -(test * (p + eps).log() + (1 - test) * (1 - p + eps).log()).sum(1).mean()


def _floored(train, test, eps):
    p = train.mean(0)
    on, off = p.clamp(min=eps).log(), (1 - p).clamp(min=eps).log()
    return -(test * on + (1 - test) * off).sum(1).mean()


OTHER = "the probabilities are moved by an eps of its own, not by the one given"
NOT_MOVED = "the probabilities 0 and 1 are not moved to eps and 1 - eps"

_CONSTANT = (
    values(
        "pixels that vary",
        _varied,
        _by(_mean),
        mistakes=(
            ("the constant is fitted to the test images", _by(lambda train, test: test.mean(0))),
            ("all pixels share one probability; each has its own", _by(lambda a, b: a.mean())),
            ("each pixel takes its majority, not its share", _by(lambda a, b: a.mode(0)[0])),
            ("the pixels are averaged too: sum over them", _by(_mean, lambda t: 1 / t.shape[1])),
            ("these are bits, not nats", _by(_mean, lambda test: 1 / math.log(2))),
            ("a pixel that is off costs, too: it has the probability 1 - p", _only_on),
            ("eps bounds the probabilities; it is not added to them", _added),
        ),
    ),
    values(
        "pixels that never change in training",
        _stuck,
        _by(_mean),
        mistakes=(
            (NOT_MOVED, _entropy),
            (NOT_MOVED, _by(_mean, lambda t: math.inf)),
            ("0 is moved to eps, but 1 is not moved to 1 - eps", _floored),
            *((OTHER, lambda a, b, eps, e=e: _by(_mean)(a, b, e)) for e in (1e-2, 1e-4, 1e-6)),
        ),
    ),
)


def _stretched(generator):
    weight, bias = torch.randn(5, 3, generator=generator), torch.randn(5, generator=generator)
    shear = torch.randn(3, 3, generator=generator).triu(1)
    return weight, bias, torch.diag(torch.tensor([2.0, -0.5, 3.0])) + shear, torch.zeros(3)


def _turned(generator):
    weight, bias, _, _ = _stretched(generator)
    turn, _ = torch.linalg.qr(torch.randn(3, 3, generator=generator))
    return weight, bias, turn, 1 + torch.rand(3, generator=generator)


def _absorbed(weight, bias, A, c):
    new = torch.linalg.solve(A, weight, left=False)
    return new, bias - new @ c


_ROTATION = (
    values(
        "a stretch and a shear",
        _stretched,
        _absorbed,
        mistakes=(
            ("a transpose undoes rotations alone", lambda w, b, A, c: (w @ A.T, b)),
            ("the map is applied once more, not undone", lambda w, b, A, c: (w @ A, b)),
        ),
    ),
    values(
        "a rotation and a shift",
        _turned,
        _absorbed,
        mistakes=(
            ("the shift still reaches the decoder: take it out", lambda w, b, A, c: (w @ A.T, b)),
            ("the shift is added once more", lambda w, b, A, c: (w @ A.T, b + w @ A.T @ c)),
            ("the shift is taken by the old weight", lambda w, b, A, c: (w @ A.T, b - w @ c)),
        ),
    ),
)


QUESTIONS = (
    Question("ex-07-colour", "trace_shapes", minutes=15, checks=COLOUR),
    Question("ex-07-constant", "constant_cost", minutes=15, checks=_CONSTANT),
    Question("ex-07-rotation", "absorb", minutes=20, checks=_ROTATION),
)
