"""Annealed importance sampling against exact values of log p(x), forwards and in reverse."""

import math

import pytest
import torch
from test_planted_faults import plant

import vae_lib as vl
from vae_lib import annealing
from vae_lib.exact import latent_grid, log_evidence_on_grid


def lab(J=2, D=4, sigma=0.5):
    generator = torch.Generator().manual_seed(J)
    W = torch.randn(D, J, generator=generator, dtype=torch.float64)
    return vl.LinearGaussian(W, torch.ones(D, dtype=torch.float64), sigma).requires_grad_(False)


class Lost(vl.LinearGaussian):
    """An encoder that looks far away: its mean is wrong, its widths are not."""

    def encode(self, x):
        mu, logvar = super().encode(x)
        return mu + 30, logvar


def mean_and_error(values):
    return values.mean(0), values.std(0) / math.sqrt(len(values))


def check_forward(ais):
    """The mean weight is p(x), image by image, for one step, few and many."""
    model = lab(sigma=1.0)
    x = model.draw(3)[1]
    for steps in (1, 2, 5):
        found = ais(model, x, chains=20_000, steps=steps)
        t, error = mean_and_error((found.log_w - model.log_evidence(x)).exp())
        assert ((t - 1).abs() < 5 * error).all() and error.max() < 0.1, (steps, t, error)
        mean = torch.logsumexp(found.log_w, 0) - math.log(20_000)
        torch.testing.assert_close(found.log_px, mean)


def check_reverse(reverse_ais):
    """From exact draws of the posterior the mean weight is 1 / p(x)."""
    model = lab(sigma=1.0)
    x = model.draw(3)[1]
    mean, covariance = model.posterior(x)
    z = torch.distributions.MultivariateNormal(mean, covariance).sample((20_000,))
    for steps in (4, 8):
        found = reverse_ais(model, x, z, chains=20_000, steps=steps)
        t, error = mean_and_error((found.log_w + model.log_evidence(x)).exp())
        assert ((t - 1).abs() < 5 * error).all() and error.max() < 0.1, (steps, t, error)
        mean = math.log(20_000) - torch.logsumexp(found.log_w, 0)
        torch.testing.assert_close(found.log_px, mean)


CHECKS = {"ais": check_forward, "reverse_ais": check_reverse}


@pytest.mark.parametrize("name", CHECKS)
def test_the_mean_weight_is_exact(name):
    CHECKS[name](getattr(vl, name))


def test_the_truth_lies_in_the_sandwich():
    """On average over images that the model drew, ever more closely as the steps grow."""
    model = lab(J=4, D=6)
    z, x = model.draw(100)
    truth, width = model.log_evidence(x), []
    for steps in (5, 20, 80):
        below = vl.ais(model, x, chains=4, steps=steps).log_px
        above = vl.reverse_ais(model, x, z, chains=4, steps=steps).log_px
        width.append((above - below).mean())
        for lower, upper in ((below, truth), (truth, above)):
            rise, error = mean_and_error(upper - lower)
            assert rise > -4 * error
    assert width[0] > 2 * width[1] > 4 * width[2] and width[2] < 0.3


def test_many_steps_are_close():
    """Within 0.1 nats on average of the exact values, 6 latents."""
    model = lab(J=6, D=9)
    x = model.draw(20)[1]
    found = vl.ais(model, x, chains=32, steps=400)
    assert (found.log_px - model.log_evidence(x)).abs().mean() < 0.1
    assert found.z.shape == (32, 20, 6) and found.log_w.shape == (32, 20)
    assert ((found.accepted > 0.6) & (found.accepted <= 1)).all()


def test_the_chains_end_in_the_posterior():
    """Mean and covariance of the last codes, one image."""
    model = lab()
    x = model.draw(1)[1]
    mean, covariance = model.posterior(x)
    z = vl.ais(model, x, chains=4000, steps=100).z[:, 0]
    error = (z.mean(0) - mean[0]) / covariance.diagonal().sqrt()
    assert error.abs().max() < 0.1
    torch.testing.assert_close(torch.cov(z.T), covariance, rtol=0.15, atol=0.02)


def test_the_place_of_the_encoder_does_not_matter():
    """It lends its widths only: an encoder that is lost gives the same, to the last bit."""
    model = lab()
    lost = Lost(model.W, model.b, 0.5).requires_grad_(False)
    x = model.draw(4)[1]
    assert torch.equal(vl.ais(model, x, 3, 10).log_w, vl.ais(lost, x, 3, 10).log_w)
    assert vl.log_likelihood(lost, x, 500).max() < vl.ais(lost, x, 16, 200).log_px.min() - 100


def test_a_network_against_quadrature():
    """A VAE with binary pixels and two latents, its decoder made steep: within 0.25 nats."""
    model = vl.make_model("vae", "mlp", 2, hidden=[10], image_shape=(1, 4, 4))
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(4)
    model.requires_grad_(False)
    z = torch.randn(12, 2)
    x = model.likelihood.draw(model.decode(z))
    grid = latent_grid(2, points=301, radius=6.0, dtype=torch.float32)
    truth = log_evidence_on_grid(model, x, *grid).double()
    below = vl.ais(model, x, chains=32, steps=300).log_px
    above = vl.reverse_ais(model, x, z, chains=32, steps=300).log_px
    assert (below - truth).abs().max() < 0.25 and (above - truth).abs().max() < 0.25


def test_it_disturbs_nothing_and_repeats_itself():
    model, x = vl.make_model("vae", "mlp", 3, hidden=[20]), torch.rand(4, 1, 28, 28).round()
    state = torch.get_rng_state()
    one, two = (vl.ais(model, x, 2, 5, seed=7) for _ in range(2))
    other = vl.ais(model, (255 * x).to(torch.uint8), 2, 5, seed=8)
    assert torch.equal(one.log_w, two.log_w) and not torch.equal(one.log_w, other.log_w)
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert all(p.grad is None for p in model.parameters())
    assert one.log_px.dtype == torch.float64 and not one.log_w.requires_grad


def test_refusals():
    model = lab()
    z, x = model.draw(2)
    for wrong in (dict(chains=0), dict(steps=0)):
        name = next(iter(wrong))
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            vl.ais(model, x, **wrong)
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            vl.reverse_ais(model, x, z, **wrong)
    for z_wrong in (z[:1], z[:, :1], z.expand(3, 2, 2), z.expand(1, 2, 2, 2)):
        with pytest.raises(ValueError, match=r"z must be \(2, 2\) or \(2, 2, 2\), got"):
            vl.reverse_ais(model, x, z_wrong, chains=2)


def test_one_draw_may_serve_all_chains():
    model = lab()
    z, x = model.draw(3)
    one, many = (vl.reverse_ais(model, x, c, chains=2).log_w for c in (z, z.expand(2, 3, 2)))
    assert torch.equal(one, many)


WEIGHT = "            log_w += (t - before) * state.log_px_z\n"
BACK = "            log_w -= (t - before) * state.log_px_z\n"
MOVE = "            state = chain.move(state, t)\n"
FAULTS = {
    "every move accepted": ("ais", "torch.rand_like(start).log() <", "-math.inf <"),
    "the push left out": ("ais", "(state.z.square() + push.square())", "state.z.square()"),
    "the prior's half": ("ais", "t * state.log_px_z - 0.5", "t * state.log_px_z - 1.0"),
    "no annealing of the moves": ("ais", "t * state.log_px_z - 0.5", "state.log_px_z - 0.5"),
    "weight after the move": ("ais", WEIGHT + MOVE, MOVE + WEIGHT),
    "no log of the chains": ("ais", " - math.log(chains)", ""),
    "the path ends early": ("ais", "range(steps + 1)", "range(steps)"),
    "reverse: weight first": ("reverse_ais", MOVE + BACK, BACK + MOVE),
    "reverse: sign": ("reverse_ais", "log_w -= (t", "log_w += (t"),
    "reverse: not reversed": ("reverse_ais", "reversed(_steps_of(steps))", "_steps_of(steps)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault):
    name, old, new = FAULTS[fault]
    after = "def reverse_ais" if name == "reverse_ais" else ""
    with pytest.raises(AssertionError):
        CHECKS[name](getattr(plant(annealing, old, new, after), name))
