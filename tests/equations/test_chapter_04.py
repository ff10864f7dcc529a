"""The equations of chapter 4, why this loss."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import distributions as td

import vae_lib as vl


def images_and_means(n=6, pixels=9):
    """x, decoder means and n standard deviations s, all random."""
    x, m = torch.rand(2, n, pixels, dtype=torch.float64)
    return x, m, torch.rand(n, 1, dtype=torch.float64) + 0.1


def unit_line(points=20_001):
    return torch.linspace(0, 1, points, dtype=torch.float64)


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_loss_squared(check):
    """Minus the log of a Gaussian is the squared error over 2 s^2, plus a constant."""
    x, m, s = images_and_means()
    D, v = x.shape[1], s[:, 0] ** 2
    loss = (x - m).square().sum(1) / (2 * v) + D / 2 * torch.log(2 * math.pi * v)
    by_pixel = -td.Normal(m, s).log_prob(x).sum(1)
    check.equal(loss, by_pixel)
    covariance = v[:, None, None] * torch.eye(D)
    check.equal(by_pixel, -td.MultivariateNormal(m, covariance).log_prob(x))


@pytest.mark.equation(by="exact", within=1e-10)
def test_eq_loss_averaged(check):
    """The averaged squared error is a Gaussian with s = sqrt(D / 2), up to a constant."""
    for pixels in (1, 10, 784):
        x, m, _ = images_and_means(pixels=pixels)
        s = (pixels / 2) ** 0.5
        constant = pixels / 2 * math.log(2 * math.pi * s**2)
        log_p = td.Normal(m, s).log_prob(x).sum(1)
        check.equal((x - m).square().mean(1), -log_p - constant)
        check.equal(s, vl.implied_sigma(pixels, 20, reconstruction="mean"))


def cost_of(s, x, m):
    """-log p, averaged over the images, for one s."""
    return -td.Normal(m, s).log_prob(x).sum(1).mean()


def cheapest(x, m, steps=60):
    """The best s: Newton's method on -log p as a function of log s^2."""
    logvar = torch.zeros((), dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        slope = torch.autograd.grad(
            cost_of(torch.exp(0.5 * logvar), x, m), logvar, create_graph=True
        )[0]
        bend = torch.autograd.grad(slope, logvar)[0]
        logvar = (logvar - slope / bend.abs()).detach().requires_grad_()
    return torch.exp(0.5 * logvar).detach()


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_loss_sigma(check):
    """The best s^2 is the mean squared error; with it the loss is D/2 log(2 pi e MSE)."""
    for n in (1, 1, 6):  # one image, and several with one s
        x, m, _ = images_and_means(n)
        mse, s = (x - m).square().mean(), cheapest(x, m)
        check.equal(mse, s.square())
        least = x.shape[1] / 2 * torch.log(2 * math.pi * math.e * mse)
        check.equal(least, cost_of(s, x, m))
        for other in torch.rand(10, dtype=torch.float64) + 0.05:
            check.at_most(least, cost_of(other, x, m))


def bce(x, rho):
    return -x * torch.log(rho) - (1 - x) * torch.log(1 - rho)


@pytest.mark.equation(by="autograd", within=1e-10)
def test_eq_coin_logits(check):
    """Minus log p of a coin in terms of its logit, and its slope, sigmoid minus x."""
    rho = (0.98 * torch.rand(20, dtype=torch.float64) + 0.01).requires_grad_()
    logit = torch.log(rho / (1 - rho))
    for value in (0.0, 0.4, 1.0):
        x = torch.full_like(rho, value)
        cost = bce(x, rho) if value == 0.4 else -td.Bernoulli(rho).log_prob(x)
        check.equal(torch.log1p(torch.exp(logit)) - x * logit, cost)
        slope = torch.autograd.grad(cost.sum(), rho)[0] * rho * (1 - rho)  # d rho / d logit
        check.equal(torch.sigmoid(logit) - x, slope)


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_coin_floor(check):
    """Cross-entropy is the coin's entropy plus a KL, so at least the entropy."""
    x, rho = 0.98 * torch.rand(2, 30, dtype=torch.float64) + 0.01
    entropy = td.Bernoulli(x).entropy()
    extra = td.kl_divergence(td.Bernoulli(x), td.Bernoulli(rho))
    check.equal(bce(x, rho), entropy + extra)
    kl_typed = x * torch.log(x / rho) + (1 - x) * torch.log((1 - x) / (1 - rho))
    check.equal(kl_typed, extra)
    check.at_most(entropy, bce(x, rho))
    check.equal(entropy, bce(x, x))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_coin_grey(check):
    """The expected cost of a tossed pixel is the cross-entropy at its grey level."""
    x, rho = 0.98 * torch.rand(2, 30, dtype=torch.float64) + 0.01
    coin = td.Bernoulli(rho)
    on, off = coin.log_prob(torch.ones_like(rho)), coin.log_prob(torch.zeros_like(rho))
    expected = -(x * on + (1 - x) * off)  # over the two outcomes of the toss
    check.equal(expected, F.binary_cross_entropy(rho, x, reduction="none"))


@pytest.mark.equation(by="quadrature", within=1e-7)
def test_eq_coin_normaliser(check):
    """The area under rho^x (1 - rho)^(1 - x) on [0, 1] is tanh(l / 2) / l, not 1."""
    logit = 3 * torch.randn(12, dtype=torch.float64)
    rho, x = torch.sigmoid(logit), unit_line()
    area = torch.trapezoid(torch.exp(-bce(x, rho[:, None])), x)
    check.equal((2 * rho - 1) / logit, area)
    check.equal(torch.tanh(logit / 2) / logit, area)


@pytest.mark.equation(by="quadrature", within=1e-7)
def test_eq_cb_density(check):
    """The continuous Bernoulli in terms of its logit; it integrates to one."""
    logit, x = 3 * torch.randn(12, 1, dtype=torch.float64), unit_line()
    constant = logit / torch.tanh(logit / 2)
    log_density = x * logit - torch.log1p(torch.exp(logit)) + torch.log(constant)
    check.equal(torch.trapezoid(torch.exp(log_density), x), torch.ones(12))
    check.equal(log_density, td.ContinuousBernoulli(logits=logit).log_prob(x))


@pytest.mark.equation(by="quadrature", within=1e-7)
def test_eq_cb_mean(check):
    """The mean of a continuous Bernoulli, in terms of its logit."""
    logit, x = 3 * torch.randn(12, dtype=torch.float64), unit_line()
    weight = torch.exp(x * logit[:, None])
    mean = torch.trapezoid(x * weight, x) / torch.trapezoid(weight, x)
    check.equal(1 / (1 - torch.exp(-logit)) - 1 / logit, mean)


def logistic_mass(low, high, m, tau, points=4001):
    """Mass of a logistic between two points, the trapezoid rule on its density."""
    t = low + (high - low) * unit_line(points)
    density = 1 / (4 * tau * torch.cosh((t - m) / (2 * tau)) ** 2)
    return torch.trapezoid(density, t)


@pytest.mark.equation(by="quadrature", within=2e-5)
def test_eq_logistic_mass(check):
    """The masses of the grey levels of a discretised logistic, and that they sum to one."""
    w, levels = 1 / 255, torch.arange(256, dtype=torch.float64) / 255
    for centre in (0.0, *torch.rand(4).tolist(), 1.0):
        m, tau = centre, 0.02 * torch.rand((), dtype=torch.float64) + 0.004
        far = 1 + 20 * tau.item()
        above = torch.sigmoid((levels + w / 2 - m) / tau)
        below = torch.sigmoid((levels - w / 2 - m) / tau)
        mass = above - below
        mass[0], mass[-1] = above[0], 1 - below[-1]
        check.equal(mass.sum(), 1.0)
        k = max(1, min(254, int(m * 255)))  # a level near the centre, so that its mass counts
        ends = [(k / 255 - w / 2, k / 255 + w / 2), (-far, w / 2), (1 - w / 2, 2 * far)]
        by_density = [logistic_mass(*pair, m, tau) for pair in ends]
        check.equal(mass[[k, 0, -1]], torch.stack(by_density))


@pytest.mark.equation(by="quadrature", within=1e-6)
def test_eq_dequantize(check):
    """Spreading a level over its bin gives a lower bound on the log of the bin's mass."""
    m = torch.rand(2, 2, dtype=torch.float64)  # a mixture of two: the D = 2 pixels depend
    s = torch.rand(2, 2, dtype=torch.float64) + 0.2
    normal, u = td.Normal(m, s), unit_line(101)

    def mean(values):  # over u for both pixels
        return torch.trapezoid(torch.trapezoid(values, u), u)

    for low in torch.randint(0, 256, (20, 2)) / 256:
        mass = (normal.cdf(low + 1 / 256) - normal.cdf(low)).prod(1).mean()
        y = low + torch.cartesian_prod(u, u)[:, None] / 256
        p = normal.log_prob(y).sum(2).exp().mean(1).view(101, 101)
        check.equal(torch.log(mean(p * 256**-2)), torch.log(mass))
        check.at_most(mean(torch.log(p)) - 2 * math.log(256), torch.log(mass))
    # equality: a density that is constant in the bin
    flat = td.Uniform(torch.zeros(2, dtype=torch.float64), 2.0)
    level = torch.tensor([7, 200], dtype=torch.float64) / 256
    mass = (flat.cdf(level + 1 / 256) - flat.cdf(level)).prod()
    check.equal(flat.log_prob(level).sum() - 2 * math.log(256), torch.log(mass))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_gaussian_ceiling(check):
    """No image is more probable than the centre of its Gaussian noise, whatever the decoder."""
    D, J = 5, 3
    for scale in (0.0, 0.1, 1.0, 3.0):
        W, b = scale * torch.randn(D, J, dtype=torch.float64), torch.rand(D, dtype=torch.float64)
        s = torch.rand((), dtype=torch.float64) + 0.1
        noise = s**2 * torch.eye(D, dtype=torch.float64)
        evidence = td.MultivariateNormal(b, W @ W.T + noise)
        near = b + s * torch.randn(20, D, dtype=torch.float64)
        ceiling = -D / 2 * torch.log(2 * math.pi * s**2)
        check.at_most(evidence.log_prob(near), ceiling.expand(20))
        check.at_most(evidence.log_prob(b), ceiling)
        if scale == 0:  # equality: the decoder says b to every code, and x is b
            check.equal(ceiling, evidence.log_prob(b))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_blur(check):
    """The expected squared error splits into a spread and the distance from the average."""
    for _ in range(5):
        x, share = torch.randn(7, 4, dtype=torch.float64), torch.rand(7, dtype=torch.float64)
        share, m = share / share.sum(), torch.randn(4, dtype=torch.float64)
        average = share @ x
        spread = share @ (x - average).square().sum(1)
        check.equal(share @ (x - m).square().sum(1), spread + (average - m).square().sum())


@pytest.mark.equation(by="autograd", within=1e-9)
def test_eq_effective_beta(check):
    """A loss a R + c KL has the gradient of a beta-ELBO with beta = c / a, times a constant."""
    D, J = 11, 3
    for _ in range(5):
        x, weights = torch.rand(D, dtype=torch.float64), torch.randn(D, J, dtype=torch.float64)
        q = torch.randn(2 * J, dtype=torch.float64, requires_grad=True)  # mu and logvar
        mu, logvar = q.view(2, J)
        decoded = weights @ (mu + torch.exp(0.5 * logvar) * torch.randn(J, dtype=torch.float64))
        prior, proposal = td.Normal(0.0, 1.0), td.Normal(mu, torch.exp(0.5 * logvar))
        kl, (a, c, s) = td.kl_divergence(proposal, prior), torch.rand(3).double() + 0.3
        sse, nll = (x - decoded).square(), -td.Normal(decoded, s).log_prob(x).sum()
        coin = -td.Bernoulli(logits=decoded).log_prob((x > 0.5).double()).sum()

        def gradient(loss, q=q):
            return torch.autograd.grad(loss, q, retain_graph=True)[0]

        beta = c / a
        check.equal(gradient(a * coin + c * kl.sum()), a * gradient(coin + beta * kl.sum()))
        beta = c / (2 * a * s**2)
        whole = 2 * a * s**2 * gradient(nll + beta * kl.sum())
        check.equal(gradient(a * sse.sum() + c * kl.sum()), whole)
        # averages have 1 / D in a and 1 / J in c: the library agrees
        library = vl.effective_beta(D, J, "mean", "mean", a.item(), c.item(), s.item())
        check.equal(gradient(a * sse.mean() + c * kl.mean()) / a,
                    2 * s**2 / D * gradient(nll + library * kl.sum()))  # fmt: skip


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_laplace(check):
    """Minus the log of a Laplace density is the absolute error over b, plus a constant."""
    x, m, b = images_and_means()
    loss = (x - m).abs().sum(1) / b[:, 0] + x.shape[1] * torch.log(2 * b[:, 0])
    check.equal(loss, -td.Laplace(m, b).log_prob(x).sum(1))
