"""Checks of chapter 8, the variational autoencoder."""

import math

import torch
from torch.distributions import Normal

from .chapter_08_draws import DRAWS, kl
from .chapter_08_pictures import at_a_drawn_code, at_the_mean_code, from_the_prior
from .engine import Question, values

# -- the average inside the logarithm -------------------------------------------------------------


def _weighted(k, level, step=0.0):
    """k draws for six images, each image dearer by `step` than the last."""

    def draw(generator):
        log_px_z = level - step * torch.arange(6) + 1.5 * torch.randn(k, 6, generator=generator)
        mu = torch.randn(6, 3, generator=generator)
        logvar = -1 + 0.5 * torch.randn(6, 3, generator=generator)
        noise = torch.randn(k, 6, 3, generator=generator)
        return log_px_z, mu, logvar, mu + (logvar / 2).exp() * noise

    return draw


def _bound(
    combine=lambda log_w: log_w.logsumexp(0) - math.log(len(log_w)),
    prior=1,
    proposal=1,
    latents=torch.sum,
):
    def bound(log_px_z, mu, logvar, z):
        log_p = latents(Normal(0.0, 1.0).log_prob(z), -1)
        log_q = latents(Normal(mu, (logvar / 2).exp()).log_prob(z), -1)
        return combine(log_px_z + prior * log_p - proposal * log_q)

    return bound


def _over_images(log_w):
    return log_w.logsumexp(0) - math.log(log_w.shape[1])


def _variance(log_px_z, mu, logvar, z):
    return _bound()(log_px_z, mu, 2 * logvar, z)


_INSIDE = (
    values(
        "four draws",
        _weighted(4, -5.0),
        _bound(),
        mistakes=(
            (
                "the average stands outside the logarithm: that is the ELBO",
                _bound(lambda w: w.mean(0)),
            ),
            (
                "the weights are summed: their average is asked for",
                _bound(lambda w: w.logsumexp(0)),
            ),
            ("the mean is over the k draws, not over the images", _bound(_over_images)),
            ("the latents add up: sum their log-densities", _bound(latents=torch.mean)),
            ("this is the mean weight, not its logarithm", _bound(lambda w: w.exp().mean(0))),
            ("the prior is missing in the weights", _bound(prior=0)),
            ("the proposal is missing: divide by q", _bound(proposal=0)),
            ("the proposal multiplies the weights: divide by q", _bound(proposal=-1)),
            ("exp(logvar) is the variance, not sigma", _variance),
            (
                "the closed-form KL is taken off; each draw brings its own log p(z) - log q(z)",
                lambda log_px_z, mu, logvar, z: (
                    _bound(prior=0, proposal=0)(log_px_z, mu, logvar, z) - kl(mu, logvar)
                ),
            ),
        ),
    ),
    values(
        "images of 300 to 1800 nats",
        _weighted(1, -300.0, step=300.0),
        _bound(),
        mistakes=(
            (
                "the weights underflow to 0: take the largest out before you exponentiate",
                _bound(lambda w: w.exp().mean(0).log()),
            ),
            (
                "take out the largest weight of each image, not the largest of all",
                _bound(lambda w: w.max() + (w - w.max()).exp().mean(0).log()),
            ),
        ),
        rtol=1e-5,
        atol=1e-3,
    ),
)

# -- the dearest images ---------------------------------------------------------------------------


def _places(generator):
    """Equal widths; far along one latent, or along all three."""
    far = torch.zeros(6, 3)
    far[:, 0] = 2 + 0.5 * torch.rand(6, generator=generator)
    even = 1 + 0.1 * torch.rand(6, 1, generator=generator).expand(6, 3)
    sign = 2.0 * torch.randint(0, 2, (12, 3), generator=generator) - 1
    mu = (sign * torch.cat([far, even]))[torch.randperm(12, generator=generator)]
    # next to equal, so that an order by width alone is an order
    return mu, -1 + 1e-5 * torch.rand(12, 3, generator=generator), 6


def _both(generator):
    """Narrow codes and wide ones, at different places: what one nat is against another counts."""
    logvar = -5 + 6.8 * torch.rand(24, 3, generator=generator)
    return 2.5 * torch.rand(24, 3, generator=generator), logvar, 12


def _order(cost):
    return lambda mu, logvar, n: cost(mu, logvar).sort(descending=True).indices[:n]


_CHEAPEST = ("these are the cheapest: the dearest come first", _order(lambda m, v: -kl(m, v)))

_PRICES = (
    "these are the prices; the places of the images are asked for",
    lambda mu, logvar, n: kl(mu, logvar).sort(descending=True).values[:n],
)
_SORTED = (
    "the dearest comes first: these are in the order of the batch",
    lambda mu, logvar, n: _order(kl)(mu, logvar, n).sort().values,
)

HALF = "the half stands before the place and before the width alike"

_DEAREST = (
    values(
        "codes of one width, at different places",
        _places,
        _order(kl),
        mistakes=(
            _CHEAPEST,
            _PRICES,
            _SORTED,
            ("the place costs, too", _order(lambda mu, logvar: -logvar.sum(1))),
            ("distance is charged by its square", _order(lambda mu, logvar: mu.abs().sum(1))),
            ("far below 0 costs as much as far above", _order(lambda mu, logvar: mu.sum(1))),
        ),
    ),
    values(
        "codes of different widths at different places",
        _both,
        _order(kl),
        mistakes=(
            _CHEAPEST,
            _PRICES,
            _SORTED,
            ("the width costs, too", _order(lambda mu, logvar: mu.square().sum(1))),
            ("the place costs, too", _order(lambda mu, logvar: kl(0 * mu, logvar))),
            ("a code wider than the prior costs, too", _order(lambda m, v: (m**2 - v).sum(1))),
            ("dear does not mean unsure", _order(lambda m, v: (m**2 + v.exp()).sum(1))),
            ("dear does not mean unsure", _order(lambda m, v: (m**2 + v).sum(1))),
            (HALF, _order(lambda m, v: kl(m, v) + kl(0 * m, v))),
            (HALF, _order(lambda m, v: kl(m, v) + 0.5 * m.square().sum(1))),
        ),
    ),
)

QUESTIONS = (
    Question("ex-08-draws", "elbo_of_draws", minutes=25, checks=DRAWS),
    Question("ex-08-iwae", "importance_bound", minutes=20, checks=_INSIDE),
    Question("ex-08-variance", "dearest", minutes=15, checks=_DEAREST),
    Question(
        "ex-08-names",
        "picture",
        minutes=15,
        checks=(at_the_mean_code("mean"), at_a_drawn_code("drawn"), from_the_prior("sample")),
    ),
)
