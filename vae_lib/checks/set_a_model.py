"""Checks of the ELBO of a whole VAE, for problem set A."""

import torch

from .engine import Check, Question, Wrong, describe, same, shape_of, untouched
from .gradients import NO_GRADIENT
from .tiny_model import (
    COPIES,
    IMAGES,
    PIXELS,
    SHARP,
    WIDE,
    binary,
    judge_mean,
    judge_path,
    kl_of,
    log_prob_of,
    tiny,
    under_q,
)

USES = "vae_lib.checks.set_a_core:"


def _triple(reply, rows):
    """value, log_px_z and kl of an answer, after a look at its form."""
    untouched(reply)
    expected = (torch.zeros(rows),) * 3
    if shape_of(reply.value) != shape_of(expected):
        raise Wrong(
            f"it returns {shape_of(reply.value)}; {shape_of(expected)} is expected: "
            "value, log_px_z and kl of every image"
        )
    return reply.value


def _terms(ask, generator):
    made, x = tiny(generator, WIDE), binary(generator, 7)
    value, log_px_z, kl = _triple(ask(made, x), len(x))
    wanted = kl_of(*made.build().encode(x)).detach()
    if not same(kl, wanted):
        raise Wrong("the third number, the KL: " + describe([kl], [wanted]))
    if same(value, kl - log_px_z):
        raise Wrong("this is the loss, minus the ELBO: the ELBO goes up")
    if same(value, log_px_z + kl):
        raise Wrong("the KL is added to the reconstruction term; it is subtracted")
    if not same(value, log_px_z - kl):
        raise Wrong("the ELBO is the reconstruction term minus the KL; this is something else")


def _reconstruction(ask, generator):
    made, x = tiny(generator, WIDE), binary(generator, IMAGES)
    model = made.build()
    replies = [ask(made, x.repeat(COPIES, 1), seed=seed) for seed in (1, 2)]
    drawn, again = (_triple(r, COPIES * IMAGES)[1].view(COPIES, IMAGES) for r in replies)
    with torch.no_grad():
        mean, sd = under_q(model, x)
    if same(drawn, again):
        raise Wrong("two calls agree: the mean code is decoded, or the noise is fixed; draw z")
    if (drawn.std(0) < 1e-3 * sd).all():
        raise Wrong("one noise for the whole batch: every image needs its own eps")
    found, error = drawn.mean(0), 5 * sd / COPIES**0.5
    if ((found * PIXELS - mean).abs() < PIXELS * error).all() and (found > mean + error).all():
        raise Wrong("you averaged over the pixels; the nats of an image are their sum")
    judge_mean(drawn, model, x)


def _through_the_draw(ask, generator):
    """At vanishing sigma z is mu, and the gradient in x is known; else its mean over draws is."""
    made, x = tiny(generator, SHARP), binary(generator, 4)
    reply = ask(made, x, wrt=(1,))
    _triple(reply, len(x))
    if not reply.grads or reply.grads[0] is None:
        raise Wrong(NO_GRADIENT)
    model, x = made.build(), x.clone().requires_grad_()
    mu, logvar = model.encode(x)
    kl = kl_of(mu, logvar)
    # value + log_px_z + kl, where the last two may be detached: they are there to be shown
    forms = ((2, 0), (1, -1), (1, 0), (2, -1))

    def agrees(code):
        log_px_z = log_prob_of(model, x, code)
        sums = [(a * log_px_z + b * kl).sum() for a, b in forms]
        grads = [torch.autograd.grad(total, x, retain_graph=True)[0] for total in sums]
        agreeing = (same(reply.grads[0], g, 1e-3, 1e-3) for g in grads)
        return next((form for form, agrees in zip(forms, agreeing, strict=True) if agrees), None)

    if form := agrees(mu):
        for _ in range(3):  # in some models little depends on logvar
            _many_gradients(ask, generator, form, COPIES // 3)
    elif agrees(mu.detach()):
        raise Wrong("the draw is detached: what the decoder says never reaches the encoder")
    else:
        raise Wrong("the gradient is not that of log p(x given z) - KL")


def _many_gradients(ask, generator, form, copies):
    made, x = tiny(generator, WIDE), binary(generator, IMAGES)
    grads = ask(made, x.repeat(copies, 1), wrt=(1,)).grads[0]
    if grads is None:
        raise Wrong(NO_GRADIENT)
    # one noise for all shows in the reconstruction term: there it is judged
    if (grads.view(copies, -1).std(0) > 1e-4).any():
        judge_path(grads, made.build(), x, form)


ELBO = Question(
    "set-a-elbo",
    "elbo",
    minutes=30,
    checks=(
        Check("the KL, and how the terms fit", _terms, 3),
        Check("the reconstruction term, over many draws", _reconstruction, 4),
        Check("the gradient reaches the encoder", _through_the_draw, 3),
    ),
    uses={name: USES + name for name in ("bernoulli_log_prob", "gaussian_kl", "reparameterize")},
)
