"""Densities, KL and sampler against torch.distributions, finite differences, sums and quadrature.

The functions `check_*` take the function under test, so that test_planted_faults can show that
they catch a faulty one.
"""

import math

import numpy as np
import pytest
import torch
from torch import distributions as td

from vae_lib import distributions as d

SHAPE = (5, 3, 2)


def random(*shape, scale=1.0):
    return (scale * torch.randn(shape, dtype=torch.float64)).requires_grad_()


def same_value_and_gradients(ours, theirs, inputs):
    """Two (B,) results agree, and so do their gradients under random weights."""
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)
    weights = torch.randn(ours.shape, dtype=ours.dtype)
    for a, b in zip(
        torch.autograd.grad((weights * ours).sum(), inputs, allow_unused=True),
        torch.autograd.grad((weights * theirs).sum(), inputs),
        strict=True,
    ):
        assert a is not None, "a gradient is missing"
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


def check_sampler(reparameterize, n=20_000):
    """Mean, standard deviation, exact slopes, and noise that differs between images and latents."""
    sigma = torch.tensor([0.3, 2.0], dtype=torch.float64)
    mu = torch.tensor([1.0, -2.0], dtype=torch.float64).repeat(n, 1).requires_grad_()
    logvar = (2 * sigma.log()).repeat(n, 1).requires_grad_()
    z = reparameterize(mu, logvar)
    assert z.shape == (n, 2)
    assert z.requires_grad, "the draw is detached"
    eps = ((z - mu) / sigma).detach()
    # standard errors: 1/sqrt(n) of a mean, 1/sqrt(2n) of a standard deviation, 1/sqrt(n) of r
    assert eps.mean(0).abs().max() < 5 / math.sqrt(n)
    assert (eps.std(0) - 1).abs().max() < 5 / math.sqrt(2 * n)
    assert abs(torch.corrcoef(eps.T)[0, 1]) < 5 / math.sqrt(n)
    slopes = torch.autograd.grad(z.sum(), (mu, logvar), allow_unused=True)
    assert all(s is not None for s in slopes), "a slope is missing"
    torch.testing.assert_close(slopes[0], torch.ones_like(mu))
    torch.testing.assert_close(slopes[1], (z - mu).detach() / 2)


def check_kl(gaussian_kl):
    """KL to N(0, I): equal to torch's, values and gradients."""
    mu, logvar = random(5, 3), random(5, 3)
    q = td.Normal(mu, (0.5 * logvar).exp())
    theirs = td.kl_divergence(q, td.Normal(torch.zeros_like(mu), torch.ones_like(mu))).sum(1)
    same_value_and_gradients(gaussian_kl(mu, logvar), theirs, (mu, logvar))


def check_gaussian(gaussian_log_prob):
    """log N: equal to torch's, with a logvar for every pixel and with one for all."""
    x, mu, logvar, one = random(*SHAPE), random(*SHAPE), random(*SHAPE), random()
    theirs = td.Normal(mu, (0.5 * logvar).exp()).log_prob(x).sum((1, 2))
    same_value_and_gradients(gaussian_log_prob(x, mu, logvar), theirs, (x, mu, logvar))
    theirs = td.Normal(mu, (0.5 * one).exp()).log_prob(x).sum((1, 2))
    same_value_and_gradients(gaussian_log_prob(x, mu, one), theirs, (x, mu, one))


def check_bernoulli(bernoulli_log_prob):
    x = torch.randint(0, 2, SHAPE).double()
    logits = random(*SHAPE, scale=3)
    theirs = td.Bernoulli(logits=logits).log_prob(x).sum((1, 2))
    same_value_and_gradients(bernoulli_log_prob(x, logits), theirs, (logits,))


def check_continuous_bernoulli(continuous_bernoulli_log_prob):
    """Equal to torch's away from 0 logits, and a density that integrates to 1 everywhere."""
    x, logits = torch.rand(SHAPE, dtype=torch.float64), random(*SHAPE, scale=3)
    theirs = td.ContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001)).log_prob(x).sum((1, 2))
    same_value_and_gradients(continuous_bernoulli_log_prob(x, logits), theirs, (logits,))
    nodes, weights = unit_quadrature()
    for logit in (-60.0, -3.0, -0.0101, -0.0099, -1e-6, 0.0, 1e-3, 0.0099, 0.0101, 2.0, 60.0):
        same = torch.full_like(nodes, logit)
        density = continuous_bernoulli_log_prob(nodes[:, None], same[:, None]).exp()
        assert abs((weights * density).sum() - 1) < 1e-8, logit


def check_discretized_logistic(discretized_logistic_log_prob):
    """256 masses that sum to 1 and are plain differences of the CDF in float64."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    for mu in (-0.3, 0.0, 0.4711, 1.0):
        for scale in (0.003, 0.05, 1.0):
            log_scale = torch.tensor(math.log(scale), dtype=torch.float64)
            same = torch.full_like(levels, mu)
            mass = discretized_logistic_log_prob(levels[:, None], same[:, None], log_scale).exp()
            inner = torch.sigmoid((levels[1:] - 0.5 / 255 - mu) / scale)
            cdf = torch.cat([torch.zeros(1), inner, torch.ones(1)])
            torch.testing.assert_close(mass, cdf.diff(), rtol=1e-6, atol=1e-12)
            assert abs(mass.sum() - 1) < 1e-10


def unit_quadrature(n=200):
    """Gauss-Legendre nodes and weights on [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy(nodes + 1) / 2, torch.from_numpy(weights) / 2


def test_sampler():
    check_sampler(d.reparameterize)


def test_sampler_follows_its_generator():
    mu = torch.zeros(4, 3)
    one, again, other = (
        d.reparameterize(mu, mu, torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_kl():
    check_kl(d.gaussian_kl)
    zero = torch.zeros(2, 3)
    assert torch.equal(d.gaussian_kl(zero, zero), torch.zeros(2))


def test_kl_of_the_book():
    """mu 1, sigma 0.3: 1.249 nats; sampled with sigma^2 in sigma's place it would be 2.412."""
    mu, sigma = torch.ones(1, 1), torch.tensor([[0.3]])
    assert abs(d.gaussian_kl(mu, 2 * sigma.log()).item() - 1.249) < 5e-4
    assert abs(d.gaussian_kl(mu, 4 * sigma.log()).item() - 2.412) < 5e-4


def test_gaussian():
    check_gaussian(d.gaussian_log_prob)


def test_bernoulli():
    check_bernoulli(d.bernoulli_log_prob)


def test_continuous_bernoulli():
    check_continuous_bernoulli(d.continuous_bernoulli_log_prob)


def test_discretized_logistic():
    check_discretized_logistic(d.discretized_logistic_log_prob)


def test_finite_differences():
    """Analytic gradients equal central differences in float64, for every density."""
    a, b, x = random(3, 4), random(3, 4), torch.rand(3, 4, dtype=torch.float64)
    levels = torch.tensor([0.0, 3, 200, 255], dtype=torch.float64).expand(3, 4) / 255
    scale = torch.tensor(-1.0, dtype=torch.float64, requires_grad=True)
    cases = [
        (lambda a, b: d.gaussian_kl(a, b), (a, b)),
        (lambda a, b: d.reparameterize(a, b, torch.Generator().manual_seed(0)), (a, b)),
        (lambda a, b: d.gaussian_log_prob(x, a, b), (a, b)),
        (lambda a: d.bernoulli_log_prob(x, a), (a,)),
        (lambda a: d.continuous_bernoulli_log_prob(x, a), (a,)),
        (lambda a, s: d.discretized_logistic_log_prob(levels, a, s), (a, scale)),
    ]
    for function, inputs in cases:
        assert torch.autograd.gradcheck(function, inputs)


def extreme_cases():
    """(name, function of one parameter tensor) at the edge of float32."""
    x = torch.tensor([[0.0, 0.5, 1.0]])
    zero = torch.zeros(1, 3)
    return {
        "sampler": lambda t: d.reparameterize(zero, t),
        "kl": lambda t: d.gaussian_kl(zero, t),
        "gaussian logvar": lambda t: d.gaussian_log_prob(x, zero, t),
        "gaussian mu": lambda t: d.gaussian_log_prob(x, t, -50.0),
        "bernoulli": lambda t: d.bernoulli_log_prob(x, t),
        "continuous": lambda t: d.continuous_bernoulli_log_prob(x, t),
        "logistic mu": lambda t: d.discretized_logistic_log_prob(x, t, -10.0),
        "logistic scale": lambda t: d.discretized_logistic_log_prob(x, zero + 0.5, t),
    }


@pytest.mark.parametrize("name", extreme_cases())
@pytest.mark.parametrize("size", [-50.0, 0.0, 50.0])
def test_finite_at_the_edge(name, size):
    """logvar, logits and log-scales of +-50 in float32: finite values, finite gradients."""
    t = torch.full((1, 3), size, requires_grad=True)
    value = extreme_cases()[name](t)
    assert value.dtype == torch.float32
    assert value.isfinite().all()
    assert torch.autograd.grad(value.sum(), t)[0].isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(dtype):
    """A half-precision input gives the float32 result of the same numbers, bit for bit."""
    a, b = torch.randn(4, 3).to(dtype), (5 * torch.randn(4, 3)).to(dtype)
    x = torch.rand(4, 3).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = [d.gaussian_kl(a, b), d.gaussian_log_prob(x, a, b), d.bernoulli_log_prob(x, b)]
        half += [d.continuous_bernoulli_log_prob(x, b), d.discretized_logistic_log_prob(x, a, b)]
    a, b, x = a.float(), b.float(), x.float()
    full = [d.gaussian_kl(a, b), d.gaussian_log_prob(x, a, b), d.bernoulli_log_prob(x, b)]
    full += [d.continuous_bernoulli_log_prob(x, b), d.discretized_logistic_log_prob(x, a, b)]
    for h, f in zip(half, full, strict=True):
        assert h.dtype == torch.float32
        assert torch.equal(h, f)


@pytest.mark.parametrize(
    "function",
    [
        d.reparameterize,
        d.gaussian_kl,
        lambda a, b: d.gaussian_log_prob(a, b, 0.0),
        lambda a, b: d.gaussian_log_prob(a, a, b),
        d.bernoulli_log_prob,
        d.continuous_bernoulli_log_prob,
        lambda a, b: d.discretized_logistic_log_prob(a, b, 0.0),
        lambda a, b: d.discretized_logistic_log_prob(a, a, b),
    ],
)
@pytest.mark.parametrize("shapes", [((4, 3), (4, 2)), ((3, 3), (3,)), ((4, 3), (1, 3))])
def test_mismatched_shapes_are_named(function, shapes):
    """No silent broadcasting: the error names both shapes."""
    a, b = (torch.zeros(s) for s in shapes)
    with pytest.raises(ValueError) as error:
        function(a, b)
    assert all(str(s) in str(error.value) for s in shapes)
