"""Checks of problem set A, derive and implement the VAE core.

Here: the KL and the codes.  The likelihoods, the identity, the ELBO and training stand in
`set_a_densities`, `set_a_identity`, `set_a_model` and `set_a_training`.
"""

import torch
from torch.distributions import Normal, kl_divergence

from .engine import Question, values
from .gradients import gradients, moments, path
from .set_a_densities import BERNOULLI, GAUSSIAN, LOG_2PI
from .set_a_identity import IDENTITY
from .set_a_model import ELBO
from .set_a_training import EVALUATE, TRAIN

LIBRARY = False  # the answers need torch alone: the grader's sandbox leaves vae_lib out


def _few_codes(generator):
    return torch.randn((4, 3), generator=generator), torch.randn((4, 3), generator=generator)


def _sharp_codes(generator):
    mu, logvar = _few_codes(generator)
    logvar[torch.randperm(4, generator=generator)[:2], 1] = -240.0
    return mu.float(), logvar.float()  # in float64 it would not be extreme


def _kl(mu, logvar):
    return kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0))


def _sharp_kl(mu, logvar):
    entropy = 0.5 * (LOG_2PI + 1 + logvar)
    return (0.5 * (LOG_2PI + mu.square() + logvar.exp()) - entropy).sum(1)


KL = Question(
    "set-a-kl",
    "gaussian_kl",
    minutes=25,
    checks=(
        values(
            "the KL of four images",
            _few_codes,
            lambda mu, logvar: _kl(mu, logvar).sum(1),
            mistakes=(
                ("the half is missing", lambda mu, v: 2 * _kl(mu, v).sum(1)),
                ("you averaged over the latents; they add up", lambda mu, v: _kl(mu, v).mean(1)),
                (
                    "logvar is taken for log sigma; it is log sigma^2",
                    lambda mu, v: _kl(mu, 2 * v).sum(1),
                ),
                (
                    "log sigma stands where log sigma^2 belongs",
                    lambda mu, v: (_kl(mu, v) + 0.25 * v).sum(1),
                ),
                (
                    "the bracket is closed too early: the half belongs to all four terms",
                    lambda mu, v: (-0.5 * (1 + v) + mu.square() + v.exp()).sum(1),
                ),
                (
                    "this is KL(prior || q): the two densities are swapped",
                    lambda mu, v: kl_divergence(Normal(0.0, 1.0), Normal(mu, (v / 2).exp())).sum(1),
                ),
                (
                    "you summed over the batch: every image has a KL of its own",
                    lambda mu, v: _kl(mu, v).sum().expand(len(mu)),
                ),
            ),
            points=4,
        ),
        gradients(
            "its gradient in mu and logvar",
            _few_codes,
            lambda m, v: _kl(m, v),
            wrt=(0, 1),
            points=1,
        ),
        values("a log-variance of -240", _sharp_codes, _sharp_kl, points=2),
    ),
)


def _codes(generator):
    shift, scale = torch.randn(3, generator=generator), 0.4 + torch.rand(3, generator=generator)
    mu = shift + scale * torch.randn((6, 3), generator=generator)
    return mu, torch.randn((6, 3), generator=generator) - 1


def _cheapest(mu, logvar):
    """The moments of the codes of all images together: total expectation and variance."""
    second = (mu.square() + logvar.exp()).mean(0)
    return mu.mean(0), (second - mu.mean(0).square()).sqrt()


def _with_scale(formula):
    return lambda mu, logvar: (mu.mean(0), formula(mu, logvar))


RESCALE = Question(
    "set-a-rescale",
    "cheapest_coordinates",
    minutes=30,
    checks=(
        values(
            "shift and scale of three latents",
            _codes,
            _cheapest,
            mistakes=(
                (
                    "this is the squared scale: a variance, not a standard deviation",
                    _with_scale(lambda mu, v: _cheapest(mu, v)[1].square()),
                ),
                (
                    "the spread of the means is missing: only sigma is counted",
                    _with_scale(lambda mu, v: v.exp().mean(0).sqrt()),
                ),
                (
                    "the width sigma of the codes is missing: only the means are counted",
                    _with_scale(lambda mu, v: mu.std(0, unbiased=False)),
                ),
                (
                    "the mean of sigma is squared; the mean of sigma squared is wanted",
                    _with_scale(
                        lambda mu, v: (
                            mu.var(0, unbiased=False) + (v / 2).exp().mean(0).square()
                        ).sqrt()
                    ),
                ),
                (
                    "Var mu is divided by N - 1: here the images are all there are, divide by N",
                    _with_scale(lambda mu, v: (mu.var(0) + v.exp().mean(0)).sqrt()),
                ),
                (
                    "the scale is that of codes not yet shifted: their mean still counts in it",
                    _with_scale(lambda mu, v: (mu.square() + v.exp()).mean(0).sqrt()),
                ),
            ),
            points=6,
        ),
    ),
)

DRAW = Question(
    "set-a-draw",
    "reparameterize",
    minutes=25,
    checks=(
        path("the gradients in mu and logvar", points=4),
        moments("the spread of 1500 draws", points=4),
    ),
)

QUESTIONS = (BERNOULLI, GAUSSIAN, KL, RESCALE, DRAW, IDENTITY, ELBO, TRAIN, EVALUATE)
