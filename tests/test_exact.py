"""The exact laboratory against dense Gaussians, conditioning, quadrature, Monte Carlo and slopes.

The functions `check_*` take the class or function under test, for test_planted_faults.
"""

import math
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import distributions as td
from torch import nn

import vae_lib as vl
from vae_lib import exact

SIGMA = 0.6
close = partial(torch.testing.assert_close, rtol=1e-9, atol=1e-9)


def random_model(LinearGaussian=vl.LinearGaussian, D=5, J=2, n=6):
    """A random model, n of its images, and the dense Gaussian of the pair (x, z)."""
    W, b = torch.randn(D, J, dtype=torch.float64), torch.randn(D, dtype=torch.float64)
    eye = torch.eye(D + J, dtype=torch.float64)
    loads = torch.cat([W, eye[:J, :J]])  # (x, z) = (b, 0) + loads z + noise
    cov = loads @ loads.T + SIGMA**2 * torch.block_diag(eye[:D, :D], 0 * eye[:J, :J])
    x = td.MultivariateNormal(b, cov[:D, :D]).sample((n,))
    return LinearGaussian(W, b, SIGMA).requires_grad_(False), x, cov


def random_q(n=6, J=2):
    """mu and logvar, (n, J), that require a gradient."""
    mu, logvar = torch.randn(n, J).double(), torch.randn(n, J).double()
    return mu.requires_grad_(), logvar.requires_grad_()


def conditioned(model, x, cov):
    """p(z given x) from the covariance of (x, z): mean (B, J) and covariance (J, J)."""
    D = x.shape[1]
    gain = torch.linalg.solve(cov[:D, :D], cov[:D, D:]).T
    return (x - model.b) @ gain.T, cov[D:, D:] - gain @ cov[:D, D:]


def check_evidence(LinearGaussian):
    """log p(x): the dense Gaussian's, and a sum over a grid of latents."""
    for D, J in ((5, 2), (4, 1), (3, 3), (2, 4)):
        model, x, cov = random_model(LinearGaussian, D, J)
        dense = td.MultivariateNormal(model.b, cov[:D, :D]).log_prob(x)
        close(model.log_evidence(x), dense)
        if J < 3:
            close(vl.log_evidence_on_grid(model, x, *vl.latent_grid(J)), dense)


def check_posterior(LinearGaussian):
    """p(z given x): what conditioning the pair (x, z) gives."""
    for D, J in ((5, 2), (4, 1), (3, 3), (2, 4)):
        model, x, cov = random_model(LinearGaussian, D, J)
        mean, covariance = model.posterior(x)
        close((mean, covariance), conditioned(model, x, cov))
        close(model.precision() @ covariance, torch.eye(J, dtype=torch.float64))


def check_exact_elbo(LinearGaussian):
    """The ELBO falls short of log p(x) by KL(q || posterior); its KL part is the KL."""
    for D, J in ((5, 2), (4, 1), (3, 3), (2, 4)):
        model, x, cov = random_model(LinearGaussian, D, J)
        mu, logvar = random_q(6, J)
        q = td.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
        gap = td.kl_divergence(q, td.MultivariateNormal(*conditioned(model, x, cov)))
        evidence = td.MultivariateNormal(model.b, cov[:D, :D]).log_prob(x)
        bound = model.exact_elbo(x, mu, logvar)
        close(bound.value, evidence - gap)
        close(bound.kl, vl.gaussian_kl(mu, logvar))
        close(bound.value, bound.log_px_z - bound.kl)
        close(model.gap(x, mu, logvar), gap)


def check_encode(LinearGaussian):
    """No diagonal Gaussian has a higher ELBO: zero slopes, and every step away lowers it."""
    for D, J in ((5, 2), (3, 3)):
        model, x, _ = random_model(LinearGaussian, D, J)
        mu, logvar = (t.clone().requires_grad_() for t in model.encode(x))
        best = model.exact_elbo(x, mu, logvar).value
        slopes = torch.autograd.grad(best.sum(), (mu, logvar))
        close(slopes, (torch.zeros_like(mu), torch.zeros_like(mu)))
        for _ in range(20):
            step = 0.3 * torch.randn(2, *mu.shape, dtype=torch.float64)
            assert (model.exact_elbo(x, mu + step[0], logvar + step[1]).value < best).all()


def slopes_of_fit(fit_ppca, x, J, sigma=None):
    """The fitted model, its mean log p(x), and the slopes of that in W, b and logvar."""
    model = fit_ppca(x, J, sigma)
    assert model.W.isfinite().all() and model.variance.isfinite()
    value = model.log_evidence(x).mean()
    parameters = (model.W, model.b, model.likelihood.logvar)
    return model, value, torch.autograd.grad(value, parameters)


def images(n=50, D=6):
    return torch.randn(n, D, dtype=torch.float64) @ torch.randn(D, D, dtype=torch.float64)


def check_fit(fit_ppca):
    """The likelihood is stationary in W, b and sigma, and every step away lowers it."""
    x = images()
    for J in (1, 2, 5):
        model, best, slopes = slopes_of_fit(fit_ppca, x, J)
        assert all(slope.abs().max() < 1e-5 for slope in slopes)
        start = [p.clone() for p in model.parameters()]
        for _ in range(20):
            with torch.no_grad():
                for p, old in zip(model.parameters(), start, strict=True):
                    p.copy_(old + 0.1 * torch.randn_like(p))
                assert model.log_evidence(x).mean() < best
    lengths = slopes_of_fit(fit_ppca, x, 5)[0].W.norm(dim=0)
    assert (lengths.diff() <= 0).all()  # the first column is the largest


def check_fit_with_sigma(fit_ppca):
    """With sigma given, directions whose variance lies under the noise are left out."""
    x = images()
    spread = torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)
    sigma = ((spread[1] + spread[2]) / 2).sqrt().item()  # two directions rise above the noise
    model, best, slopes = slopes_of_fit(fit_ppca, x, 4, sigma)
    assert model.variance.item() == pytest.approx(sigma**2)
    assert slopes[0].abs().max() < 1e-5 and slopes[1].abs().max() < 1e-5
    assert (model.W[:, 2:] == 0).all() and (model.W[:, :2].norm(dim=0) > 0).all()
    for _ in range(20):
        other = vl.LinearGaussian(model.W + 0.1 * torch.randn(6, 4), model.b, sigma)
        assert other.log_evidence(x).mean() < best


def check_grid(latent_grid):
    """The cells hold a standard normal: masses sum to 1, means 0, variances 1, no correlation."""
    for J in (1, 2):
        z, log_mass = latent_grid(J)
        mass = log_mass.exp()
        assert z.shape == (401**J, J) and mass.shape == (401**J,)
        close(mass.sum(), torch.tensor(1.0).double())
        close(mass @ z, torch.zeros(J).double())
        close(z.T @ (mass[:, None] * z), torch.eye(J).double())


def check_posterior_on_grid(posterior_on_grid):
    """Rows sum to 1, and have the mean and the covariance of the posterior."""
    model, x, _ = random_model()
    z, log_mass = vl.latent_grid(2)
    mass = posterior_on_grid(model, x, z, log_mass)
    close(mass.sum(1), torch.ones(6).double())
    mean, covariance = model.posterior(x)
    close(mass @ z, mean)
    around = z - mean[0]
    close(around.T @ (mass[0, :, None] * around), covariance)


def check_joint_on_grid(log_joint_on_grid):
    """log p(x, z) at every cell, whatever the chunks."""
    model, x, _ = random_model()
    z, log_mass = vl.latent_grid(2, points=11)
    rows = [td.Normal(model.decode(z), SIGMA).log_prob(one).sum(1) + log_mass for one in x]
    for chunk in (1, 7, 121, 20_000):
        close(log_joint_on_grid(model, x, z, log_mass, chunk), torch.stack(rows))


@pytest.mark.parametrize("check", [check_evidence, check_posterior, check_exact_elbo, check_encode])
def test_linear_gaussian(check):
    check(vl.LinearGaussian)


@pytest.mark.parametrize("check", [check_fit, check_fit_with_sigma])
def test_fit_ppca(check):
    check(vl.fit_ppca)


def test_grids():
    check_grid(vl.latent_grid)
    check_joint_on_grid(vl.log_joint_on_grid)
    check_posterior_on_grid(vl.posterior_on_grid)


@settings(deadline=None, max_examples=50)
@given(
    D=st.integers(1, 6),
    J=st.integers(1, 4),
    n=st.integers(1, 4),
    sigma=st.floats(0.05, 5),
    seed=st.integers(0, 2**32 - 1),
)
def test_elbo_plus_gap_is_log_p(D, J, n, sigma, seed):
    """For every shape and every q; the best q lies between."""
    torch.manual_seed(seed)
    W, b, x = torch.randn(D, J).double(), torch.randn(D).double(), torch.randn(n, D).double()
    model = vl.LinearGaussian(W, b, sigma)
    q, log_p = random_q(n, J), model.log_evidence(x)
    bound, best = model.exact_elbo(x, *q).value, model.exact_elbo(x, *model.encode(x)).value
    close(bound + model.gap(x, *q), log_p, rtol=1e-8)
    assert (bound <= best + 1e-9).all() and (best <= log_p + 1e-9 * log_p.abs()).all()
    assert bound.shape == log_p.shape == (n,)


@torch.no_grad()
def test_the_objectives_run_on_it(n=20_000):
    """`elbo` has the mean of `exact_elbo`; `iwae_bound` lies between it and log p(x)."""
    model, x, _ = random_model(n=3)
    draws = vl.elbo(model, x.repeat(n, 1))
    bound = model.exact_elbo(x, *model.encode(x))
    for ours, true in ((draws.value, bound.value), (draws.log_px_z, bound.log_px_z)):
        ours = ours.view(n, 3)
        assert ((ours.mean(0) - true).abs() < 5 * ours.std(0) / math.sqrt(n)).all()
    close(draws.kl.view(n, 3)[0], bound.kl)
    tighter = vl.iwae_bound(model, x.repeat(n, 1), 5).value.view(n, 3)
    error = 5 * tighter.std(0) / math.sqrt(n)
    assert (tighter.mean(0) > bound.value).all()
    assert (tighter.mean(0) < model.log_evidence(x) + error).all()


def test_draws_have_the_evidence_as_density():
    model, _, cov = random_model()
    z, x = model.draw(200_000, torch.Generator().manual_seed(0))
    pair = torch.cat([x - model.b, z], 1)
    assert pair.mean(0).abs().max() < 5 * cov.diagonal().max().sqrt() / math.sqrt(200_000)
    torch.testing.assert_close(pair.T.cov(), cov, rtol=0, atol=0.02 * cov.abs().max().item())


def test_a_square_posterior_is_reached():
    """With orthogonal columns the posterior is diagonal, and the best q leaves no gap."""
    W = torch.linalg.qr(torch.randn(5, 2, dtype=torch.float64))[0] * torch.tensor([1.5, 0.7])
    model = vl.LinearGaussian(W, torch.randn(5).double(), SIGMA)
    x = torch.randn(4, 5).double()
    close(model.exact_elbo(x, *model.encode(x)).value, model.log_evidence(x))


@torch.no_grad()
def test_grids_serve_any_model_with_images():
    """The same decoder as a VAE with images (B, 1, 2, 3)."""
    model, x, _ = random_model(D=6)
    linear = nn.Linear(2, 6).double()
    linear.weight.copy_(model.W)
    linear.bias.copy_(model.b)
    decoder = nn.Sequential(linear, nn.Unflatten(1, (1, 2, 3)))
    vae = vl.VAE(nn.Identity(), decoder, model.likelihood)
    on_grid = vl.log_evidence_on_grid(vae, x.view(-1, 1, 2, 3), *vl.latent_grid(2))
    close(on_grid, model.log_evidence(x))


def test_in_float32():
    model, x, _ = random_model()
    small = vl.LinearGaussian(model.W.float(), model.b.float(), SIGMA)
    bound = small.exact_elbo(x.float(), *small.encode(x.float()))
    assert bound.value.dtype == small.log_evidence(x.float()).dtype == torch.float32
    true = model.exact_elbo(x, *model.encode(x)).value
    torch.testing.assert_close(bound.value.double(), true, rtol=1e-4, atol=1e-4)
    assert vl.fit_ppca(images().float(), 2).W.dtype == torch.float32


def test_refusals_of_the_model():
    W, b = torch.randn(5, 2), torch.randn(5)
    for wrong in ((W.T, b), (W[:, 0], b), (W, b[:3]), (W, b[None])):
        with pytest.raises(ValueError, match=r"W must be \(D, J\) and b \(D,\), got"):
            vl.LinearGaussian(*wrong, SIGMA)
    with pytest.raises(ValueError, match="sigma"):
        vl.LinearGaussian(W, b, 0.0)


def test_refusals_of_images():
    """No silent broadcasting: x is (B, D), and q has a row for every image."""
    model, x, _ = random_model()
    mu, logvar = model.encode(x)
    for wrong in (x[:, :1], x[:, :3], x[0], x[None]):
        with pytest.raises(ValueError, match="x must"):
            model.posterior(wrong)
    for wrong in (x[:, :1], x[:1], x[0]):
        with pytest.raises(ValueError, match="x"):
            model.exact_elbo(wrong, mu, logvar)
    for other in (x[:1], x[:3]):
        with pytest.raises(ValueError, match="mu"):
            model.gap(other, mu, logvar)


def test_sigma_is_kept_in_the_precision_of_w():
    model, _, _ = random_model()
    assert model.variance.item() == pytest.approx(SIGMA**2, rel=1e-14)


def test_refusals_of_the_fit():
    x = images(20, 4)
    for wrong in (0, 4, 9, -1):
        with pytest.raises(ValueError, match=f"between 1 and D - 1 = 3, got {wrong}"):
            vl.fit_ppca(x, wrong)
    for sigma in (0.0, -1.0):
        with pytest.raises(ValueError, match="sigma"):
            vl.fit_ppca(x, 2, sigma)


def test_flat_data_have_no_best_sigma():
    """Three points span a plane: two latents explain them without noise, and p(x) has no top."""
    for x in (images(3, 6), torch.ones(9, 6).double(), images(3, 6).repeat(4, 1).float()):
        with pytest.raises(ValueError, match="sigma"):
            vl.fit_ppca(x, 2)
        assert vl.fit_ppca(x, 2, 0.5).log_evidence(x).isfinite().all()


@pytest.mark.parametrize("wrong", [0, 3, -1, 20])
def test_refusals_of_the_grid(wrong):
    with pytest.raises(ValueError, match=f"1 or 2 latents, got {wrong}"):
        exact.latent_grid(wrong)


def test_binary_pixels_need_each_cell_but_once():
    """The matrix product against the likelihood's own sum, for a decoder with 2 latents."""
    torch.manual_seed(0)
    model = vl.make_model("vae", "mlp", 2, hidden=[8])
    x = vl.binarize(vl.load_fashion_mnist("test").images[:5])
    cells = vl.latent_grid(2, 31, dtype=torch.float32)
    slow = vl.log_evidence_on_grid(model, x, *cells)
    for chunk in (100, 10_000):
        fast = vl.bernoulli_evidence_on_grid(model, x, *cells, chunk=chunk)
        torch.testing.assert_close(fast, slow.double(), rtol=0, atol=2e-3)
