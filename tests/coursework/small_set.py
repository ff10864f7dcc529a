"""A problem set of the tests' own: two questions that build on each other, one for each attack."""

import torch
from hostile import HOSTILE

from vae_lib.checks.calling import Made
from vae_lib.checks.engine import Check, Question, Wrong, same, values

LIBRARY = False


def _codes(generator):
    return torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator)


def _kl(mu, logvar):
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1)


def _gradients(ask, generator):
    mu, logvar = _codes(generator)
    wanted = (mu, 0.5 * (logvar.exp() - 1))
    if not same(ask(mu, logvar, wrt=(0, 1)).grads, wanted):
        raise Wrong("the gradients are not those of the KL")


def _decoded(ask, generator):
    weight, z = torch.randn(3, 5, generator=generator), torch.randn(4, 3, generator=generator)
    if not same(ask(Made("sine_decoder", (weight,)), z).value, (z @ weight).sin().sum(1)):
        raise Wrong("it is not the sum of what the decoder gives")


def _norm(generator):
    return (1 + torch.rand(4, 3, generator=generator),)


def attacked(name):
    """The question that the attack of that name stands for."""
    check = values("the squared norms", _norm, lambda x: x.square().sum(1), rounds=1)
    return Question(f"attack-{name}", name, 1, (check,))


KL = Question(
    "small-kl",
    "gaussian_kl",
    minutes=5,
    checks=(
        values(
            "the KL",
            _codes,
            _kl,
            mistakes=(("the half is missing", lambda mu, logvar: 2 * _kl(mu, logvar)),),
            points=2,
        ),
        Check("its gradients", _gradients),
    ),
)
LOSS = Question(
    "small-loss",
    "loss",
    minutes=5,
    checks=(values("three times the KL", _codes, lambda *args: 1 + 3 * _kl(*args), points=3),),
    uses={"gaussian_kl": "set_a_core:gaussian_kl"},
)
DECODED = Question("small-decoded", "decoded_sum", 5, (Check("the sum", _decoded),))
QUESTIONS = (KL, LOSS, DECODED, *(attacked(attack.name) for attack in HOSTILE))

GOOD_KL = """
import torch
def gaussian_kl(mu, logvar):
    return 0.5 * (mu**2 + torch.exp(logvar) - 1 - logvar).sum(1)
"""
GOOD_LOSS = "def loss(mu, logvar):\n    return 1 + 3 * gaussian_kl(mu, logvar)"
GOOD_DECODED = "def decoded_sum(decode, z):\n    return decode(z).sum(1)"
GOOD = (GOOD_KL, GOOD_LOSS, GOOD_DECODED)
HONEST = [f"def {attack.name}(x):\n    return (x * x).sum(1)" for attack in HOSTILE]
