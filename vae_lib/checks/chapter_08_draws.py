"""Checks of an ELBO that is averaged over several draws for each image (chapter 8)."""

import math

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Normal

from .calling import Made
from .chapter_08_pictures import steady
from .engine import Check, Wrong, shape_of, untouched, values

IMAGES, COPIES = 3, 4000


def kl(mu, logvar):
    """KL(N(mu, diag exp(logvar)) || N(0, I)): (..., J) -> (...) nats."""
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(-1)


def _decoder(generator):
    sign = 2.0 * torch.randint(0, 2, (2, 5), generator=generator) - 1
    weight = sign * (0.8 + 0.8 * torch.rand(2, 5, generator=generator))
    return weight, 0.5 * torch.randn(5, generator=generator)


def _narrow(generator):
    x = torch.bernoulli(torch.full((7, 5), 0.5), generator=generator)
    mu, logvar = torch.randn(7, 2, generator=generator), torch.rand(7, 2, generator=generator)
    return x, mu, logvar - 20, Made("affine_decoder", _decoder(generator)), 3


def _at_mean(combine, of=lambda logits: logits):
    def bound(x, mu, logvar, decode, S):
        log_p = Bernoulli(logits=of(decode.build()(mu))).log_prob(x)
        return combine(log_p, kl(mu, logvar), S)

    return bound


_NARROW = values(
    "proposals so narrow that the noise does not matter",
    _narrow,
    _at_mean(lambda p, r, S: p.sum(1) - r),
    mistakes=(
        ("the KL is missing", _at_mean(lambda p, r, S: p.sum(1))),
        ("the KL is added: it is a price", _at_mean(lambda p, r, S: p.sum(1) + r)),
        ("the pixels are averaged: sum over them", _at_mean(lambda p, r, S: p.mean(1) - r)),
        ("the KL is averaged over the latents", _at_mean(lambda p, r, S: p.sum(1) - r / 2)),
        ("the draws are summed: average them", _at_mean(lambda p, r, S: S * p.sum(1) - r)),
        (
            "the logits pass through two sigmoids",
            _at_mean(lambda p, r, S: p.sum(1) - r, torch.sigmoid),
        ),
    ),
    rtol=1e-3,
    atol=1e-2,
)


def _wide(generator, S):
    """IMAGES images, COPIES times over; the log-probabilities of draws; what they must give."""
    x = torch.bernoulli(torch.full((IMAGES, 5), 0.5), generator=generator)
    mu, (weight, bias) = torch.randn(IMAGES, 2, generator=generator), _decoder(generator)
    # narrower than the prior and wider, so that no mistake in sigma fits both
    level = torch.tensor([[2.0, 2.0], [-1.2, 2.0], [2.0, -1.2]])
    logvar = level + 0.4 * torch.rand(IMAGES, 2, generator=generator)
    rows = [part.repeat(COPIES, 1) for part in (x, mu, logvar)]
    args = (*rows, Made("affine_decoder", (weight, bias)), S)
    z = mu + (logvar / 2).exp() * torch.randn(COPIES, S, IMAGES, 2, generator=generator)
    logits = z @ weight + bias
    log_p = (x * logits - F.softplus(logits)).sum(-1)

    def value(sigma, shared=False):  # each logit is Gaussian, so a line of quadrature is enough
        t = torch.linspace(-7, 7, 281)
        mass = Normal(0.0, 1.0).log_prob(t).softmax(0)
        spread = sigma @ weight if shared else (sigma.square() @ weight.square()).sqrt()
        logits = (mu @ weight + bias)[:, None] + spread[:, None] * t[:, None]
        each = x[:, None] * logits - F.softplus(logits)
        return (mass @ each).sum(1) - kl(mu, logvar)

    return (mu, logvar), args, log_p, value


def _average(ask, generator):
    (mu, logvar), args, log_p, value = _wide(generator, S=9)
    reply = ask(*args, seed=1)
    _per_image(reply)
    found = reply.value.view(COPIES, IMAGES)
    sigma, error = (logvar / 2).exp(), 6 * log_p.std((0, 1)) / (COPIES * 9) ** 0.5
    mean, spread = found.mean(0), found.std(0)

    def near(wanted):
        return bool(((mean - wanted).abs() < error).all())

    if near(value(sigma)):
        return
    if (spread < 1e-3 * log_p.std((0, 1))).all():
        if ((mean - value(0 * sigma)).abs() < 1e-2).all():
            raise Wrong("this is the value at the mean code, which is no bound: draw z")
        raise Wrong("all images share their noise: each image has draws of its own")
    inside = (log_p.logsumexp(1) - math.log(9)).mean(0) - kl(mu, logvar)
    known = (
        ("exp(logvar) is the variance, not sigma", value(sigma.square())),
        ("sigma is exp(logvar / 2); half of exp(logvar) is not", value(0.5 * sigma.square())),
        ("the log-variance is used as sigma", value(logvar)),
        ("the latents of an image share their noise", value(sigma, shared=True)),
        ("the average stands inside the logarithm: that is another bound", inside),
        ("codes or logits are averaged before the log-probability", value(sigma / 3)),
        ("the sign is turned around", -value(sigma)),
    )
    hint, wrong = min(known, key=lambda pair: (mean - pair[1]).abs().max())
    # a wrong answer has a spread of its own
    if ((mean - wrong).abs() < error + 6 * spread / COPIES**0.5).all():
        raise Wrong(hint)
    raise Wrong(f"the mean over many draws is {mean[0]:.3f}; the ELBO is {value(sigma)[0]:.3f}")


def _spread(ask, generator):
    _, args, _, _ = _wide(generator, S=1)
    replies = [ask(*args[:-1], S, seed=S) for S in (1, 9)]
    _per_image(*replies)
    spreads = (reply.value.view(COPIES, IMAGES).var(0) for reply in replies)
    one, nine = (variances.mean().sqrt() for variances in spreads)
    if one < 1e-3:
        raise Wrong("equal images get equal values: each image has draws of its own")
    if abs(one / nine - 3) < 0.6:
        return
    if abs(one / nine - 1) < 0.2:
        raise Wrong("nine draws spread as widely as one: are there S of them, each with its noise?")
    if one < nine:
        raise Wrong("nine draws spread more widely than one: they are summed, not averaged")
    raise Wrong(f"nine draws should divide the spread by 3; here by {one / nine:.2f}")


def _per_image(*replies):
    untouched(*replies)
    for reply in replies:
        if shape_of(reply.value) != f"tensor({IMAGES * COPIES},)":
            raise Wrong(f"it returns {shape_of(reply.value)}; one value for each image is expected")
        if not reply.value.isfinite().all():
            raise Wrong("not all values are finite: the logarithm of a sigmoid underflows")


DRAWS = (
    steady(
        _NARROW,
        "with sigma near 0 the value still varies: is the noise multiplied by exp(logvar / 2), "
        "and the KL exact?",
        atol=2e-2,
    ),
    Check("wide proposals: the mean over many images", _average),
    Check("the spread with one draw and with nine", _spread),
)
