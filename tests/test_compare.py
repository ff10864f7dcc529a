"""The comparison of chapter 9: each score against an exact answer or a trusted implementation."""

import pytest
import torch
from sklearn.mixture import GaussianMixture

import vae_lib as vl
from vae_lib import compare
from vae_lib.evidence import laplace_evidence


@pytest.fixture(scope="module")
def pair():
    """A small autoencoder and a small VAE with two latents, and binary images."""
    torch.manual_seed(0)
    models = [vl.make_model(kind, "mlp", 2, (1, 4, 4)) for kind in ("autoencoder", "vae")]
    for model in models:
        for p in model.decoder.parameters():
            p.data *= 3  # so that codes matter
    return *models, (torch.rand(40, 1, 4, 4) < 0.5).float()


def test_codes_are_points_of_one_and_draws_of_the_other(pair):
    cae, vae, x = pair
    codes = compare.codes_of(cae, x)
    torch.testing.assert_close(codes.point, cae.encode(x).detach())
    assert codes.drawn is codes.point or torch.equal(codes.drawn, codes.point)
    many = torch.stack([compare.codes_of(vae, x, seed=s).drawn for s in range(400)])
    mu, logvar = vl.posterior(vae, x)
    torch.testing.assert_close(compare.codes_of(vae, x).point, mu)
    error = (many.mean(0) - mu) / (torch.exp(0.5 * logvar) / 400**0.5)
    assert error.abs().max() < 5
    assert torch.equal(compare.codes_of(vae, x).drawn, many[0])


def test_codes_of_an_autoencoder_come_from_another_device(pair, monkeypatch):
    """There `cpu()` returns a copy: it must not make a VAE of an autoencoder."""
    wanted = compare.codes_of(pair[0], pair[2]).point
    monkeypatch.setattr(torch.Tensor, "cpu", torch.Tensor.clone)
    codes = compare.codes_of(pair[0], pair[2])
    assert torch.equal(codes.point, wanted) and torch.equal(codes.drawn, wanted)


def test_densities_are_those_of_the_codes():
    torch.manual_seed(0)
    codes = torch.cat([torch.randn(300, 3) * 0.2 + 4, torch.randn(300, 3) - 4])
    densities = compare.fit_densities(codes, components=2)
    trusted = GaussianMixture(2, random_state=0, reg_covar=1e-5).fit(codes.double().numpy())
    z = torch.randn(50, 3).double() * 4
    wanted = torch.from_numpy(trusted.score_samples(z.numpy()))
    torch.testing.assert_close(densities["mixture"].log_prob(z), wanted)
    torch.testing.assert_close(densities["gaussian"].mean, codes.double().mean(0))
    torch.testing.assert_close(densities["gaussian"].covariance_matrix, torch.cov(codes.double().T))
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    torch.testing.assert_close(densities["standard"].log_prob(z), normal)
    drawn = densities["mixture"].sample((4000,))
    assert (drawn.mean(0) - codes.double().mean(0)).abs().max() < 0.4
    assert ((drawn > 0).all(1).double().mean() - 0.5).abs() < 0.05


@pytest.mark.parametrize("name", ["standard", "gaussian", "mixture"])
def test_evidence_is_that_of_a_grid(pair, name):
    """Two latents, any density: importance sampling against quadrature, for both models."""
    for model in pair[:2]:
        x = pair[2][:6]
        codes = compare.codes_of(model, pair[2]).drawn
        density = compare.fit_densities(codes, components=3)[name]
        low, high = codes.min(0).values.double() - 6, codes.max(0).values.double() + 6
        axes = [
            torch.linspace(a, b, 400, dtype=torch.float64) for a, b in zip(low, high, strict=True)
        ]
        z = torch.cartesian_prod(*axes)
        log_mass = density.log_prob(z) + ((high - low) / 399).log().sum()
        exact = vl.log_evidence_on_grid(model, x, z.float(), log_mass)
        ours = laplace_evidence(model, x, density, compare.codes_of(model, x).point, k=3000)
        torch.testing.assert_close(ours, exact.double(), rtol=0, atol=0.05)


def test_reconstruction_is_the_term_of_the_objective(pair):
    cae, vae, x = pair
    scores = compare.reconstruction_scores(cae, x, x)
    stored = vl.evaluate_bound(cae, vl.reconstruction_log_prob, x)
    assert scores["nats"] == scores["nats_at_point"] == pytest.approx(-stored.log_px_z, abs=1e-4)
    error = (cae.reconstruct(x) - x).square().flatten(1).sum(1).mean().item()
    assert scores["squared_error"] == pytest.approx(error, abs=1e-4)
    of_vae = [compare.reconstruction_scores(vae, x, x, seed=s)["nats"] for s in range(200)]
    runs = [-vl.evaluate_elbo(vae, x, seed=s).log_px_z for s in range(200)]
    spread = torch.tensor(of_vae).std() / 200**0.5
    assert abs(sum(of_vae) - sum(runs)) / 200 < 8 * spread


def test_denoising_starts_from_the_share_of_flipped_pixels(pair):
    cae, _, x = pair
    none, all_of_them = (compare.denoising_scores(cae, x, x, share=s) for s in (0.0, 1.0))
    assert none["input"] == 0 and all_of_them["input"] == 16
    error = compare.reconstruction_scores(cae, x, x)["squared_error"]
    assert none["output"] == pytest.approx(error, abs=1e-4)
    assert compare.denoising_scores(cae, x, x, 0.25)["input"] == pytest.approx(4, abs=1)


def test_even_walk_is_even_and_a_jump_is_not():
    real = torch.randn(300, 5, dtype=torch.float64)
    t = torch.linspace(0, 1, 9, dtype=torch.float64).view(-1, 1, 1)
    straight = (1 - t) * real[:50] + t * real[50:100]
    assert compare.walk_scores(straight, real)["unevenness"] == pytest.approx(1)
    jump = torch.where(t < 0.55, real[:50], real[50:100])
    scores = compare.walk_scores(jump, real)
    assert scores["unevenness"] == pytest.approx(8) and scores["realism"] == 1
    assert compare.walk_scores(straight + 50, real)["realism"] == 0


def test_probe_reads_what_is_there():
    torch.manual_seed(0)
    labels = torch.arange(4).repeat(100)
    codes = torch.nn.functional.one_hot(labels, 4) * 5 + torch.randn(400, 4)
    train, test = slice(0, 300), slice(300, None)
    scores = compare.probe_scores(codes[train], labels[train], codes[test], labels[test])
    assert scores["linear"] > 0.95 and scores["neighbours"] > 0.95
    scores = compare.probe_scores(torch.randn(300, 4), labels[train], codes[test], labels[test])
    assert max(scores.values()) < 0.5
