"""log p(x) of any decoder with any density of codes, by importance sampling from a Laplace fit.

`evaluate.log_likelihood` draws from a VAE's encoder, under its own prior.  An autoencoder has no
such encoder, and a density fitted after training is not N(0, I): here the proposal is made from
the decoder and the density themselves, in the same way for every model.
"""

import math

import torch
from torch import distributions as td


def log_px_given_z(model, x, z):
    """log p(x given z), (B,) in float64, for codes in float64."""
    return model.likelihood.log_prob(x, model.decode(z.float())).double()


def laplace_evidence(model, x, density, start, k=300, steps=150):
    """log p(x) of the model whose codes come from `density`: (B,) nats, by importance sampling.

    x: (B, C, H, W), binary; start: (B, J), its codes.  Climbs from there to the mode of
    log p(x given z) + log p(z) and draws k codes from a Student t (4 degrees) with the curvature
    found there.  A lower bound in expectation, like every such estimate.  On the CPU.
    """
    mode = _mode(model, x, density, start.double(), steps)
    root = _posterior_root(model, mode, density)  # (B, J, J), root @ root.T = covariance
    noise = td.StudentT(4.0).sample((k, *mode.shape)).to(mode)
    z = mode + (root @ noise[..., None]).squeeze(-1)  # (k, B, J)
    log_q = td.StudentT(4.0).log_prob(noise).sum(-1) - torch.logdet(root)
    with torch.no_grad():
        log_px_z = torch.stack([log_px_given_z(model, x, one) for one in z])
        log_w = log_px_z + density.log_prob(z) - log_q
    return torch.logsumexp(log_w, 0) - math.log(k)


def _mode(model, x, density, z, steps):
    z = z.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([z], lr=0.05)
    for _ in range(steps):
        loss = -(log_px_given_z(model, x, z) + density.log_prob(z)).sum()
        (z.grad,) = torch.autograd.grad(loss, z)
        optimizer.step()
    return z.detach()


def _posterior_root(model, z, density):
    """A root of the proposal's covariance: (B, J, J).

    Its inverse is the Gauss-Newton curvature of -log p(x given z) at z, plus one over the
    variances of the density.
    """

    def pixels(one):
        return model.decode(one[None])[0].flatten()

    slopes = torch.func.vmap(torch.func.jacfwd(pixels))(z.float()).double()  # (B, D, J)
    with torch.no_grad():
        on = torch.sigmoid(model.decode(z.float())).flatten(1).double()
    curvature = torch.einsum("bdi,bd,bdj->bij", slopes, on * (1 - on), slopes)
    wide = torch.eye(z.shape[1]).to(z) / density.variance.to(z)  # no wider than the density
    return torch.linalg.cholesky(torch.linalg.inv(curvature + wide))
