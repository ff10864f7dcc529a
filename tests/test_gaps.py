"""The gap of the ELBO in two parts, on models where both are known in closed form."""

import math

import pytest
import torch
from test_planted_faults import plant

import vae_lib as vl
from vae_lib import gaps


def tilted(J=2, D=5, orthogonal=False):
    """A linear-Gaussian model whose posterior is tilted, unless its columns are orthogonal."""
    generator = torch.Generator().manual_seed(0)
    W = torch.randn(D, J, generator=generator, dtype=torch.float64)
    W = torch.linalg.qr(W)[0] * torch.linspace(1.5, 0.7, J) if orthogonal else 0.5 * W + 1
    return vl.LinearGaussian(W, torch.zeros(D, dtype=torch.float64), 0.6).requires_grad_(False)


class Spoilt(vl.LinearGaussian):
    """The same model with an encoder whose mean is off by 0.3 and whose sigma is doubled."""

    def encode(self, x):
        mu, logvar = super().encode(x)
        return mu + 0.3, logvar + 2 * math.log(2)


def spoil(model):
    return Spoilt(model.W, model.b, 0.6).requires_grad_(False)


def closed_form(model, x):
    """The approximation and the amortisation gap of a linear-Gaussian model, (B,) each."""
    best = vl.LinearGaussian.encode(model, x)
    approximation = model.gap(x, *best)
    return approximation, model.gap(x, *model.encode(x)) - approximation


def check_optimum(optimal_posterior):
    """From the encoder and from far away it reaches the best ELBO, and never exceeds it."""
    for J in (1, 2, 4):
        model = tilted(J)
        x = model.draw(30)[1]
        mu, logvar = model.encode(x)
        best = model.exact_elbo(x, mu, logvar).value
        for start in (None, (mu + 1, logvar + 1), (mu - 0.5, logvar - 2)):
            q = optimal_posterior(model, x, steps=300, start=start)
            lost = best - model.exact_elbo(x, *q).value
            assert lost.min() > -1e-9 and lost.mean() < 0.03 * J and lost.max() < 0.15 * J


def check_elbo_of(elbo_of):
    """The closed form within the error of the draws, image by image, and for other chunks."""
    model = tilted()
    x = model.draw(20)[1]
    mu, logvar = spoil(model).encode(x)
    exact = model.exact_elbo(x, mu, logvar).value
    for chunk in (100, 100_000):
        found = elbo_of(model, x, mu, logvar, draws=10_000, chunk=chunk)
        assert (found - exact).abs().max() < 0.35 and (found - exact).mean().abs() < 0.05


def check_split(split_gap):
    """Both parts against their closed forms: a tilted posterior, a spoilt encoder, both, none."""
    for orthogonal in (False, True):
        for change in (lambda model: model, spoil):
            model = change(tilted(orthogonal=orthogonal))
            x = model.draw(40)[1]
            best = vl.LinearGaussian.encode(model, x)
            gap = split_gap(model, x, model.log_evidence(x), best, draws=20_000)
            for part, exact in zip(gap, closed_form(model, x), strict=True):
                assert abs(part.mean() - exact.mean()) < 0.03
    assert exact.mean() > 1  # the last case is a spoilt encoder


CHECKS = {
    "optimal_posterior": check_optimum,
    "elbo_of": check_elbo_of,
    "split_gap": check_split,
}


@pytest.mark.parametrize("name", CHECKS)
def test_gaps(name):
    CHECKS[name](getattr(vl, name))


def test_the_exact_encoder_has_no_amortisation_gap():
    """Found by climbing, with a tilted and with an upright posterior."""
    for orthogonal in (False, True):
        model = tilted(orthogonal=orthogonal)
        x = model.draw(50)[1]
        best = vl.optimal_posterior(model, x)
        gap = vl.split_gap(model, x, model.log_evidence(x), best, draws=4000)
        assert gap.amortisation.mean().abs() < 0.03
        exact = closed_form(model, x)[0].mean()
        assert abs(gap.approximation.mean() - exact) < 0.05
        assert (exact > 0.1) != orthogonal


def test_the_parts_add_up():
    """To log p(x) minus the ELBO of the same draws, exactly."""
    model = spoil(tilted())
    x = model.draw(10)[1]
    log_px, best = model.log_evidence(x), model.encode(x)
    gap = vl.split_gap(model, x, log_px, (best[0] - 0.2, best[1]), draws=50, seed=3)
    elbo = vl.elbo_of(model, x, *model.encode(x), draws=50, seed=3)
    torch.testing.assert_close(gap.approximation + gap.amortisation, log_px - elbo)


def test_one_seed_gives_every_q_the_same_noise():
    """Two q that differ in the mean of one latent that the decoder ignores differ by their KL."""
    model = tilted()
    model.W[:, 1] = 0
    x = model.draw(5)[1]
    mu, logvar = torch.zeros(5, 2).double(), torch.zeros(5, 2).double()
    moved = mu + torch.tensor([0.0, 1.0])
    difference = vl.elbo_of(model, x, mu, logvar, 100) - vl.elbo_of(model, x, moved, logvar, 100)
    torch.testing.assert_close(difference, torch.full((5,), 0.5).double())


@pytest.mark.parametrize("chunk", [6, 60, 600])
def test_memory_is_bounded(chunk):
    """No more than chunk decodings at once, but one for each image."""
    model, x = vl.make_model("vae", "mlp", 2, hidden=[8]), torch.rand(6, 1, 28, 28).round()
    seen = []
    model.decoder.register_forward_pre_hook(lambda _, z: seen.append(len(z[0])))
    vl.elbo_of(model, x, *(t.detach() for t in model.encode(x)), draws=100, chunk=chunk)
    assert max(seen) == chunk and sum(seen) == 600


def test_on_a_network():
    """The climb improves every image of an untrained VAE and leaves model and streams alone."""
    model, x = vl.make_model("vae", "mlp", 3, hidden=[30]), torch.rand(7, 1, 28, 28).round()
    before = {name: p.clone() for name, p in model.state_dict().items()}
    state = torch.get_rng_state()
    best = vl.optimal_posterior(model, (255 * x).to(torch.uint8))
    with torch.no_grad():
        first, last = (vl.elbo_of(model, x, *q) for q in (model.encode(x), best))
    assert torch.equal(torch.get_rng_state(), state) and model.training
    assert all(torch.equal(p, before[name]) for name, p in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())
    assert (last > first - 0.02).all() and (last - first).mean() > 0.05


FAULTS = {
    "descent": ("optimal_posterior", "grad(-value", "grad(value"),
    "the KL twice": ("optimal_posterior", "- gaussian_kl(mu, logvar)",
                     "- 2 * gaussian_kl(mu, logvar)"),
    "the rate stays": ("optimal_posterior", "lr * (1 - step / steps)", "10 * lr"),
    "one draw less in the mean": ("elbo_of", "total.cpu() / draws", "total.cpu() / (draws - size)"),
    "no KL": ("elbo_of", " - gaussian_kl(mu, logvar)", ""),
    "images mixed": ("elbo_of", ".view(draws, -1)", ".view(-1, draws).T"),
    "parts exchanged": ("split_gap", "Gap(log_px.cpu() - of_best, of_best - of_proposed)",
                        "Gap(of_best - of_proposed, log_px.cpu() - of_best)"),
    "the gap as a part": ("split_gap", "of_best - of_proposed)", "log_px.cpu() - of_proposed)"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_caught(fault):
    name, old, new = FAULTS[fault]
    with pytest.raises(AssertionError):
        CHECKS[name](getattr(plant(gaps, old, new), name))
