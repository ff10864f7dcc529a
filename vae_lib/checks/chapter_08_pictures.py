"""Checks of decoder means at three kinds of codes: mu, a draw from q, a draw from the prior."""

import torch

from .calling import Made
from .engine import Check, Wrong, same, shape_of, untouched, values

ROWS = 1500
ERROR = 5.5 / ROWS**0.5  # of a mean, in standard deviations


def steady(check, hint, atol=1e-5):
    """The check, and before it that the seed of the noise makes no difference."""

    def run(ask, generator):
        def asked(*args, **options):
            one, two = ask(*args, seed=1, **options), ask(*args, seed=2, **options)
            if shape_of(one.value) == shape_of(two.value) and not same(
                one.value, two.value, 0, atol
            ):
                raise Wrong(hint)
            return one

        check.run(asked, generator)

    return Check(check.title, run, check.points, check.mistakes)


def at_the_mean_code(kind):
    """The check that the picture of that kind is the decoder's mean image at mu."""

    def draw(generator):
        mu, logvar = (torch.randn(6, 3, generator=generator) for _ in range(2))
        return kind, mu, logvar, Made("sine_decoder", (torch.randn(3, 4, generator=generator),))

    return steady(
        values(
            "at the mean code",
            draw,
            lambda kind, mu, logvar, decode: decode.build()(mu).sigmoid(),
            mistakes=(
                (
                    "these are logits: the mean of a pixel is its probability",
                    lambda kind, mu, logvar, decode: decode.build()(mu),
                ),
            ),
        ),
        "the picture changes from call to call; the mean code takes no draw",
    )


def at_a_drawn_code(kind):
    """The check that the codes behind the pictures are draws from q, one for each image."""

    def run(ask, generator):
        z, mu, sigma = _codes(ask, kind, generator)
        mean, sd = z.mean(0), z.std(0)
        if (sd < 0.01).all() and same(mean, mu, atol=1e-3):
            raise Wrong("these are the pictures at the mean code: draw from q")
        _each_its_own(z)
        if _near(mean, 0 * mu, sd) and _near(sd, torch.ones_like(sd), sd):
            raise Wrong("these are samples: a reconstruction draws from the q of its own image")
        if not _near(sd, sigma, sigma):
            _name(sd, sigma)
        if not _near(mean, mu, sigma):
            raise Wrong("the drawn codes do not lie around mu")

    return Check("at a drawn code", run)


def from_the_prior(kind):
    """The check that the codes behind the pictures are draws from N(0, I), one for each image."""

    def run(ask, generator):
        z, mu, sigma = _codes(ask, kind, generator)
        mean, sd = z.mean(0), z.std(0)
        if _near(mean, mu, sd) and (sd > 0.01).all():
            raise Wrong("the codes lie around mu: a sample does not look at the image")
        _each_its_own(z)
        if _near(sd, sigma, sigma):
            raise Wrong("the codes have the sigma of q: a sample does not look at the image")
        if not (_near(mean, 0 * mu, sd) and _near(sd, torch.ones_like(sd), 1)):
            raise Wrong(
                f"codes of mean {mean[0]:.2f} and sd {sd[0]:.2f} are not drawn from N(0, I)"
            )

    return Check("a sample", run)


def _codes(ask, kind, generator):
    """The codes behind the pictures, (ROWS, 3): this decoder's logits are the codes themselves."""
    sign = 2.0 * torch.randint(0, 2, (3,), generator=generator) - 1
    mu = sign * (1 + torch.rand(3, generator=generator))
    sigma = torch.tensor([0.35, 0.7, 1.6]) * (0.9 + 0.2 * torch.rand(1, generator=generator))
    rows = [part.expand(ROWS, -1) for part in (mu, 2 * sigma.log())]
    reply = ask(kind, *rows, Made("affine_decoder", (torch.eye(3), torch.zeros(3))), seed=1)
    untouched(reply)
    if shape_of(reply.value) != f"tensor({ROWS}, 3)":
        raise Wrong(f"it returns {shape_of(reply.value)}; one picture for each image is expected")
    if not ((reply.value >= 0) & (reply.value <= 1)).all():
        raise Wrong("these are logits: the mean of a pixel is its probability")
    if ((reply.value == 0) | (reply.value == 1)).all():
        raise Wrong("the coins are tossed; the mean image is asked for")
    return torch.logit(reply.value, eps=1e-6), mu, sigma


def _each_its_own(z):
    if (z.std(0) < 0.01).all():
        raise Wrong("all pictures show one code: every image needs noise of its own")
    correlation = torch.corrcoef(z.T).fill_diagonal_(0)
    if (correlation.abs() > 1.2 * ERROR).any():
        raise Wrong("the latents of an image share their noise: each needs its own")


def _near(value, target, scale):
    return bool(((value - target).abs() < ERROR * scale).all())


def _name(sd, sigma):
    known = (
        ("exp(logvar) is the variance, not sigma", sigma.square()),
        ("the log-variance is used as sigma", (2 * sigma.log()).abs()),
        ("the noise is not multiplied by sigma", torch.ones_like(sigma)),
    )
    for hint, wrong in known:
        if _near(sd, wrong, wrong):
            raise Wrong(hint)
    raise Wrong(f"the codes spread by {sd[0]:.3g} where sigma is {sigma[0]:.3g}")
