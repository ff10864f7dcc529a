"""Checks of broken losses and their repair, for problem set D."""

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from .engine import Question, values

PREDICT, MEND = 10, 12  # minutes


def prediction(name, function, title, draw, expected, mistakes):
    """A question of two points about what a mistake does."""
    check = values(title, draw, expected, mistakes=mistakes, points=2)
    return Question(name, function, PREDICT, (check,))


def normal(generator, *shape, scale=1.0):
    return scale * torch.randn(shape, generator=generator)


def coins(generator, *shape):
    return torch.rand(shape, generator=generator).round()


def cost(x, logits):
    return -Bernoulli(logits=logits).log_prob(x)


def price(mu, sigma):
    """KL to the prior of each latent."""
    return kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0))


# -- mean beside sum ------------------------------------------------------------------------------


def _sizes(generator):
    batch, pixels = (torch.randint(low, 900, (), generator=generator) for low in (2, 50))
    return int(batch), int(pixels)


WEIGHT = prediction(
    "set-d-weight",
    "kl_weight",
    "two sizes of batch and image",
    _sizes,
    lambda batch, pixels: float(batch * pixels),
    (
        (
            "the KL is summed over the batch as well: the batch counts too",
            lambda batch, pixels: float(pixels),
        ),
        (
            "the reconstruction is averaged over the pixels as well: they count too",
            lambda batch, pixels: float(batch),
        ),
        (
            "this is the weight of the reconstruction beside the KL: the inverse",
            lambda batch, pixels: 1 / (batch * pixels),
        ),
    ),
)


def _terms(generator):
    x, logits = coins(generator, 5, 8), normal(generator, 5, 8, scale=2.0)
    return x, logits, normal(generator, 5, 3), normal(generator, 5, 3)


def _loss(reduce, kl):
    """A loss from a reduction of the cost of pixels and one of the KL of latents."""
    return lambda x, logits, mu, v: reduce(cost(x, logits)) + kl(price(mu, (v / 2).exp()))


def _nats(t):
    return t.sum(1).mean()


NATS = Question(
    "set-d-nats",
    "loss_in_nats",
    MEND,
    (
        values(
            "a batch of five images",
            _terms,
            _loss(_nats, _nats),
            mistakes=(
                ("this is still the broken loss", _loss(torch.mean, torch.sum)),
                (
                    "the reconstruction is still averaged over the pixels",
                    _loss(torch.mean, _nats),
                ),
                ("the KL is still summed over the batch", _loss(_nats, torch.sum)),
                ("now the KL is averaged over the latents", _loss(_nats, torch.mean)),
                ("both are averages now: beta is D / J, not 1", _loss(torch.mean, torch.mean)),
                (
                    "this is the loss of the whole batch, not of one image",
                    _loss(torch.sum, torch.sum),
                ),
            ),
            points=4,
        ),
    ),
)


# -- a standard deviation where a log-variance belongs --------------------------------------------


def _sigmas(generator):
    return (0.05 + 1.5 * torch.rand((4, 3), generator=generator),)


def _read_as_logvar(mu, sigma):
    return 0.5 * (mu.square() + sigma.exp() - 1 - sigma)


def _discount(sigma):
    return price(torch.zeros_like(sigma), sigma) - _read_as_logvar(0 * sigma, sigma)


UNDERCHARGED = prediction(
    "set-d-undercharged",
    "undercharged",
    "four images with three latents",
    _sigmas,
    lambda sigma: _discount(sigma).sum(1),
    (
        ("this is the mean over the latents; sum them", lambda sigma: _discount(sigma).mean(1)),
        ("the half is missing", lambda sigma: 2 * _discount(sigma).sum(1)),
        (
            "this is what is charged too much: due minus charged is wanted",
            lambda s: -_discount(s).sum(1),
        ),
        (
            "this is what is due; subtract what the broken loss charges",
            lambda s: price(torch.zeros_like(s), s).sum(1),
        ),
        (
            "this is what the broken loss charges; it is to be subtracted from what is due",
            lambda s: _read_as_logvar(0 * s, s).sum(1),
        ),
    ),
)


def _codes(generator):
    return normal(generator, 4, 3), *_sigmas(generator)


def _pointed(generator):
    mu, sigma = _codes(generator)
    sigma[torch.randperm(4, generator=generator)[:2], 1] = 1e-30
    return mu.float(), sigma.float()  # in float64 it would not be extreme


def _entropies(mu, sigma):
    return (0.5 * (mu.square() + sigma.square() - 1) - sigma.log()).sum(1)


SIGMA = Question(
    "set-d-sigma",
    "kl_from_sigma",
    MEND,
    (
        values(
            "four images with three latents",
            _codes,
            lambda mu, sigma: price(mu, sigma).sum(1),
            mistakes=(
                (
                    "this is still the broken one: sigma is read as a log-variance",
                    lambda mu, s: _read_as_logvar(mu, s).sum(1),
                ),
                ("sigma is read as a variance", lambda mu, s: price(mu, s.sqrt()).sum(1)),
                (
                    "log sigma stands where log sigma^2 belongs",
                    lambda mu, s: (price(mu, s) + 0.5 * s.log()).sum(1),
                ),
                ("sigma is read as log sigma", lambda mu, s: price(mu, s.exp()).sum(1)),
                ("the half is missing", lambda mu, s: 2 * price(mu, s).sum(1)),
                ("you averaged over the latents; they add up", lambda mu, s: price(mu, s).mean(1)),
            ),
            points=3,
        ),
        values("a sigma of 1e-30", _pointed, _entropies),
    ),
)
