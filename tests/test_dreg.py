"""dreg_bound: the value of iwae_bound, and for the encoder a gradient right on average, and calm.

The exact gradient of E[L_2] comes from a square grid of noise, in a model with one latent.
"""

import math
from types import SimpleNamespace

import pytest
import torch
from test_objectives import LinearGaussian
from test_planted_faults import plant

import vae_lib as vl
from vae_lib import objectives

F64 = {"dtype": torch.float64}


def gradients(bound, model, x, k):
    """The gradients of the mean bound in the encoder's and in the decoder's parameters."""
    encoder, decoder = list(model.encoder.parameters()), [*model.decoder.parameters()]
    leaves = [p for p in {id(p): p for p in encoder + decoder}.values() if p.requires_grad]
    found = torch.autograd.grad(bound(model, x, k).value.mean(), leaves, allow_unused=True)
    by_id = {id(p): g for p, g in zip(leaves, found, strict=True)}
    return [by_id[id(p)] for p in encoder if p.requires_grad], [by_id[id(p)] for p in decoder]


def one_latent(n, m=0.4, logvar=-0.3):
    """A model with one latent and one pixel, whose q has n leaves for its mean and logvar."""
    lab = vl.LinearGaussian(torch.ones(1, 1, **F64), torch.zeros(1, **F64), 0.8)
    leaves = [torch.full((n, 1), v, **F64, requires_grad=True) for v in (m, logvar)]
    view = SimpleNamespace(
        encode=lambda x: leaves, decode=lab.decode, likelihood=lab.likelihood
    )  # fmt: skip
    return view, leaves, torch.full((n, 1), 0.9, **F64)


def exact_gradient(k):
    """Of E[L_k] in mean and logvar, k = 1 or 2, by quadrature over the noise."""
    line = torch.linspace(-7, 7, 401, **F64)
    mass = torch.softmax(-line.square() / 2, 0)
    model, leaves, x = one_latent(1)
    z = leaves[0] + torch.exp(0.5 * leaves[1]) * line[:, None]
    log_px_z = model.likelihood.log_prob(x.expand(401, 1), model.decode(z))
    log_pz = vl.gaussian_log_prob(z, torch.zeros_like(z), 0.0)
    log_q = vl.gaussian_log_prob(z, *(t.expand(401, 1) for t in leaves))
    log_w = log_px_z + log_pz - log_q
    if k == 1:
        value = mass @ log_w
    else:
        value = mass @ (torch.logaddexp(log_w[:, None], log_w) - math.log(2)) @ mass
    return torch.cat(torch.autograd.grad(value, leaves)).flatten()


def draws_of_gradient(bound, k, n=100_000):
    model, leaves, x = one_latent(n)
    return torch.cat(torch.autograd.grad(bound(model, x, k).value.sum(), leaves), 1)


def check_value(dreg_bound):
    """The same three numbers from the same seed."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(20)
    for k in (1, 3, 10):
        torch.manual_seed(2)
        ours = dreg_bound(model, x, k)
        torch.manual_seed(2)
        assert all(torch.equal(a, b) for a, b in zip(ours, vl.iwae_bound(model, x, k), strict=True))


def check_decoder(dreg_bound):
    """From the same draws the decoder gets the gradient of iwae_bound."""
    model, x = vl.make_model("vae", "mlp", 3, hidden=[20]), torch.rand(6, 1, 28, 28).round()
    for k in (1, 5):
        found = []
        for bound in (dreg_bound, vl.iwae_bound):
            torch.manual_seed(3)
            found.append(gradients(bound, model, x, k)[1])
        for ours, theirs in zip(*found, strict=True):
            torch.testing.assert_close(ours, theirs)


def check_unbiased(dreg_bound):
    """Within 5 standard errors of the exact gradient, for one and two weights."""
    for k in (1, 2):
        draws, exact = draws_of_gradient(dreg_bound, k), exact_gradient(k)
        error = draws.std(0) / math.sqrt(len(draws))
        assert ((draws.mean(0) - exact).abs() < 5 * error).all(), (k, draws.mean(0), exact)
        assert (error < 0.05 * exact.abs()).all()


def check_landing(dreg_bound):
    """At the exact posterior the encoder's gradient is zero for every draw, whatever k."""
    model = LinearGaussian()
    x = model.images(9)
    for k in (1, 4):
        ours = gradients(dreg_bound, model, x, k)[0]
        theirs = gradients(vl.iwae_bound, model, x, k)[0]
        assert max(g.abs().max() for g in ours[:2]) < 1e-9
        assert min(g.abs().max() for g in theirs[:2]) > 1e-3


CHECKS = {
    "value": check_value,
    "decoder": check_decoder,
    "unbiased": check_unbiased,
    "landing": check_landing,
}


@pytest.mark.parametrize("name", CHECKS)
def test_dreg(name):
    CHECKS[name](vl.dreg_bound)


def test_the_estimate_of_iwae_agrees_with_the_exact_gradient():
    """So the quadrature and the plain estimator confirm each other."""
    check_unbiased(vl.iwae_bound)


def test_one_weight_is_the_path_alone():
    """k = 1: the slope of log w in z times that of z, written out by hand."""
    model, leaves, x = one_latent(50)
    torch.manual_seed(4)
    ours = torch.autograd.grad(vl.dreg_bound(model, x, 1).value.sum(), leaves)
    torch.manual_seed(4)
    z = vl.reparameterize(*leaves).detach()
    mu, logvar = (t.detach() for t in leaves)
    slope = (x - z) / 0.8**2 - z + (z - mu) / logvar.exp()
    torch.testing.assert_close(ours[0], slope, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ours[1], slope * (z - mu) / 2, rtol=1e-6, atol=1e-6)


def test_calmer_than_iwae():
    """Near the posterior, eight weights: less than a third of the standard deviation."""
    calm, noisy = (draws_of_gradient(b, 8, 5000).std(0) for b in (vl.dreg_bound, vl.iwae_bound))
    assert (calm < noisy / 3).all()


def test_without_gradients():
    model = LinearGaussian(0.4, 0.7)
    with torch.no_grad():
        assert not vl.dreg_bound(model, model.images(3), 4).value.requires_grad
    with pytest.raises(ValueError, match="at least 1, got 0"):
        vl.dreg_bound(model, model.images(3), 0)


FAULTS = {
    "no hook": ("share * gradient", "gradient", ["unbiased"]),
    "shares twice": ("share * gradient", "share * share * gradient", ["unbiased"]),
    "the score kept": ("fixed_q=True", "fixed_q=False", ["landing", "unbiased"]),
    "shares over the batch": ("softmax(log_w.detach(), 0)", "softmax(log_w.detach(), 1)",
                              ["unbiased"]),
    "no log k": (" - math.log(k)", "", ["value"]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault):
    old, new, names = FAULTS[fault]
    faulty = plant(objectives, old, new, "def dreg_bound").dreg_bound
    for name in names:
        with pytest.raises(AssertionError):
            CHECKS[name](faulty)
