"""Checks of gradients and of random draws, beside `engine.values`."""

import torch

from .engine import Check, Wrong, describe, same, shape_of, untouched

NO_GRADIENT = "no gradient arrives: a detach, .data or no_grad cuts the graph"
NO_NOISE = "there is no noise in it: z is mu"


def gradients(title, draw, expected, wrt, points=1, rtol=1e-3, atol=1e-4):
    """The check that the answer has the gradients of `expected(*args)` in the inputs `wrt`.

    Of a tensor, the gradient of its sum.  The value itself is left to another check.
    """

    def run(ask, generator):
        inputs = draw(generator)
        reply = ask(*inputs, wrt=wrt)
        untouched(reply)
        own = [a.clone().requires_grad_(i in wrt) for i, a in enumerate(inputs)]
        wanted = torch.autograd.grad(expected(*own).sum(), [own[i] for i in wrt])
        if not reply.grads or any(g is None for g in reply.grads):
            raise Wrong(NO_GRADIENT)
        if not same(reply.grads, wanted, rtol, atol):
            raise Wrong("the gradient: " + describe([reply.grads], [wanted], rtol, atol))

    return Check(title, run, points)


def path(title, points=1):
    """The check that a draw z(mu, logvar) = mu + sigma * eps has the gradients of that path.

    For any noise dz/dmu = 1 and dz/dlogvar = (z - mu) / 2.  Kingma & Welling 2013, section 2.4.
    """

    def run(ask, generator):
        mu, logvar = (torch.randn((6, 3), generator=generator) for _ in range(2))
        reply = ask(mu, logvar, wrt=(0, 1))
        _like(reply, mu)
        if not reply.grads or all(g is None for g in reply.grads):
            raise Wrong(NO_GRADIENT)
        by_mu, by_logvar = reply.grads
        if by_mu is None or not same(by_mu, torch.ones_like(mu)):
            raise Wrong("dz/dmu is 1 for every draw; here it is not: mu is detached, or scaled")
        offset = reply.value - mu
        if by_logvar is None:
            raise Wrong("no gradient arrives in logvar: sigma is detached, or not used")
        if same(by_logvar, offset / 2, 1e-3, 1e-4):
            return
        if same(by_logvar, offset, 1e-3, 1e-4):
            raise Wrong("this is sigma squared: exp(logvar) is the variance")
        if same(by_logvar * logvar, offset, 1e-3, 1e-4):
            raise Wrong("the log-variance is used as sigma")
        raise Wrong("dz/dlogvar is not (z - mu) / 2, which holds for every noise")

    return Check(title, run, points)


def moments(title, points=1, rows=1500):
    """The check that draws have mean mu and standard deviation sigma, each with its own noise."""

    def run(ask, generator):
        mu = 2 * torch.randn((1, 3), generator=generator)
        sigma = torch.tensor([[0.3, 0.6, 2.0]]) * (0.9 + 0.2 * torch.rand(1, generator=generator))
        inputs = mu.repeat(rows, 1), 2 * sigma.log().repeat(rows, 1)
        reply, again = ask(*inputs, seed=1), ask(*inputs, seed=2)
        for one in (reply, again):
            _like(one, inputs[0])
        z, error = reply.value, 5 / rows**0.5
        if same(z, inputs[0], 0, 0.01):
            raise Wrong(NO_NOISE)
        if same(z, again.value):
            raise Wrong("two calls give the same draws: draw fresh noise at every call")
        mean, sd = z.mean(0), z.std(0)
        if (sd < 0.01 * sigma).all():
            raise Wrong("one noise for the whole batch: every image needs its own eps")
        _spread(sd, sigma[0], error)
        if ((mean - mu[0]).abs() > error * sigma[0]).any():
            raise Wrong(f"the mean of the draws is {mean[0]:.3g} where mu is {mu[0, 0]:.3g}")
        eps = (z - mu) / sigma
        if ((eps.T @ eps / rows).fill_diagonal_(0).abs() > error).any():
            raise Wrong("the latents of an image share their noise: every one needs its own")
        if abs(eps.pow(4).mean().item() - 3) > 0.75:
            raise Wrong("the spread is right, but the noise is not Gaussian")

    return Check(title, run, points)


def _like(reply, mu):
    untouched(reply)
    if shape_of(reply.value) != shape_of(mu):
        raise Wrong(f"it returns {shape_of(reply.value)}; {shape_of(mu)} is expected")
    if not reply.value.isfinite().all():
        raise Wrong("it returns values that are infinite or not a number")


def _spread(sd, sigma, error):
    """Name what the draws spread by in the place of sigma."""

    def near(target):
        return ((sd - target).abs() < error * target).all()

    if near(sigma):
        return
    known = (
        (sigma.square(), "sigma squared"),
        ((2 * sigma.log()).abs(), "the log-variance"),
        (sigma.log().abs(), "log sigma"),
        (torch.ones_like(sigma), "1, whatever sigma is"),
    )
    for target, name in known:
        if near(target):
            raise Wrong(f"the draws spread by {name}, not by sigma")
    raise Wrong(f"the draws spread by {sd[0]:.3g} where sigma is {sigma[0]:.3g}")
