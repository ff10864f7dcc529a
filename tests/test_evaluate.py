"""Evaluation: exact on the linear-Gaussian model, repeatable, and it disturbs nothing."""

import math
import random
from collections import Counter

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from test_objectives import LinearGaussian, mean_and_error
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vae_lib import (
    active_units,
    elbo,
    evaluate_bound,
    evaluate_elbo,
    iwae_bound,
    kl_per_dimension,
    log_likelihood,
    make_model,
    posterior,
)
from vae_lib.exact import latent_grid, log_evidence_on_grid
from vae_lib.likelihoods import Bernoulli
from vae_lib.objectives import log_weights

FUNCTIONS = {
    "evaluate_bound": lambda m, x: evaluate_bound(m, lambda m, x: iwae_bound(m, x, 2), x),
    "evaluate_elbo": evaluate_elbo,
    "log_likelihood": lambda m, x: log_likelihood(m, x, 3),
    "posterior": posterior,
    "kl_per_dimension": kl_per_dimension,
    "active_units": active_units,
}


class Constant(nn.Module):
    """A decoder that returns a tensor which it keeps, whatever z."""

    latent_dim = 2

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, z):
        return self.logits.expand(len(z), *self.logits.shape)


class Largest(TorchDispatchMode):
    """The elements of the largest tensor made; calls of and elements made by each operation."""

    def __init__(self):
        super().__init__()
        self.elements, self.calls, self.made = 0, Counter(), Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        made = [t.numel() for t in tree_leaves(out) if torch.is_tensor(t)]
        self.elements = max(self.elements, *made, 0)
        self.calls[func.overloadpacket.__name__] += 1
        self.made[func.overloadpacket.__name__] += sum(made)
        return out


def check_log_likelihood(log_likelihood):
    """Exact for every k and chunk where q is exact; near exact log p(x) for a perturbed q."""
    model = LinearGaussian()
    x = model.images(7)
    for k, chunk in ((1, 50), (7, 3), (50, 100), (50, 120)):
        ours = log_likelihood(model, x, k, chunk=chunk)
        torch.testing.assert_close(ours, model.exact(x), rtol=0, atol=1e-6)
    model = LinearGaussian(0.3, 0.4)
    x = model.images(20)
    errors = [
        (log_likelihood(model, x, k, chunk=500) - model.exact(x)).abs().mean().item()
        for k in (10, 10_000)
    ]
    assert errors[1] < 0.02 < errors[0]


def check_against_log_weights(log_likelihood):
    """Image by image, the same draws through `objectives.log_weights`: within 1e-3 nats.

    Both nets, a likelihood that has a faster road and one that has none, k in one and in parts.
    """
    for net, likelihood in (("mlp", "bernoulli"), ("conv", "bernoulli"), ("mlp", "gaussian")):
        model = make_model("vae", net, 5, likelihood=likelihood).eval()
        for x in torch.rand(2, 1, 1, 28, 28).round():
            for chunk in (3, 20, 21):
                torch.manual_seed(4)
                with torch.no_grad():
                    parts = [
                        log_weights(model, x, len(n))[0] for n in torch.arange(20).split(chunk)
                    ]
                log_w = torch.cat(parts)
                plain = torch.logsumexp(log_w.double(), 0) - math.log(20)
                ours = log_likelihood(model, x, 20, chunk=chunk, seed=4)
                torch.testing.assert_close(ours, plain, rtol=0, atol=1e-3)


def check_large_logits(log_likelihood):
    """Logits of 0, +-1, +-60 and +-10^4 against float64; q is the prior, so log w is log p(x|z)."""
    for shape in ((1, 28, 28), (1, 1, 101), (3, 5, 7)):
        model = make_model("vae", "mlp", 2, image_shape=shape)
        for head in model.encoder.heads:
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)
        x = torch.rand(6, *shape).round()
        for scale in (0.0, 1.0, 60.0, 1e4):
            model.decoder = Constant(scale * torch.randn(shape).sign())
            logits = model.decoder.logits.detach().double().flatten()
            wanted = x.flatten(1).double() @ logits - F.softplus(logits).sum()
            torch.testing.assert_close(log_likelihood(model, x, 3), wanted, rtol=1e-6, atol=1e-4)


def check_kl_per_dimension(kl_per_dimension):
    """They sum to the KL term of the evaluation, one a latent."""
    model = make_model("vae", "mlp", 5)
    x = torch.rand(11, 1, 28, 28)
    parts = kl_per_dimension(model, x)
    assert parts.shape == (5,)
    assert abs(parts.sum().item() - evaluate_elbo(model, x).kl) < 1e-5


def test_log_likelihood():
    check_log_likelihood(log_likelihood)


def test_log_likelihood_is_that_of_log_weights():
    check_against_log_weights(log_likelihood)


def test_log_likelihood_of_large_logits():
    check_large_logits(log_likelihood)


def test_kl_per_dimension():
    check_kl_per_dimension(kl_per_dimension)


def test_evaluate_elbo_is_exact_in_the_mean():
    """Over 200 evaluations of 100 images, within 5 standard errors of log p(x) - gap."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(100)
    exact = (model.exact(x).mean() - model.gap()).item()
    bound = evaluate_elbo(model, x, samples=200)
    one_draw = elbo(model, x.repeat(50, 1, 1, 1)).value.view(50, 100).std(0).mean().item()
    assert abs(bound.value - exact) < 5 * one_draw / (200 * 100) ** 0.5
    assert abs(bound.value - (bound.log_px_z - bound.kl)) < 1e-9
    assert all(isinstance(part, float) for part in bound)


def test_more_samples_are_fresh_samples():
    """The spread of a 16-sample evaluation is about a quarter of that of one sample."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(20)
    spread = [
        torch.tensor([evaluate_elbo(model, x, n, seed=s).value for s in range(60)]).std()
        for n in (1, 16)
    ]
    assert 0.15 < spread[1] / spread[0] < 0.4


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_disturbed(name, training):
    """Random streams, train mode and gradients are as before; a second call gives the same."""
    model = make_model("vae", "mlp", 3).train(training)
    x = torch.randint(0, 256, (6, 1, 28, 28)).byte()
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    first, second = FUNCTIONS[name](model, x), FUNCTIONS[name](model, x)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    assert torch.equal(before[0], after[0]) and before[1:] == after[1:]
    assert model.training == training and model.encoder.training == training
    assert all(p.grad is None for p in model.parameters())
    torch.testing.assert_close(first, second, rtol=0, atol=0)


def test_the_mode_is_restored_after_an_error():
    model = make_model("vae", "mlp", 3).train()
    x, state = torch.rand(2, 1, 8, 8), torch.get_rng_state()
    with pytest.raises(ValueError):
        evaluate_elbo(model, x)
    assert model.training and torch.equal(torch.get_rng_state(), state)


def test_evaluation_is_in_eval_mode():
    """Dropout is off: two evaluations with other seeds have one KL."""
    model = make_model("vae", "mlp", 3)
    model.encoder.features.append(nn.Dropout(0.5))
    x = torch.rand(6, 1, 28, 28)
    assert evaluate_elbo(model, x, seed=1).kl == evaluate_elbo(model, x, seed=2).kl


def test_seeds_and_batches():
    """Other seeds, other draws; uint8 and [0, 1] images are one; batch size is immaterial."""
    model = make_model("vae", "mlp", 3)
    x = torch.randint(0, 256, (7, 1, 28, 28)).byte()
    assert evaluate_elbo(model, x, seed=1).value != evaluate_elbo(model, x, seed=2).value
    assert evaluate_elbo(model, x) == evaluate_elbo(model, x / 255)
    kls = [evaluate_elbo(model, x, batch_size=b).kl for b in (2, 500)]
    assert abs(kls[0] - kls[1]) < 1e-5


class Collapsed(nn.Module):
    """mu = (3 * first pixel, 0.05 * second pixel, 1), logvar = 0."""

    def forward(self, x):
        pixels = x.flatten(1)
        mu = torch.stack([3 * pixels[:, 0], 0.05 * pixels[:, 1], 1 + 0 * pixels[:, 0]], 1)
        return mu, torch.zeros_like(mu)


def test_active_units():
    """Var of mu: 9/12 active, 0.0025/12 not, a constant mean of 1 not, though it costs KL."""
    model = make_model("vae", "mlp", 3, image_shape=(1, 1, 2))
    model.encoder = Collapsed()
    x = torch.rand(2000, 1, 1, 2)
    assert active_units(model, x) == 1
    assert active_units(model, x, threshold=1e-5) == 2
    assert abs(kl_per_dimension(model, x)[2].item() - 0.5) < 1e-6


def test_posterior():
    model = make_model("vae", "mlp", 4)
    x = torch.rand(9, 1, 28, 28)
    mu, logvar = posterior(model, x, batch_size=4)
    wanted = model.encode(x)
    torch.testing.assert_close((mu, logvar), wanted)
    assert not mu.requires_grad and not logvar.requires_grad


def test_log_likelihood_does_not_depend_on_chunk():
    """In distribution: the means over 400 images agree within 5 standard errors; (N,) float64."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(400)
    a, b = (log_likelihood(model, x, 20, chunk=c, seed=c) for c in (3, 200))
    assert a.shape == (400,) and a.dtype == torch.float64
    difference, error = mean_and_error(a - b)
    assert abs(difference) < 5 * error


def test_log_likelihood_by_quadrature():
    """The Bernoulli road against a sum over a latent plane: below log p(x), by less than 0.05."""
    model = make_model("vae", "mlp", 2, image_shape=(1, 4, 4))
    for parameter in model.decoder.parameters():
        parameter.data *= 3
    x = torch.rand(20, 1, 4, 4).round()
    exact = log_evidence_on_grid(model, x, *latent_grid(2, 201, dtype=torch.float32)).double()
    difference = log_likelihood(model, x, 20_000) - exact
    assert difference.abs().max() < 0.05


def test_k_means_k():
    """Exactly k decodings an image, never more than `chunk` at once, for small and large k."""
    model, sizes = LinearGaussian(), []
    decode = model.decode
    model.decode = lambda z: sizes.append(len(z)) or decode(z)
    for k, chunk, largest in ((107, 80, 80), (107, 1000, 963), (3, 1, 1)):
        sizes.clear()
        log_likelihood(model, model.images(25), k=k, chunk=chunk)
        assert sum(sizes) == k * 25
        assert max(sizes) == largest
    for k in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, got {k}"):
            log_likelihood(model, model.images(1), k=k)
    with pytest.raises(ValueError, match="chunk counts decodings"):
        log_likelihood(model, model.images(1), k=1, chunk=0)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_memory_is_bounded_by_chunk(likelihood):
    """No tensor is larger than `chunk` images, at any k; an image is encoded once at any k."""
    model = make_model("vae", "mlp", 2, hidden=(8,), likelihood=likelihood)
    x, encoded = torch.rand(3, 1, 28, 28).round(), []
    model.encoder.register_forward_hook(lambda *_: encoded.append(1))
    for k in (40, 400, 2000):
        encoded.clear()
        with Largest() as largest:
            log_likelihood(model, x, k, chunk=40)
        assert largest.elements == 40 * 784
        assert len(encoded) == 3


def test_nothing_is_read_between_chunks():
    """A number that is read makes a GPU wait: as many are read at k = 2,000 as at k = 40."""
    model, x = make_model("vae", "mlp", 2), torch.rand(3, 1, 28, 28).round()
    counts = []
    for k in (40, 2000):
        with Largest() as largest:
            log_likelihood(model, x, k, chunk=40)
        counts.append(largest.calls)
    for name in ("_local_scalar_dense", "_to_copy", "nonzero", "is_nonzero"):
        assert counts[0][name] == counts[1][name], name


def test_transcendental_functions_are_counted():
    """For a decoding of 784 pixels: 784 sigmoids in place and 8 logarithms, no softplus."""
    model, x = make_model("vae", "mlp", 2), torch.rand(3, 1, 28, 28).round()
    with Largest() as largest:
        log_likelihood(model, x, 200, chunk=40)
    assert largest.made["sigmoid_"] == 3 * 200 * 784
    assert 3 * 200 * 8 <= largest.made["log"] <= 3 * 200 * 8 + 10
    others = {"exp": 100, "log1p": 0, "softplus": 0, "log_sigmoid_forward": 0}
    assert all(largest.made[name] <= most for name, most in others.items())


@pytest.mark.parametrize("likelihood", ["bernoulli", "continuous_bernoulli"])
def test_what_the_decoder_keeps_is_not_written_to(likelihood):
    model = make_model("vae", "mlp", 2, likelihood=likelihood)
    model.decoder = Constant(torch.randn(1, 28, 28))
    before = model.decoder.logits.detach().clone()
    log_likelihood(model, torch.rand(2, 1, 28, 28), 4)
    assert torch.equal(model.decoder.logits, before)


def test_a_likelihood_derived_from_bernoulli_keeps_its_own_log_prob():
    class Halved(Bernoulli):
        def log_prob(self, x, params):
            return super().log_prob(x, params) / 2

    model = make_model("vae", "mlp", 2, likelihood=Halved())
    model.decoder = Constant(torch.zeros(1, 28, 28))
    for head in model.encoder.heads:
        nn.init.zeros_(head.weight)
        nn.init.zeros_(head.bias)
    half = log_likelihood(model, torch.rand(2, 1, 28, 28).round(), 4)
    assert (half + 392 * math.log(2)).abs().max() < 1e-3


def test_empty_sets_are_refused():
    with pytest.raises(ValueError, match="no images"):
        evaluate_elbo(make_model("vae", "mlp", 2), torch.rand(0, 1, 28, 28))
