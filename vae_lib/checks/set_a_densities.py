"""Checks of the two likelihoods of problem set A, Bernoulli and Gaussian."""

import math

import torch
from torch.distributions import Bernoulli, Normal

from .engine import Question, values

LOG_2PI = math.log(2 * math.pi)


def _normal(generator, *shape, scale=1.0):
    return scale * torch.randn(shape, generator=generator)


# -- the likelihoods ------------------------------------------------------------------------------


def _pixels(generator, scale=2.0):
    logits = _normal(generator, 5, 1, 3, 4, scale=scale)
    return torch.rand(logits.shape, generator=generator).round(), logits


def _far_pixels(generator):
    x, logits = _pixels(generator)
    far = (150 + 50 * torch.rand(x.shape, generator=generator)) * logits.sign()
    logits = torch.where(torch.rand(x.shape, generator=generator) < 0.3, far, logits)
    return x.float(), logits.float()  # in float64 they would not be extreme


def _by_sign(x, logits):
    """log sigmoid of the logit with its sign turned where the pixel is off."""
    return -torch.logaddexp(torch.zeros(()), -(2 * x - 1) * logits).flatten(1).sum(1)


def _of_probabilities(x, logits):
    return Bernoulli(logits=logits).log_prob(x)


def _clamped(x, logits):
    return _of_probabilities(x, logits).clamp(min=-100).flatten(1).sum(1)


BERNOULLI = Question(
    "set-a-bernoulli",
    "bernoulli_log_prob",
    minutes=20,
    checks=(
        values(
            "five images, by their logits",
            _pixels,
            lambda x, logits: _of_probabilities(x, logits).flatten(1).sum(1),
            mistakes=(
                (
                    "this is the mean over the pixels; log p(x) of an image is their sum",
                    lambda x, logits: _of_probabilities(x, logits).flatten(1).mean(1),
                ),
                (
                    "this is the cross-entropy, minus log p(x): turn the sign",
                    lambda x, logits: -_of_probabilities(x, logits).flatten(1).sum(1),
                ),
                (
                    "the sigmoid is applied twice",
                    lambda x, logits: _of_probabilities(x, logits.sigmoid()).flatten(1).sum(1),
                ),
                (
                    "the pixels that are off are left out: they have a probability too",
                    lambda x, logits: (x * _of_probabilities(x, logits)).flatten(1).sum(1),
                ),
            ),
            points=3,
        ),
        values(
            "logits near 200 cost their 200 nats",
            _far_pixels,
            _by_sign,
            mistakes=(
                ("a clamp at -100 hides what a wrong pixel costs: stay in logits", _clamped),
            ),
            points=2,
        ),
    ),
)


def _gaussian(x, mu, logvar):
    return Normal(mu, (0.5 * logvar).exp()).log_prob(x)


def _real_pixels(generator):
    x, mu = _normal(generator, 5, 1, 3, 4), _normal(generator, 5, 1, 3, 4)
    return x, mu, _normal(generator, 5, 1, 3, 4)


def _one_logvar(generator):
    x, mu, _ = _real_pixels(generator)
    return x, mu, 0.5 + _normal(generator).square()


def _gaussian_with(variance=torch.exp, constant=LOG_2PI, log=1.0, square=1.0):
    def formula(x, mu, logvar):
        far = square * (x - mu).square() / variance(logvar)
        return -0.5 * (constant + log * logvar + far).flatten(1).sum(1)

    return formula


GAUSSIAN = Question(
    "set-a-gaussian",
    "gaussian_log_prob",
    minutes=20,
    checks=(
        values(
            "five images, a log-variance for every pixel",
            _real_pixels,
            lambda *args: _gaussian(*args).flatten(1).sum(1),
            mistakes=(
                ("the constant log 2 pi is missing", _gaussian_with(constant=0.0)),
                ("the term log sigma^2 is missing", _gaussian_with(log=0.0)),
                (
                    "the square is divided by sigma, not by sigma squared",
                    _gaussian_with(lambda v: (0.5 * v).exp()),
                ),
                (
                    "logvar is taken for log sigma; it is log sigma^2",
                    _gaussian_with(lambda v: (2 * v).exp(), log=2.0),
                ),
                ("the half before the square is missing", _gaussian_with(square=2.0)),
                (
                    "this is the mean over the pixels; log p(x) of an image is their sum",
                    lambda *args: _gaussian(*args).flatten(1).mean(1),
                ),
            ),
            points=3,
        ),
        values(
            "one log-variance for all pixels",
            _one_logvar,
            lambda *args: _gaussian(*args).flatten(1).sum(1),
            mistakes=(
                (
                    "the shared log-variance is counted once; every pixel pays it",
                    lambda x, mu, v: (
                        _gaussian(x, mu, v).flatten(1).sum(1) + 0.5 * (x[0].numel() - 1) * v
                    ),
                ),
            ),
            points=2,
        ),
    ),
)
