"""Inputs of exercises that cannot be written down as numbers, built beside the answer.

Needs torch alone: a fixture that needs the library imports it when it is built.
"""

import torch
from torch import nn

FIXTURES = {}


def fixture(function):
    """Register a builder under its own name; `Made("name", args)` calls it."""
    FIXTURES[function.__name__] = function
    return function


@fixture
def sine_decoder(weight):
    """A decoder z -> sin(z @ weight), (B, J) -> (B, D): bends, and needs no library."""
    return lambda z: (z @ weight).sin()


@fixture
def wave(a, b):
    """z -> a z^2 + b sin z: its expectation under a Gaussian and all slopes are known."""
    return lambda z: a * z**2 + b * torch.sin(z)


class TinyVAE(nn.Module):
    """A VAE of a few weights whose decoder bends: x (B, D) -> mu, logvar (B, J) -> logits (B, D).

    Nothing is drawn from torch's own generator, so that building one leaves it alone.
    """

    def __init__(self, seed, pixels, latents, level):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        for name, shape in (
            ("into", (pixels, 2 * latents)),
            ("offset", (2 * latents,)),
            ("out", (latents, pixels)),
            ("phase", (pixels,)),
        ):
            start = torch.randn(shape, generator=generator, dtype=torch.float64)
            self.register_parameter(name, nn.Parameter(start.to(torch.get_default_dtype())))
        self.level = nn.Parameter(torch.tensor(float(level)))

    def encode(self, x):
        mu, logvar = (x @ self.into + self.offset).tanh().chunk(2, 1)
        return 1.5 * mu, self.level + logvar

    def decode(self, z):
        return 3 * (z @ self.out + self.phase).sin()


@fixture
def tiny_vae(seed, pixels, latents, level):
    """A `TinyVAE` whose log-variances lie within 1 of `level`."""
    return TinyVAE(seed, pixels, latents, level)


@fixture
def batch_loss(weight, watch=""):
    """A loss x (B, D) -> mean over the images of (x @ weight)^2, a tensor with its graph.

    watch: "reads" raises when a third number is read from its losses, "graphs" at a call while
    more than two earlier losses still have their graphs.
    """
    weight = weight.clone().requires_grad_()
    watched, alive = watch_reads(2), []

    class Kept:
        """What a graph keeps for its way back; it lives as long as the graph."""

        def __init__(self, tensor):
            self.tensor = tensor
            alive.append(1)

        def __del__(self):
            alive.pop()

    def loss(x):
        if watch == "graphs" and len(alive) > 2:
            raise RuntimeError(
                f"the graphs of {len(alive)} earlier batches are still in memory: detach each loss"
            )
        error = x @ weight
        with torch.autograd.graph.saved_tensors_hooks(Kept, lambda kept: kept.tensor):
            value = error.square().mean()
        return value.as_subclass(watched) if watch == "reads" else value

    return loss


def watch_reads(allowed):
    """A kind of tensor, which raises when more than so many numbers have been read from it."""
    count = 0
    reading = {"item", "tolist", "numpy", "__float__", "__int__", "__bool__", "__array__"}

    class Watched(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            nonlocal count
            count += func.__name__ in reading
            if count > allowed:
                raise RuntimeError(
                    "numbers are read from the device again and again: each time Python "
                    "waits, so add up tensors"
                )
            return super().__torch_function__(func, types, args, kwargs or {})

    return Watched


class Machine:
    """A pretend computer with two steps, `before` and `after`, and a clock of its own.

    vice: "queue" (a step only asks, `wait` waits), "cold" (each step's first call takes longer),
    "drift" (each call takes 0.3 % longer than the last), "interruption" (a few calls are cut off).
    """

    def __init__(self, before, after, vice):
        self.seconds, self.vice = {"before": before, "after": after}, vice
        self.now, self.done_at, self.calls = 0.0, 0.0, []

    def clock(self):
        """Seconds."""
        return self.now

    def wait(self):
        """Return when all that was asked for is done."""
        self.now = max(self.now, self.done_at)

    def before(self):
        """One step of the old kind."""
        self._step("before")

    def after(self):
        """One step of the new kind."""
        self._step("after")

    def _step(self, name):
        seconds, calls = self.seconds[name], len(self.calls)
        if self.vice == "cold" and name not in self.calls:
            seconds += 50
        if self.vice == "drift":
            seconds *= 1.003**calls
        if self.vice == "interruption" and calls in (13, 37, 71):
            seconds += 200
        self.calls.append(name)
        self.now += 1e-3  # the time that it takes to ask
        self.done_at = max(self.now, self.done_at) + seconds - 1e-3
        if self.vice != "queue":
            self.wait()


@fixture
def machine(before, after, vice):
    """A `Machine` whose steps take `before` and `after` seconds."""
    return Machine(before, after, vice)


@fixture
def affine_decoder(weight, bias):
    """A decoder z -> z @ weight + bias, (B, J) -> logits (B, D)."""
    return lambda z: z @ weight + bias


def _kl_right(mu, logvar):
    return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)


KL_VARIANTS = {
    "right": _kl_right,
    "right, by torch": lambda mu, logvar: torch.distributions.kl_divergence(
        torch.distributions.Normal(mu, torch.exp(0.5 * logvar)),
        torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu)),
    ).sum(1),
    "mean over latents": lambda mu, logvar: _kl_right(mu, logvar) / mu.shape[1],
    "sum over the batch": lambda mu, logvar: _kl_right(mu, logvar).sum().expand(len(mu)),
    "half forgotten": lambda mu, logvar: 2 * _kl_right(mu, logvar),
    "bracket closed early": lambda mu, logvar: (-0.5 * (1 + logvar) - mu**2 - logvar.exp()).sum(1),
    "sigma read as logvar": lambda mu, logvar: _kl_right(mu, torch.exp(0.5 * logvar)),
    "sigma read as variance": lambda mu, logvar: _kl_right(mu, 0.5 * logvar),
    "log sigma for log sigma^2": lambda mu, logvar: _kl_right(mu, logvar) + logvar.sum(1) / 4,
    "wrong direction": lambda mu, logvar: 0.5 * ((1 + mu**2) / logvar.exp() - 1 + logvar).sum(1),
    "mean forgotten": lambda mu, logvar: _kl_right(0 * mu, logvar),
    "mean not squared": lambda mu, logvar: _kl_right(0 * mu, logvar) + 0.5 * mu.sum(1),
    "size of the mean": lambda mu, logvar: _kl_right(0 * mu, logvar) + 0.5 * mu.abs().sum(1),
}


@fixture
def kl_variant(name):
    """kl(mu, logvar), (B, J) each -> (B,): KL(q || N(0, I)), right or with the bug of that name."""
    return KL_VARIANTS[name]
