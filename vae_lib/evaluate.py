"""What a trained model is worth.  A log-likelihood is higher-is-better; k means k."""

from contextlib import contextmanager

import torch

from .data import batches
from .distributions import at_least_float32, gaussian_kl
from .likelihoods import Bernoulli
from .objectives import Bound, elbo, mean_bound


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
def log_likelihood(model, images, k, chunk=None, seed=0):
    """log p(x) estimated by k importance samples from q: (N,) nats, a lower bound in expectation.

    chunk: at most so many decodings are in memory, whatever k; left out, it is 1,000 on a CPU,
    where few spill from the cache, and 16,384 elsewhere.  The same estimate as
    `iwae_bound(model, x, k).value`, by faster roads.  Burda et al. 2016, eq. (8).
    Raises ValueError for k < 1 or chunk < 1.
    """
    if k < 1:
        raise ValueError(f"k counts importance samples and must be at least 1, got {k}")
    if chunk is None:
        chunk = 1000 if next(model.parameters()).device.type == "cpu" else 16_384
    if chunk < 1:
        raise ValueError(f"chunk counts decodings and must be at least 1, got {chunk}")
    # many images at once where k is small, a part of the k samples of one image where it is large
    sizes = [min(chunk, k - done) for done in range(0, k, chunk)]
    result = []
    with _evaluating(model, seed):
        for x in _on_device(model, images, max(1, chunk // k)):
            q = model.encode(x)
            parts = [torch.logsumexp(_log_weights(model, x, *q, size), 1) for size in sizes]
            # the one place where a GPU is waited for
            result.append(torch.logsumexp(torch.stack(parts).cpu().double(), 0))
    return torch.cat(result) - torch.tensor(float(k), dtype=torch.float64).log()


def _log_weights(model, x, mu, logvar, n):
    """log w of n draws of z for each of B images: (B, n) nats, as `objectives.log_weights`."""
    mu, logvar = at_least_float32(mu).unsqueeze(1), at_least_float32(logvar).unsqueeze(1)
    eps = torch.randn(len(x), n, mu.shape[-1], device=mu.device, dtype=mu.dtype)
    z = mu + torch.exp(0.5 * logvar) * eps
    # Both Gaussians have the same 2 pi, and (z - mu) / sigma is eps.
    # So log p(z) - log q(z given x) needs |eps|^2, |z|^2 and the log of sigma, no more.
    log_pz_qz = 0.5 * ((eps.square() - z.square()).sum(-1) + logvar.sum(-1))
    return _log_px_z(model.likelihood, x, model.decode(z.flatten(0, 1)), n) + log_pz_qz


def _log_px_z(likelihood, x, params, n):
    """log p(x given z) of B images (B, ...) under n decodings of each (B * n, ...): (B, n) nats."""
    if type(likelihood) is Bernoulli:
        x, logits = x.flatten(1), at_least_float32(params).flatten(1)
        return _bernoulli_log_prob(x.unsqueeze(1), logits.view(len(x), n, x.shape[1]))
    copies = x.unsqueeze(1).expand(-1, n, *x.shape[1:]).flatten(0, 1)
    return likelihood.log_prob(copies, params).view(len(x), n)


def _bernoulli_log_prob(x, logits):
    """`bernoulli_log_prob` with a hundredth of the logarithms: x (B, 1, D), logits (B, n, D).

    log p = sum of x l - softplus(l), and softplus(l) = max(l, 0) - log sigmoid(|l|).
    """
    # One buffer of our own serves two steps, so that less is moved through the cache.
    # The logits stay as they are, since a decoder may return a tensor that it keeps.
    buffer = logits.clamp(min=0).addcmul_(x, logits, value=-1)
    linear = buffer.sum(-1)
    # sigmoid(|l|) is at least 1/2, so a product of 100 of them cannot underflow in float32.
    # The logarithm of that product replaces 100 logarithms, and no logit is too large for it.
    group = max(g for g in range(1, 101) if logits.shape[-1] % g == 0)
    products = torch.abs(logits, out=buffer).sigmoid_().unflatten(-1, (-1, group)).prod(-1)
    return products.log().sum(-1) - linear


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
