"""The equations of chapter 11, training on a GPU, fast: counts, floors, shares of a batch."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import vae_lib as vl


def mean_bound(model, x):
    """Minus the mean ELBO with the noise held fixed, so that it is a function of the weights."""
    mu, logvar = model.encode(x)
    eps = torch.linspace(-1, 1, mu.numel(), dtype=mu.dtype).view_as(mu)
    log_px_z = model.likelihood.log_prob(x, model.decode(mu + torch.exp(0.5 * logvar) * eps))
    return log_px_z - vl.gaussian_kl(mu, logvar)


def small_vae():
    model = vl.make_model("vae", net="mlp", latent_dim=3, image_shape=(1, 4, 4), hidden=(7,))
    return model.double()


def gradient(loss, model):
    """All gradients of a loss in one vector."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(model.parameters()))])


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_amdahl(check):
    """The formula against the times of a step whose first part is made faster; and its limit."""
    for _ in range(20):
        seconds = torch.rand(5, dtype=torch.float64)
        s = 1 + 20 * torch.rand((), dtype=torch.float64)
        faster = seconds.clone()
        faster[0] /= s
        f = seconds[0] / seconds.sum()
        check.equal(1 / ((1 - f) + f / s), seconds.sum() / faster.sum())
        without = seconds.sum() / seconds[1:].sum()  # the part gone
        check.at_most(seconds.sum() / faster.sum(), without)
        check.equal(1 / (1 - f), without)


@pytest.mark.equation(by="autograd", within=1e-12)
def test_eq_loss_scale(check):
    """The gradient of a scaled loss, scaled back, is the gradient."""
    for c in (2.0**16, 3.0, 1e-3):
        model, x = small_vae(), torch.rand(5, 1, 4, 4, dtype=torch.float64)
        loss = -mean_bound(model, x).mean()
        check.equal(gradient(c * loss, model) / c, gradient(-mean_bound(model, x).mean(), model))


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_step_flops(check):
    """The formula against PyTorch's counter, on networks of several depths and on the VAE."""
    for B, sizes in ((4, (6, 5)), (7, (10, 3, 8)), (3, (5, 9, 2, 11, 4))):
        layers = list(pairwise(sizes))
        net = nn.Sequential(*(nn.Linear(n, m, bias=False) for n, m in layers))
        with FlopCounterMode(display=False) as counter:
            net(torch.rand(B, sizes[0])).sum().backward()
        typed = B * (6 * sum(n * m for n, m in layers) - 2 * sizes[0] * sizes[1])
        check.equal(typed, counter.get_total_flops())
    J, B = 3, 6
    model = vl.make_model("vae", net="mlp", latent_dim=J, hidden=(50,))
    with FlopCounterMode(display=False) as counter:
        (-vl.elbo(model, torch.rand(B, 1, 28, 28)).value.mean()).backward()
    total = 784 * 50 + 2 * 50 * J + J * 50 + 50 * 784
    check.equal(B * (6 * total - 2 * 784 * 50), counter.get_total_flops())


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_roofline(check):
    """The floor against a machine played through: it fetches one piece while it computes another.

    Met where a step only computes or only fetches.
    """

    def played(flops, moved, P, W):
        fetched = computed = 0.0
        for f, m in zip(flops.tolist(), moved.tolist(), strict=True):
            fetched += m / W
            computed = max(computed, fetched) + f / P
        return computed

    for _ in range(20):
        flops, moved = 10 * torch.rand(2, 8, dtype=torch.float64)
        P, W = (0.1 + 2 * torch.rand(2, dtype=torch.float64)).tolist()
        floor = max(flops.sum().item() / P, moved.sum().item() / W)
        check.at_most(floor, played(flops, moved, P, W))
        check.equal(flops.sum().item() / P, played(flops, 0 * moved, P, W))
        check.equal(moved.sum().item() / W, played(0 * flops, moved, P, W))


@pytest.mark.equation(by="autograd", within=1e-12)
def test_eq_shares(check):
    """Gradients of shares of a batch, averaged as the processes do, against the whole batch's."""
    model = small_vae()
    for n, R in ((6, 2), (5, 2), (7, 3), (4, 1), (3, 4)):
        x = torch.rand(n, 1, 4, 4, dtype=torch.float64)
        g = torch.stack([gradient(-mean_bound(model, image[None]).sum(), model) for image in x])
        of_shares = [g[r::R].sum(0) * R / n for r in range(R)]
        whole = gradient(-torch.cat([mean_bound(model, image[None]) for image in x]).mean(), model)
        check.equal(torch.stack(of_shares).mean(0), whole)
