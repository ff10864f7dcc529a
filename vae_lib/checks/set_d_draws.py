"""Checks of broken draws and their repair, for problem set D."""

import torch

from .engine import Check, Question, Wrong, describe, same, untouched
from .gradients import NO_GRADIENT, moments, path
from .set_d_losses import MEND, normal, prediction, price
from .tiny_model import (
    COPIES,
    IMAGES,
    SHARP,
    WIDE,
    binary,
    judge_mean,
    judge_path,
    kl_of,
    log_prob_of,
    tiny,
)

# -- sigma squared --------------------------------------------------------------------------------


def _codes(generator):
    return normal(generator, 4, 3), 0.1 + 0.8 * torch.rand((4, 3), generator=generator)


def _prices(true):
    return lambda mu, sigma: (price(mu, sigma).sum(1), price(mu, true(sigma)).sum(1))


PRICES = prediction(
    "set-d-prices",
    "two_prices",
    "four images with three latents",
    _codes,
    _prices(torch.square),
    (
        ("the draws do not have the stated sigma, so the two prices differ", _prices(lambda s: s)),
        ("the draws are sharper than stated, not wider: no root of sigma", _prices(torch.sqrt)),
        ("the draws spread by exp(logvar): that is sigma^2, not sigma^4", _prices(lambda s: s**4)),
        (
            "the two are swapped: the loss charges the KL of the stated sigma",
            lambda mu, sigma: _prices(torch.square)(mu, sigma)[::-1],
        ),
    ),
)

DRAW = Question(
    "set-d-draw",
    "mended_draw",
    MEND,
    (
        path("the gradients in mu and logvar", points=2),
        moments("the spread of 1500 draws", points=2),
    ),
)


# -- a draw without a path ------------------------------------------------------------------------


def _logvars(generator):
    return normal(generator, 4, 3), normal(generator, 4, 3)


def _slopes(by_logvar):
    return lambda mu, logvar: (mu, by_logvar(logvar))


GRADIENT = prediction(
    "set-d-gradient",
    "encoder_gradient",
    "four images with three latents",
    _logvars,
    _slopes(lambda v: 0.5 * torch.expm1(v)),
    (
        ("in logvar the half is missing", _slopes(torch.expm1)),
        (
            "the second is the derivative in sigma, not in logvar",
            _slopes(lambda v: (v / 2).exp() - (-v / 2).exp()),
        ),
        (
            "the second is the derivative in sigma squared, not in logvar",
            _slopes(lambda v: 0.5 * (1 - (-v).exp())),
        ),
        ("the encoder does get a gradient: that of the KL", lambda mu, v: (0 * mu, 0 * v)),
    ),
)


def _elbo_with_path(ask, generator):
    """The value and the gradient at vanishing sigma, then the draws where sigma is not."""
    made, x = tiny(generator, SHARP), binary(generator, 4)
    reply = ask(made, x, wrt=(1,))
    untouched(reply)
    model, own = made.build(), x.clone().requires_grad_()
    mu, logvar = model.encode(own)
    value = log_prob_of(model, own, mu) - kl_of(mu, logvar)
    if not same(reply.value, value.detach(), 1e-3, 1e-3):
        raise Wrong("the value: " + describe([reply.value], [value.detach()], 1e-3, 1e-3))
    if not reply.grads or reply.grads[0] is None:
        raise Wrong(NO_GRADIENT)
    cut = log_prob_of(model, own, mu.detach()) - kl_of(mu, logvar)
    right, broken = (torch.autograd.grad(t.sum(), own, retain_graph=True)[0] for t in (value, cut))
    if same(reply.grads[0], broken, 1e-3, 1e-3):
        raise Wrong("this is still the broken one: the draw has no path to the encoder")
    if not same(reply.grads[0], right, 1e-3, 1e-3):
        raise Wrong("the gradient is not that of log p(x given z) - KL")
    _many_draws(ask, generator)


def _many_draws(ask, generator):
    """Where sigma counts: noise of its own for every image, the mean, and both ways to x."""
    made, x = tiny(generator, WIDE), binary(generator, IMAGES)
    model, rows = made.build(), x.repeat(COPIES, 1)
    reply = ask(made, rows, seed=1, wrt=(1,))
    if same(reply.value, ask(made, rows, seed=2).value):
        raise Wrong("two calls agree: the mean code has a gradient, but it is no draw")
    with torch.no_grad():
        drawn = reply.value.view(COPIES, IMAGES) + kl_of(*model.encode(x))
    if (drawn.std(0) < 1e-3).all():
        raise Wrong("one noise for the whole batch: every image needs its own eps")
    judge_mean(drawn, model, x)
    judge_path(reply.grads[0], model, x)


PATH = Question(
    "set-d-path", "mended_elbo", MEND, (Check("value, gradient and noise", _elbo_with_path, 4),)
)
