"""A tiny VAE as an input, and what many draws of its codes must give: problem sets A and D."""

import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from .calling import Made
from .engine import Wrong

PIXELS, LATENTS = 6, 2
SHARP = -40.0  # log-variances at which a draw is its mean, whatever the noise
WIDE = -2.0  # log-variances at which mistakes in sigma show most
IMAGES, COPIES = 6, 5000


def tiny(generator, level):
    return Made("tiny_vae", (_seed(generator), PIXELS, LATENTS, level))


def _seed(generator):
    return int(torch.randint(10**6, (), generator=generator))


def binary(generator, rows):
    return torch.rand((rows, PIXELS), generator=generator).round()


def log_prob_of(model, x, z):
    return Bernoulli(logits=model.decode(z)).log_prob(x).sum(-1)


def kl_of(mu, logvar):
    return kl_divergence(Normal(mu, (0.5 * logvar).exp()), Normal(0.0, 1.0)).sum(1)


def _sigma(logvar):
    return (0.5 * logvar).exp()


def under_q(model, x, sigma=_sigma, shared=False):
    """Mean and standard deviation of log p(x given z) under q, by quadrature: (B,) each."""
    line = torch.linspace(-6, 6, 49)
    eps = torch.cartesian_prod(line, line)
    mass = (-0.5 * eps.square().sum(1)).softmax(0)
    if shared:
        eps, mass = line[:, None], (-0.5 * line.square()).softmax(0)
    mu, logvar = model.encode(x)
    z = mu + sigma(logvar) * eps[:, None]
    log_px_z = log_prob_of(model, x, z)
    mean = mass @ log_px_z
    return mean, (mass @ (log_px_z - mean).square()).sqrt()


MISTAKEN = (
    ("exp(logvar) is the variance, not sigma", {"sigma": torch.exp}),
    ("sigma is exp(logvar / 2); half of exp(logvar) is not", {"sigma": lambda v: 0.5 * v.exp()}),
    ("the log-variance is used as sigma", {"sigma": lambda v: v}),
    ("the latents of an image share their noise: every one needs its own", {"shared": True}),
)


def judge_mean(drawn, model, x, draws=1, mistaken=MISTAKEN):
    """Veto draws (N, B) of log p(x given z), each a mean over so many, with another mean than q's.

    A mistake is named only where all images agree with it.
    """
    with torch.no_grad():
        mean, sd = under_q(model, x)
        found, error = drawn.mean(0), 5 * sd / (draws * len(drawn)) ** 0.5
        if ((found - mean).abs() <= error).all():
            return
        misses = [((found - under_q(model, x, **how)[0]).abs(), hint) for hint, how in mistaken]
        miss, hint = min(misses, key=lambda pair: pair[0].max())
        # a wrong answer has a spread of its own
        if (miss <= error + 5 * drawn.std(0) / len(drawn) ** 0.5).all():
            raise Wrong(hint)
    raise Wrong(f"log p(x given z) is {found[0]:.4g} on average; {mean[0]:.4g} is right")


def judge_path(grads, model, x, form=(1, -1)):
    """Veto gradients (N * B, D) in x of a * log p(x given z) + b * KL that miss a way to x."""
    x = x.clone().requires_grad_()
    each = grads.view(-1, *x.shape)
    found, error = each.mean(0), 5.5 * each.std(0) / len(each) ** 0.5 + 1e-4

    def slope(sigma):
        total = form[0] * under_q(model, x, sigma)[0] + form[1] * kl_of(*model.encode(x))
        return torch.autograd.grad(total.sum(), x)[0]

    right, cut = slope(_sigma), slope(lambda logvar: _sigma(logvar).detach())
    # where the two differ tells them apart more sharply than each number by itself
    along = (each * (right - cut)).sum((1, 2))
    off = (along.mean() - (right * (right - cut)).sum()).abs()
    if ((found - right).abs() <= error).all() and off <= 5.5 * along.std() / len(each) ** 0.5:
        return
    if ((found - cut).abs() <= error).all():
        raise Wrong("sigma is detached: what the decoder says reaches mu, but not logvar")
    raise Wrong("on average over many draws the gradient is not that of log p(x given z) - KL")
