"""Check of chapter 5: k reparameterized draws for every image, whatever their noise.

No seed is matched: for any noise dz/dmu = 1 and dz/dlogvar = (z - mu) / 2, and the moments tell
the usual mistakes apart.
"""

import torch

from .engine import Check, Question, Wrong, shape_of, untouched
from .gradients import NO_NOISE, moments, path


def _first_of_one(one):
    """The check of a single draw per image: what the answer gives for k = 1."""

    def run(ask, generator):
        def asked(mu, logvar, **options):
            reply = ask(mu, logvar, 1, **options)
            _shaped(reply.value, (1, *mu.shape))
            return type(reply)(reply.value[0], reply.grads, reply.touched)

        one.run(asked, generator)

    return Check(one.title, run, one.points)


def _shaped(value, shape):
    if value is None:
        raise Wrong("it returns None: is the `return` missing?")
    if not isinstance(value, torch.Tensor) or value.shape != shape:
        raise Wrong(f"it returns {shape_of(value)}; tensor{tuple(shape)} is expected")


def _own_noise(ask, generator, k=600):
    """Over the k draws of each latent of each image: mean mu, spread sigma, no two alike."""
    mu = 2 * torch.randn(2, 3, generator=generator)
    sigma = 0.3 + 1.5 * torch.rand(2, 3, generator=generator)
    reply = ask(mu, 2 * sigma.log(), k)
    untouched(reply)
    _shaped(reply.value, (k, 2, 3))
    eps = (reply.value - mu) / sigma
    if not eps.isfinite().all():
        raise Wrong("it returns values that are infinite or not a number")
    error = 5 / k**0.5
    if (eps.abs() < 0.01).all():
        raise Wrong(NO_NOISE)
    if (eps.std(0) < 0.01).all():
        raise Wrong("the k draws of an image are one draw, k times: each needs its own eps")
    if (eps.mean(0).abs() > error).any():
        worst = eps.mean(0).abs().argmax()
        mean, right = reply.value.mean(0).flatten()[worst], mu.flatten()[worst]
        raise Wrong(f"over the k draws a latent has the mean {mean:.3g} where mu is {right:.3g}")
    if ((eps.std(0) - 1).abs() > error).any():
        worst = (eps.std(0) - 1).abs().argmax()
        spread, right = eps.std(0).flatten()[worst] * sigma.flatten()[worst], sigma.flatten()[worst]
        raise Wrong(f"over the k draws a latent spreads by {spread:.3g} where sigma is {right:.3g}")
    if (eps[1:] * eps[:-1]).mean().abs() > error:
        raise Wrong("a draw depends on the one before it: each needs noise of its own")


DRAWS = Question(
    "ex-05-draws",
    "draw_codes",
    minutes=15,
    checks=(
        _first_of_one(path("the path from z to mu and logvar")),
        _first_of_one(moments("mean, spread and noise of single draws")),
        Check("k draws, each with its own noise", _own_noise),
    ),
)
