"""The exact laboratory: models whose log p(x) is known, so that every bound can be held to it.

`LinearGaussian` has evidence, posterior and ELBO in closed form.  Quadrature serves every model
with one or two latents.  It all stands beside the core of the library, which never imports it.
"""

import math

import torch
import torch.nn.functional as F
from torch import distributions as td
from torch import nn

from .distributions import _same_shape, gaussian_kl
from .likelihoods import Gaussian
from .objectives import Bound


class LinearGaussian(nn.Module):
    """p(z) = N(0, I), p(x given z) = N(W z + b, sigma^2 I): the VAE with everything known.

    W: (D, J), b: (D,), sigma: a positive standard deviation.  Images are rows, x: (B, D).
    `encode` is the best diagonal Gaussian, so `elbo(model, x)` and `iwae_bound(model, x, k)`
    run on it.  Raises ValueError on other shapes.  Tipping & Bishop 1999, section 3.
    """

    def __init__(self, W, b, sigma):
        super().__init__()
        if W.dim() != 2 or b.shape != W.shape[:1]:
            raise ValueError(
                f"W must be (D, J) and b (D,), got {tuple(W.shape)} and {tuple(b.shape)}"
            )
        self.W, self.b = nn.Parameter(W.clone()), nn.Parameter(b.clone())
        self.likelihood = Gaussian(sigma, learned=True).to(W.dtype)
        nn.init.constant_(self.likelihood.logvar, 2 * math.log(sigma))  # it came in float32

    @property
    def variance(self):
        """sigma^2, the noise of one pixel: a scalar."""
        return self.likelihood.logvar.exp()

    def decode(self, z):
        """z (B, J) -> the mean of p(x given z), (B, D)."""
        return z @ self.W.T + self.b

    def draw(self, n, generator=None):
        """n draws from the model: z (n, J) and x (n, D)."""
        z = torch.randn(n, self.W.shape[1], generator=generator, dtype=self.W.dtype)
        return z, self.likelihood.draw(self.decode(z), generator)

    def log_evidence(self, x):
        """log p(x) = log N(x; b, W W^T + sigma^2 I): (B, D) -> (B,) nats."""
        noise = self.variance.expand(len(self.b))
        return td.LowRankMultivariateNormal(self.b, self.W, noise).log_prob(x)

    def precision(self):
        """Inverse covariance of p(z given x), I + W^T W / sigma^2: (J, J), the same for all x."""
        return torch.eye(self.W.shape[1], dtype=self.W.dtype) + self.W.T @ self.W / self.variance

    def posterior(self, x):
        """p(z given x) = N(mean, covariance): (B, D) -> (B, J) and (J, J)."""
        if x.dim() != 2 or x.shape[1] != len(self.b):
            raise ValueError(f"x must be (B, {len(self.b)}), got {tuple(x.shape)}")
        precision = self.precision()
        mean = torch.linalg.solve(precision, self.W.T @ (x - self.b).T / self.variance).T
        return mean, torch.linalg.inv(precision)

    def encode(self, x):
        """mu and logvar, (B, J) each, of the diagonal Gaussian with the highest ELBO.

        Its mean is the posterior's; its variances are one over the diagonal of the precision.
        """
        mean, _ = self.posterior(x)
        return mean, -self.precision().diagonal().log().expand_as(mean)

    def exact_elbo(self, x, mu, logvar):
        """The ELBO of q = N(mu, diag exp(logvar)), without sampling: Bound of (B,) nats."""
        x, mean = _same_shape("x", x, "the decoded mu", self.decode(mu))
        error = (x - mean).square().sum(1) + logvar.exp() @ self.W.square().sum(0)
        log_px_z = -0.5 * (
            len(self.b) * torch.log(2 * math.pi * self.variance) + error / self.variance
        )
        kl = gaussian_kl(mu, logvar)
        return Bound(log_px_z - kl, log_px_z, kl)

    def gap(self, x, mu, logvar):
        """KL(q || p(z given x)) of q = N(mu, diag exp(logvar)): (B,) nats."""
        mean, _ = self.posterior(x)
        mu, mean = _same_shape("mu", mu, "the posterior's mean", mean)
        q = td.MultivariateNormal(mu, torch.diag_embed(logvar.exp()))
        return td.kl_divergence(q, td.MultivariateNormal(mean, precision_matrix=self.precision()))


def fit_ppca(x, latent_dim, sigma=None):
    """The linear-Gaussian model of highest likelihood, in closed form: probabilistic PCA.

    x: (N, D).  sigma is the best one unless given.  Column j of W lies along the eigenvector of
    the j-th largest eigenvalue of the covariance, and is zero where that is below sigma^2.
    Raises ValueError unless 0 < latent_dim < D, and where the best sigma is 0 because x lies in
    latent_dim dimensions.  Tipping & Bishop 1999, eqs. (7) and (8).
    """
    n, d = x.shape
    if not 0 < latent_dim < d:
        raise ValueError(f"latent_dim must lie between 1 and D - 1 = {d - 1}, got {latent_dim}")
    mean = x.mean(0)
    eigenvalues, vectors = torch.linalg.eigh((x - mean).T @ (x - mean) / n)
    if sigma is None:
        variance = eigenvalues[:-latent_dim].mean()
        if not variance > d * torch.finfo(x.dtype).eps * eigenvalues[-1]:
            raise ValueError(f"x lies in {latent_dim} dimensions: the best sigma is 0, give one")
        sigma = variance.sqrt().item()
    top = (eigenvalues[-latent_dim:] - sigma**2).clamp(min=0).sqrt().flip(0)
    W = vectors[:, -latent_dim:].flip(1) * top
    return LinearGaussian(W, mean, sigma)


def latent_grid(latent_dim, points=401, radius=8.0, dtype=torch.float64):
    """A grid on the latent space, and the log of the prior mass of each of its cells.

    -> z (points^J, J), log_mass (points^J,).  Raises ValueError unless J is 1 or 2, since the
    number of points is a power of J.
    """
    if latent_dim not in (1, 2):
        raise ValueError(f"a grid serves 1 or 2 latents, got {latent_dim}: sample instead")
    line = torch.linspace(-radius, radius, points, dtype=dtype)
    z = torch.cartesian_prod(*[line] * latent_dim).view(-1, latent_dim)
    log_cell = latent_dim * math.log(2 * radius / (points - 1))
    return z, td.Normal(0.0, 1.0).log_prob(z).sum(1) + log_cell


@torch.no_grad()
def log_joint_on_grid(model, x, z, log_mass, chunk=20_000):
    """log p(x given z) + log p(z) + log of the cell's volume: (B, N) nats, for B images, N cells.

    At most `chunk` decodings are in memory.
    """
    rows = []
    for part in z.split(chunk):
        params = model.decode(part)
        rows.append([model.likelihood.log_prob(one.expand_as(params), params) for one in x])
    return torch.stack([torch.cat(row) for row in zip(*rows, strict=True)]) + log_mass


def log_evidence_on_grid(model, x, z, log_mass):
    """log p(x), the sum over the cells of a grid: (B,) nats.  For models with 1 or 2 latents."""
    return torch.logsumexp(log_joint_on_grid(model, x, z, log_mass), 1)


@torch.no_grad()
def bernoulli_evidence_on_grid(model, x, z, log_mass, chunk=10_000):
    """`log_evidence_on_grid` for binary pixels, every cell decoded once for all images: (B,) nats.

    log p(x given z) is x . logits less a sum that no image enters: one matrix product.
    """
    flat, parts = x.flatten(1), []
    for codes, mass in zip(z.split(chunk), log_mass.split(chunk), strict=True):
        logits = model.decode(codes).flatten(1)
        log_px_z = flat @ logits.T - F.softplus(logits).sum(1)
        parts.append(torch.logsumexp((log_px_z + mass).double(), 1))
    return torch.logsumexp(torch.stack(parts), 0)


def posterior_on_grid(model, x, z, log_mass):
    """The posterior mass of each cell of a grid, (B, N); every row sums to 1."""
    return torch.softmax(log_joint_on_grid(model, x, z, log_mass), 1)
