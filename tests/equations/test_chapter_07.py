"""The equations of chapter 7, a convolutional autoencoder."""

import pytest
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli

import vae_lib as vl


def conv_side(H, k, s, p):
    return (H + 2 * p - k) // s + 1


def deconv_side(H, k, s, p):
    return (H - 1) * s - 2 * p + k


def random_layers(n=200):
    """Side H, kernel k, stride s, padding p of n layers; the kernel fits into the padded side."""
    H, k, s = torch.randint(1, 41, (n,)), torch.randint(1, 8, (n,)), torch.randint(1, 5, (n,))
    p = torch.randint(0, 4, (n,))
    fits = H + 2 * p >= k
    return torch.stack([H, k, s, p], 1)[fits].tolist()


@pytest.mark.equation(by="exact", within=0)
def test_eq_conv_size(check):
    """The output side of a convolution, against torch's convolutions of random shapes."""
    layers = random_layers()
    sides = [
        F.conv1d(torch.zeros(1, 1, H), torch.zeros(1, 1, k), None, s, p).shape[-1]
        for H, k, s, p in layers
    ]
    check.equal([conv_side(*layer) for layer in layers], sides)


@pytest.mark.equation(by="exact", within=0)
def test_eq_deconv_size(check):
    """The output side of a transposed convolution, and where it undoes a convolution's."""
    layers = [layer for layer in random_layers() if deconv_side(*layer) > 0]
    sides = [
        F.conv_transpose1d(torch.zeros(1, 1, H), torch.zeros(1, 1, k), None, s, p).shape[-1]
        for H, k, s, p in layers
    ]
    check.equal([deconv_side(*layer) for layer in layers], sides)
    undone = [deconv_side(conv_side(H, k, s, p), k, s, p) for H, k, s, p in layers]
    lost = [(H + 2 * p - k) % s for H, k, s, p in layers]
    assert 0 in lost and max(lost) > 0
    check.equal(undone, [H - rest for (H, *_), rest in zip(layers, lost, strict=True)])


@pytest.mark.equation(by="exact", within=1e-12)
def test_eq_bernoulli(check):
    """The log-probability of a binary image, for all images of eight pixels."""
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 8)
    for _ in range(5):
        logits = 2 * torch.randn(8, dtype=torch.float64)
        pi = torch.sigmoid(logits)
        typed = (x * pi.log() + (1 - x) * (1 - pi).log()).sum(1)
        coins = torch.where(x == 1, pi, 1 - pi).prod(1)  # independent, so multiply
        check.equal(typed, coins.log())
        check.equal(typed, Bernoulli(logits=logits).log_prob(x).sum(1))
        check.equal(typed, vl.bernoulli_log_prob(x, logits.expand_as(x)))
        check.equal(typed.exp().sum(), 1.0)
