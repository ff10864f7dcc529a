"""Evaluation: exact on the linear-Gaussian model, repeatable, and it disturbs nothing."""

import random

import numpy as np
import pytest
import torch
from test_objectives import LinearGaussian, mean_and_error
from torch import nn

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

FUNCTIONS = {
    "evaluate_bound": lambda m, x: evaluate_bound(m, lambda m, x: iwae_bound(m, x, 2), x),
    "evaluate_elbo": evaluate_elbo,
    "log_likelihood": lambda m, x: log_likelihood(m, x, 3),
    "posterior": posterior,
    "kl_per_dimension": kl_per_dimension,
    "active_units": active_units,
}


def check_log_likelihood(log_likelihood):
    """Exact for every k and chunk where q is exact; near exact log p(x) for a perturbed q."""
    model = LinearGaussian()
    x = model.images(7)
    for k, chunk, batch_size in ((1, 50, 100), (7, 3, 2), (50, 50, 3)):
        ours = log_likelihood(model, x, k, batch_size=batch_size, chunk=chunk)
        torch.testing.assert_close(ours, model.exact(x), rtol=0, atol=1e-6)
    model = LinearGaussian(0.3, 0.4)
    x = model.images(20)
    errors = [
        (log_likelihood(model, x, k, chunk=500) - model.exact(x)).abs().mean().item()
        for k in (10, 10_000)
    ]
    assert errors[1] < 0.02 < errors[0]


def check_kl_per_dimension(kl_per_dimension):
    """They sum to the KL term of the evaluation, one a latent."""
    model = make_model("vae", "mlp", 5)
    x = torch.rand(11, 1, 28, 28)
    parts = kl_per_dimension(model, x)
    assert parts.shape == (5,)
    assert abs(parts.sum().item() - evaluate_elbo(model, x).kl) < 1e-5


def test_log_likelihood():
    check_log_likelihood(log_likelihood)


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
    a, b = (log_likelihood(model, x, 20, chunk=c, seed=c) for c in (3, 20))
    assert a.shape == (400,) and a.dtype == torch.float64
    difference, error = mean_and_error(a - b)
    assert abs(difference) < 5 * error


def test_k_means_k_and_memory_is_bounded():
    """Exactly k decodings an image, never more than chunk * batch_size at once."""
    model, sizes = LinearGaussian(), []
    decode = model.decode
    model.decode = lambda z: sizes.append(len(z)) or decode(z)
    log_likelihood(model, model.images(25), k=107, batch_size=10, chunk=8)
    assert sum(sizes) == 107 * 25
    assert max(sizes) == 80
    for k in (0, -1):
        with pytest.raises(ValueError, match=f"at least 1, got {k}"):
            log_likelihood(model, model.images(1), k=k)


def test_empty_sets_are_refused():
    with pytest.raises(ValueError, match="no images"):
        evaluate_elbo(make_model("vae", "mlp", 2), torch.rand(0, 1, 28, 28))
