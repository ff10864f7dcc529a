"""What a trained model is worth.  A log-likelihood is higher-is-better; k means k."""

from contextlib import contextmanager

import torch

from .data import batches
from .distributions import gaussian_kl
from .objectives import Bound, elbo, log_weights, mean_bound


def evaluate_bound(model, objective, images, samples=1, batch_size=500, seed=0):
    """objective(model, x) averaged over images: Bound of floats, nats per image.

    images: (N, C, H, W), uint8 or in [0, 1]; binarise them first where training did.
    samples: how many times every image is evaluated, each with fresh draws of z.
    """
    with _evaluating(model, seed):
        runs = [
            mean_bound(model, objective, _on_device(model, images, batch_size))
            for _ in range(samples)
        ]
    return Bound(*(sum(part) / samples for part in zip(*runs, strict=True)))


def evaluate_elbo(model, images, samples=1, batch_size=500, seed=0):
    """The ELBO averaged over images: Bound of floats, nats per image.  It always samples z."""
    return evaluate_bound(model, elbo, images, samples, batch_size, seed)


@torch.no_grad()
def log_likelihood(model, images, k, batch_size=100, chunk=50, seed=0):
    """log p(x) estimated by k importance samples from q: (N,) nats, a lower bound in expectation.

    At most `chunk * batch_size` decodings are in memory.  Burda et al. 2016, eq. (8).
    Raises ValueError for k < 1.
    """
    if k < 1:
        raise ValueError(f"k counts importance samples and must be at least 1, got {k}")
    result = []
    with _evaluating(model, seed):
        for x in _on_device(model, images, batch_size):
            sizes = [min(chunk, k - done) for done in range(0, k, chunk)]
            log_w = torch.cat([log_weights(model, x, size)[0] for size in sizes])
            result.append(torch.logsumexp(log_w.cpu().double(), 0))
    return torch.cat(result) - torch.tensor(float(k), dtype=torch.float64).log()


@torch.no_grad()
def posterior(model, images, batch_size=500):
    """mu and logvar of q(z given x) for every image: (N, J) each, on the CPU."""
    with _evaluating(model, seed=None):
        parts = [model.encode(x) for x in _on_device(model, images, batch_size)]
    return tuple(torch.cat(part).float().cpu() for part in zip(*parts, strict=True))


def kl_per_dimension(model, images):
    """The KL of each latent dimension, averaged over images: (J,) nats; they sum to the KL term."""
    mu, logvar = posterior(model, images)
    # one column at a time, so that the sum over latents in gaussian_kl sums nothing
    pairs = zip(mu.split(1, 1), logvar.split(1, 1), strict=True)
    return torch.stack([gaussian_kl(m, v).mean() for m, v in pairs])


def active_units(model, images, threshold=0.01):
    """How many latents are used: Var over x of E_q[z] above the threshold (Burda et al. 2016)."""
    mu, _ = posterior(model, images)
    return int((mu.var(0) > threshold).sum())


@contextmanager
def _evaluating(model, seed):
    """model.eval() and a seeded stream of noise, both undone afterwards."""
    was_training = model.training
    model.eval()
    try:
        with torch.random.fork_rng(enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            yield
    finally:
        model.train(was_training)


def _on_device(model, images, batch_size):
    device = next(model.parameters()).device
    return (x.to(device) for x in batches(images, batch_size))
