"""Objectives against a model whose log p(x) is exact: the linear-Gaussian one.

p(z) = N(0, I), p(x given z) = N(W z + b, s^2 I), so p(x) = N(b, W W^T + s^2 I).  The columns of W
are orthogonal, hence M = W^T W + s^2 I and the posterior N(M^-1 W^T (x - b), s^2 M^-1) are
diagonal: the encoder can be exact, and the ELBO is then log p(x).
"""

import math
from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import distributions as td
from torch import nn

from vae_lib import (
    VAE,
    beta_elbo,
    effective_beta,
    elbo,
    implied_sigma,
    iwae_bound,
    make_model,
    reconstruction_log_prob,
    reparameterize,
)
from vae_lib.likelihoods import Bernoulli, Gaussian
from vae_lib.objectives import log_weights, mean_bound

D, J = 6, 2


class ExactEncoder(nn.Module):
    """The exact posterior of the decoder; `shift` and `wider` perturb mean and log-variance."""

    image_shape = (1, 2, 3)

    def __init__(self, linear, s2, shift=0.0, wider=0.0):
        super().__init__()
        self.linear, self.s2 = linear, s2
        self.shift = nn.Parameter(torch.full((J,), shift, dtype=torch.float64))
        self.wider = nn.Parameter(torch.full((J,), wider, dtype=torch.float64))

    def forward(self, x):
        w, b = self.linear.weight, self.linear.bias
        m = (w.T @ w).diagonal() + self.s2
        mu = (x.flatten(1) - b) @ w / m
        return mu + self.shift, (self.s2 / m).log().expand_as(mu) + self.wider


class LinearGaussian(VAE):
    """The model and its exact log p(x) and gap; everything in float64."""

    def __init__(self, shift=0.0, wider=0.0):
        likelihood = Gaussian(0.5).double()
        s2 = likelihood.logvar.exp().item()
        linear = nn.Linear(J, D, dtype=torch.float64)
        columns = torch.linalg.qr(torch.randn(D, J, dtype=torch.float64))[0]
        linear.weight.data = columns * torch.tensor([1.5, 0.7])
        decoder = nn.Sequential(linear, nn.Unflatten(1, (1, 2, 3)))
        decoder.latent_dim = J
        super().__init__(ExactEncoder(linear, s2, shift, wider), decoder, likelihood)
        cov = linear.weight @ linear.weight.T + s2 * torch.eye(D, dtype=torch.float64)
        self.marginal = td.MultivariateNormal(linear.bias.detach(), cov.detach())

    def images(self, n):
        return self.marginal.sample((n,)).view(n, 1, 2, 3)

    def exact(self, x):
        """log p(x), (B,) nats."""
        return self.marginal.log_prob(x.flatten(1))

    def gap(self):
        """KL(q || posterior), the same for every x."""
        logvar = self.encoder(torch.zeros(1, 1, 2, 3, dtype=torch.float64))[1]
        sd = (0.5 * (logvar - self.encoder.wider)).exp()
        q = td.Normal(self.encoder.shift, (0.5 * logvar).exp())
        return td.kl_divergence(q, td.Normal(torch.zeros_like(sd), sd)).sum()


def mean_and_error(values):
    """Mean over dim 0, and its standard error."""
    return values.mean(0), values.std(0) / math.sqrt(len(values))


def check_elbo(elbo, n=20_000):
    """E[ELBO] = log p(x) - KL(q || posterior), its KL term is exact, and its slopes are right."""
    for shift, wider in ((0.0, 0.0), (0.4, 0.7)):
        model = LinearGaussian(shift, wider)
        x = model.images(3)
        bound = elbo(model, x.repeat(n, 1, 1, 1))
        mu, logvar = model.encode(x)
        q, p = td.Normal(mu, (logvar / 2).exp()), td.Normal(torch.zeros_like(mu), 1.0)
        kl = td.kl_divergence(q, p).sum(1)
        torch.testing.assert_close(bound.kl, kl.repeat(n))
        torch.testing.assert_close(bound.value, bound.log_px_z - bound.kl)
        value, error = mean_and_error(bound.value.detach().view(n, 3))
        assert ((value - (model.exact(x) - model.gap())).abs() < 5 * error + 1e-9).all()
        check_slopes(model, bound.value.mean())


def check_slopes(model, mean_value):
    """Over phi, the mean ELBO falls exactly as KL(q || posterior) rises."""
    phi = (model.encoder.shift, model.encoder.wider)
    for ours, exact in zip(
        torch.autograd.grad(mean_value, phi, allow_unused=True),
        torch.autograd.grad(-model.gap(), phi),
        strict=True,
    ):
        assert ours is not None, "no gradient reaches the encoder"
        assert (ours - exact).abs().max() < 0.05


def check_iwae(iwae_bound):
    """At the exact posterior the weights are constant: the bound is log p(x) for every k."""
    model = LinearGaussian()
    x = model.images(4)
    for k in (1, 5):
        bound = iwae_bound(model, x, k)
        torch.testing.assert_close(bound.value, model.exact(x), rtol=0, atol=1e-7)
        torch.testing.assert_close(bound.log_px_z - bound.kl, bound.value)


def check_iwae_rises(iwae_bound, n=4000):
    """E[L_k] rises with k and stays under log p(x): differences over the same images."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(n)
    with torch.no_grad():
        values = [iwae_bound(model, x, k).value for k in (1, 2, 5, 20)]
    for lower, higher in zip(values, [*values[1:], model.exact(x)], strict=True):
        rise, error = mean_and_error(higher - lower)
        assert rise > 3 * error
    start, error = mean_and_error(values[0] - model.exact(x) + model.gap())
    assert start.abs() < 5 * error


def written_loss(model, x, reconstruction, kl, weights, squared):
    """A loss as others write it: each term summed or averaged, times its weight."""
    mu, logvar = model.encode(x)
    params = model.decode(reparameterize(mu, logvar))
    if squared:
        pixels = F.mse_loss(params, x, reduction="none")
    else:
        pixels = F.binary_cross_entropy_with_logits(params, x, reduction="none")
    latents = 0.5 * (mu**2 + logvar.exp() - 1 - logvar)
    terms = getattr(pixels.flatten(1), reconstruction)(1), getattr(latents, kl)(1)
    return (weights[0] * terms[0] + weights[1] * terms[1]).mean()


def direction(value, model):
    """The gradient of value in all parameters, as one vector of length 1."""
    slopes = torch.autograd.grad(value, [p for p in model.parameters() if p.requires_grad])
    return F.normalize(torch.cat([slope.flatten() for slope in slopes]), dim=0)


def check_effective_beta(effective_beta):
    """The written loss and -beta_elbo pull every parameter in one direction, from one draw."""
    for sigma, weights in product((None, 0.3, 2.0), ((1.0, 1.0), (5.0, 0.2))):
        model = LinearGaussian(0.4, 0.7)
        x = model.images(5) if sigma else torch.rand(5, 1, 2, 3).round().double()
        model.likelihood = Gaussian(sigma).double() if sigma else Bernoulli()
        for reconstruction, kl in product(("sum", "mean"), repeat=2):
            torch.manual_seed(1)
            loss = written_loss(model, x, reconstruction, kl, weights, squared=bool(sigma))
            beta = effective_beta(D, J, reconstruction, kl, *weights, sigma=sigma)
            torch.manual_seed(1)
            same = direction(-beta_elbo(model, x, beta).value.mean(), model)
            torch.testing.assert_close(direction(loss, model), same, rtol=1e-5, atol=1e-6)


def check_implied_sigma(implied_sigma):
    """With that sigma the loss has beta 1; a mean over 784 pixels in [0, 1] means sd 19.8."""
    for loss in (dict(reconstruction="mean", kl="mean"), dict(kl_weight=3.0), {}):
        sigma = implied_sigma(784, 20, **loss)
        assert effective_beta(784, 20, **loss, sigma=sigma) == pytest.approx(1)
    assert implied_sigma(784, 20, reconstruction="mean") == pytest.approx(19.8, abs=0.005)


def test_elbo():
    check_elbo(elbo)


def test_effective_beta():
    check_effective_beta(effective_beta)


def test_implied_sigma():
    check_implied_sigma(implied_sigma)


@pytest.mark.parametrize("beta, loss", [
    (2.048, dict(pixels=1024, latents=2, reconstruction="mean", reconstruction_weight=500)),
    (3.92, dict(pixels=784, latents=200, reconstruction="mean", kl="mean")),
    (1.536, dict(pixels=3 * 64**2, latents=128, reconstruction="mean", kl_weight=0.00025, sigma=1)),
    (784, dict(pixels=784, latents=20, reconstruction="mean")),
    (1, dict(pixels=784, latents=20)),
])  # fmt: skip
def test_beta_of_known_losses(beta, loss):
    """The values of well-known public code, and the two commonest of all."""
    assert effective_beta(**loss) == pytest.approx(beta)


@pytest.mark.parametrize("wrong", [
    dict(reconstruction="none"), dict(kl="batchmean"), dict(pixels=0), dict(latents=-1),
    dict(reconstruction_weight=0), dict(kl_weight=-1), dict(kl_weight=math.nan), dict(sigma=0),
    dict(sigma=-0.1),
])  # fmt: skip
def test_effective_beta_refuses(wrong):
    name = next(iter(wrong))
    with pytest.raises(ValueError, match=name):
        effective_beta(**(dict(pixels=784, latents=20) | wrong))
    with pytest.raises((ValueError, TypeError), match=name):
        implied_sigma(**(dict(pixels=784, latents=20) | wrong))


def test_iwae_is_exact_at_the_posterior():
    check_iwae(iwae_bound)


def test_iwae_rises_with_k():
    check_iwae_rises(iwae_bound)


def test_iwae_in_float32():
    """The same to 1e-4 nats in float32."""
    model = LinearGaussian()
    x = model.images(4)
    exact = model.exact(x)
    bound = iwae_bound(model.float(), x.float(), 5)
    torch.testing.assert_close(bound.value.double(), exact, rtol=0, atol=1e-4)


@torch.no_grad()
def test_log_weights_belong_to_their_images():
    """Weight [i, b] is of image b: with an exact posterior each column is one log p(x)."""
    model = LinearGaussian()
    x = model.images(5)
    log_w, log_px_z, _ = log_weights(model, x, 3)
    assert log_w.shape == log_px_z.shape == (3, 5)
    torch.testing.assert_close(log_w, model.exact(x).expand(3, 5))


@torch.no_grad()
def test_beta():
    """beta 1 is the ELBO of the same draw; any beta weighs the same two terms."""
    model = LinearGaussian(0.4, 0.7)
    x = model.images(7)
    plain, one, four = (
        torch.manual_seed(3) and f(model, x)
        for f in (elbo, lambda m, x: beta_elbo(m, x, 1.0), lambda m, x: beta_elbo(m, x, 4.0))
    )
    assert torch.equal(plain.value, one.value)
    torch.testing.assert_close(four.value, plain.log_px_z - 4 * plain.kl)
    torch.testing.assert_close((four.log_px_z, four.kl), (plain.log_px_z, plain.kl))


def test_refusals():
    model = LinearGaussian()
    with pytest.raises(ValueError, match="beta"):
        beta_elbo(model, model.images(1), -0.1)
    for k in (0, -3):
        with pytest.raises(ValueError, match=f"at least 1, got {k}"):
            iwae_bound(model, model.images(1), k)


def test_reconstruction_is_deterministic():
    model, x = make_model("autoencoder", "mlp", 3), torch.rand(2, 1, 28, 28).round()
    value, log_px_z, kl = reconstruction_log_prob(model, x)
    theirs = td.Bernoulli(logits=model.decode(model.encode(x))).log_prob(x).sum((1, 2, 3))
    torch.testing.assert_close(value, theirs)
    assert torch.equal(value, log_px_z) and torch.equal(kl, torch.zeros(2))


def test_mean_bound_weighs_images_not_batches():
    """Batches of unequal size: the mean is over images."""
    images = torch.arange(5.0).view(5, 1, 1, 1)

    def objective(_, x):
        return [x.flatten(), 2 * x.flatten(), torch.zeros(len(x))]

    bound = mean_bound(None, objective, images.split(3))
    assert bound == (2.0, 4.0, 0.0)


@pytest.mark.parametrize("net", ["mlp", "conv"])
@pytest.mark.parametrize("objective", [elbo, lambda m, x: iwae_bound(m, x, 3)])
def test_under_bfloat16_autocast(net, objective):
    """The nets run in bfloat16, the bound is float32 and close to the float32 bound."""
    model, x = make_model("vae", net, 4), torch.rand(8, 1, 28, 28)
    torch.manual_seed(1)
    full = objective(model, x)
    torch.manual_seed(1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.encode(x)[0].dtype == torch.bfloat16
        half = objective(model, x)
    for f, h in zip(full, half, strict=True):
        assert h.dtype == torch.float32
        torch.testing.assert_close(h, f, rtol=5e-3, atol=0.02)


@pytest.mark.parametrize("logvar", [-50.0, 50.0])
@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "continuous_bernoulli"])
def test_extreme_posteriors_stay_finite(logvar, likelihood):
    """An encoder at logvar +-50 gives a finite bound; at -50 its gradient is finite too."""
    model = make_model("vae", "mlp", 3, likelihood=likelihood)
    nn.init.constant_(model.encoder.heads[1].bias, logvar)
    value = elbo(model, torch.rand(4, 1, 28, 28)).value
    assert value.isfinite().all()
    (-value.mean()).backward()
    for name, p in model.named_parameters():
        assert p.grad is None or p.grad.isfinite().all(), name
