"""The exact rate-distortion curve, and the surgery of the rate, against other roads.

The functions `check_*` take the function under test, for the planted faults at the end.
"""

import math
from functools import partial

import pytest
import torch
from test_planted_faults import plant
from torch import distributions as td

import vae_lib as vl
from vae_lib import rate as module

F64 = {"dtype": torch.float64}
close = partial(torch.testing.assert_close, rtol=1e-6, atol=1e-6)


# -- the linear curve ---------------------------------------------------------------------------


def best_linear_vae(S, s, beta, J):
    """R and Delta of a linear VAE that L-BFGS has found from random weights, no formula used."""
    D = len(S)
    W, A = torch.randn(D, J, **F64), 0.1 * torch.randn(J, D, **F64)
    free = [W.requires_grad_(), A.requires_grad_(), torch.zeros(J, **F64).requires_grad_()]
    climb = torch.optim.LBFGS(
        free, max_iter=2000, history_size=50, line_search_fn="strong_wolfe",
        tolerance_grad=1e-10, tolerance_change=1e-14,
    )  # fmt: skip

    def terms():
        W, A, logvar = free
        missed = torch.eye(D, **F64) - W @ A
        error = torch.trace(missed @ S @ missed.T) + (logvar.exp() * W.square().sum(0)).sum()
        rate = 0.5 * ((A @ S @ A.T).diagonal() + logvar.exp() - 1 - logvar).sum()
        return rate, 0.5 * (D * math.log(2 * math.pi * s**2) + error / s**2)

    def closure():
        climb.zero_grad()
        rate, distortion = terms()
        (loss := distortion + beta * rate).backward()
        return loss

    climb.step(closure)
    return [v.item() for v in terms()]


def check_curve(linear_rate_distortion):
    """Trained linear VAEs end on the curve, with latents enough and without."""
    torch.manual_seed(0)
    x = torch.randn(200, 6, **F64) @ torch.randn(6, 6, **F64)
    S = torch.cov(x.T, correction=0)
    spectrum = torch.linalg.eigvalsh(S)  # smallest first: the order must not matter
    for s, beta, J in ((0.6, 1.0, 6), (0.6, 4.0, 4), (0.6, 0.5, 2), (1.5, 2.0, 3)):
        exact = linear_rate_distortion(spectrum, s, beta, J)
        rate, distortion = best_linear_vae(S, s, beta, J)
        assert abs(exact.rate - rate) < 1e-3 and abs(exact.distortion - distortion) < 1e-3
        assert exact.per_latent.shape == (J,)
        assert abs(exact.per_latent.sum().item() - exact.rate) < 1e-9


def test_curve():
    check_curve(vl.linear_rate_distortion)


def test_curve_of_trained_model_is_that_of_ppca():
    """At beta = 1 the sum is minus the log-likelihood of probabilistic PCA at that noise."""
    torch.manual_seed(1)
    x = torch.randn(300, 5, **F64) @ torch.randn(5, 5, **F64)
    model = vl.fit_ppca(x, 3, sigma=0.7)
    spectrum = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))
    exact = vl.linear_rate_distortion(spectrum, 0.7, latents=3)
    assert abs(exact.rate + exact.distortion + model.log_evidence(x).mean().item()) < 1e-9
    bound = model.exact_elbo(x, *model.encode(x))
    assert abs(exact.rate - bound.kl.mean().item()) < 1e-9


def test_curve_under_water():
    spectrum = torch.tensor([2.0, 1.0, 0.5], **F64)
    drowned = vl.linear_rate_distortion(spectrum, 1.0, beta=2.0)
    assert drowned.rate == 0 and (drowned.per_latent == 0).all()
    flat = vl.linear_rate_distortion(spectrum, 1.0, latents=0)
    assert abs(flat.distortion - 0.5 * (3 * math.log(2 * math.pi) + 3.5)) < 1e-9


def test_curve_of_a_singular_covariance():
    """Rounding makes some eigenvalues of a rank-deficient covariance negative: they count as 0."""
    spectrum = torch.tensor([2.0, 0.5, -1e-17, -3e-8], **F64)
    clean = vl.linear_rate_distortion(spectrum.clamp(min=0), 0.3)
    assert vl.linear_rate_distortion(spectrum, 0.3)[:2] == clean[:2]
    few = torch.randn(5, 40, generator=torch.Generator().manual_seed(0), **F64)
    spectrum = torch.linalg.eigvalsh(torch.cov(few.T))
    assert spectrum.min() < 0  # else this says nothing
    found = vl.linear_rate_distortion(spectrum, 0.3, latents=6)
    assert found.rate > 0 and (found.per_latent > 0).sum() == 4


@pytest.mark.parametrize("wrong, message", [
    (dict(sigma=0.0), "sigma and beta must be positive"),
    (dict(beta=-1.0), "sigma and beta must be positive"),
    (dict(eigenvalues=torch.tensor([1.0, -0.1])), "none negative"),
    (dict(eigenvalues=torch.tensor([1.0, float("nan")])), "none negative"),
    (dict(eigenvalues=torch.eye(2)), r"must be \(D,\)"),
    (dict(latents=3), "between 0 and D = 2"),
    (dict(latents=-1), "between 0 and D = 2"),
])  # fmt: skip
def test_curve_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        vl.linear_rate_distortion(**dict(eigenvalues=torch.ones(2), sigma=1.0) | wrong)


# -- the surgery --------------------------------------------------------------------------------


def some_codes(n=12, J=1, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, J, generator=g, **F64), torch.randn(n, J, generator=g, **F64) - 1.5


def by_quadrature(mu, logvar, leave_one_out=False):
    """Information and misfit of codes with one latent, by sums over a fine grid."""
    grid = torch.linspace(-12, 12, 24_001, **F64)
    step = (grid[1] - grid[0]).item()
    log_q = td.Normal(mu, torch.exp(0.5 * logvar)).log_prob(grid)  # (N, points)
    if leave_one_out:
        keep = ~torch.eye(len(mu), dtype=torch.bool)
        log_mixture = torch.stack([log_q[row].logsumexp(0) for row in keep])
    else:
        log_mixture = log_q.logsumexp(0, keepdim=True)
    log_mixture = log_mixture - math.log(len(mu) - leave_one_out)
    information = (log_q.exp() * (log_q - log_mixture)).sum(1).mean() * step
    prior = td.Normal(0.0, 1.0).log_prob(grid)
    misfit = (log_mixture[0].exp() * (log_mixture[0] - prior)).sum() * step
    return information.item(), misfit.item()


def check_surgery(elbo_surgery):
    """Both parts agree with quadrature within four standard errors, in either mixture."""
    codes = some_codes()
    for left_out in (False, True):
        g = torch.Generator().manual_seed(1)
        found = elbo_surgery(*codes, samples=1500, leave_one_out=left_out, generator=g)
        information, misfit = by_quadrature(*codes, left_out)
        # standard_error also holds how images differ; of these draws alone it is about 0.008
        assert abs(found.mutual_information - information) < 0.04
        if not left_out:
            assert abs(found.aggregate_kl - misfit) < 0.04
        rate = vl.gaussian_kl(*codes).mean().item()
        assert abs(found.rate - rate) < 1e-9
        assert abs(found.mutual_information + found.aggregate_kl - rate) < 1e-9


def test_surgery():
    check_surgery(vl.elbo_surgery)


def test_surgery_by_the_definition():
    """The same draws, through torch.distributions and without any trick."""
    mu, logvar = some_codes(40, J=3)
    found = vl.elbo_surgery(mu, logvar, generator=torch.Generator().manual_seed(2))
    z = vl.reparameterize(mu, logvar, torch.Generator().manual_seed(2))
    log_q = td.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None]).sum(2)
    values = log_q.diagonal() - log_q.logsumexp(1) + math.log(40)
    close(found.mutual_information, values.mean().item())
    close(found.standard_error, values.std().item() / math.sqrt(40))


@pytest.mark.parametrize("chunk", [1, 7, 40, 1000])
def test_surgery_does_not_depend_on_the_chunk(chunk):
    codes = some_codes(40, J=3)
    for left_out in (False, True):
        whole, parts = (
            vl.elbo_surgery(
                *codes, leave_one_out=left_out, chunk=c, generator=torch.Generator().manual_seed(3)
            )
            for c in (40, chunk)
        )
        close(torch.tensor(whole), torch.tensor(parts))


def test_surgery_limits():
    """Equal codes tell nothing; codes far apart tell log N, and never more."""
    equal = vl.elbo_surgery(torch.ones(50, 2), torch.zeros(50, 2))
    assert abs(equal.mutual_information) < 1e-5 and abs(equal.aggregate_kl - 1.0) < 1e-5
    far = vl.elbo_surgery(1000 * torch.arange(50.0)[:, None], torch.full((50, 1), -6.0))
    assert abs(far.mutual_information - math.log(50)) < 1e-5
    assert far.standard_error < 1e-5


def test_surgery_stays_accurate_for_precise_codes():
    """A sigma of 1e-3 far from the origin: the quadratic form is multiplied out in float64."""
    mu, logvar = 20 + some_codes(30, J=2)[0], torch.full((30, 2), 2 * math.log(1e-3), **F64)
    found = vl.elbo_surgery(mu.float(), logvar.float(), samples=3)
    assert abs(found.mutual_information - math.log(30)) < 1e-3


def test_surgery_brackets_the_population():
    """Codes of a Gaussian population: too low with all N, too high with the own image left out."""
    g, v, variance = torch.Generator().manual_seed(4), 0.9, 0.05
    truth = 0.5 * math.log((v + variance) / variance)
    for n, repeats in ((30, 200), (3000, 2)):
        low, high = 0.0, 0.0
        for _ in range(repeats):
            mu = math.sqrt(v) * torch.randn(n, 1, generator=g, **F64)
            logvar = torch.full_like(mu, math.log(variance))
            low += vl.elbo_surgery(mu, logvar, generator=g).mutual_information / repeats
            left = vl.elbo_surgery(mu, logvar, leave_one_out=True, generator=g)
            high += left.mutual_information / repeats
        if n == 30:  # the bias is plain
            assert truth - 0.4 < low < truth - 0.03 and truth + 0.03 < high < truth + 0.4
        else:  # the bias is gone, the noise of the images is left
            assert abs(low - truth) < 0.06 and abs(high - truth) < 0.06


@pytest.mark.parametrize("wrong, message", [
    (dict(logvar=torch.zeros(5, 3)), r"must be \(N, J\)"),
    (dict(mu=torch.zeros(5), logvar=torch.zeros(5)), r"must be \(N, J\)"),
    (dict(mu=torch.zeros(1, 2), logvar=torch.zeros(1, 2)), "2 images or more"),
    (dict(samples=0), "positive samples"),
    (dict(chunk=0), "positive samples and chunk"),
])  # fmt: skip
def test_surgery_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        vl.elbo_surgery(**dict(mu=torch.zeros(5, 2), logvar=torch.zeros(5, 2)) | wrong)


# -- planted faults -----------------------------------------------------------------------------


@pytest.mark.parametrize("check, name, old, new", [
    (check_curve, "linear_rate_distortion", "beta * sigma**2", "beta * sigma"),
    (check_curve, "linear_rate_distortion", "descending=True", "descending=False"),
    (check_curve, "linear_rate_distortion", "+ uncoded.sum()", ""),
    (check_curve, "linear_rate_distortion", "error / sigma**2", "error / water"),
    (check_surgery, "elbo_surgery", "rate - mean", "mean - rate"),
    (check_surgery, "_log_density", "-0.5 * constant", "-0.6 * constant"),
    (check_surgery, "_log_density", "-0.5 * precision", "-0.4 * precision"),
    (check_surgery, "_log_ratio", "log_q.shape[1] - leave_one_out", "log_q.shape[1] + 1"),
    (check_surgery, "_log_ratio", "if leave_one_out", "if not leave_one_out"),
])  # fmt: skip
def test_a_planted_fault_is_noticed(check, name, old, new):
    faulty = plant(module, old, new, after=f"def {name}(")
    with pytest.raises(AssertionError):
        check(faulty.linear_rate_distortion if check is check_curve else faulty.elbo_surgery)
