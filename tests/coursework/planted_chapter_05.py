"""Wrong answers to the exercises of chapter 5."""

from planting import Planted

BY_F, BY_KL = "the part of -f(z)", "the part of the KL"
VARIANCE = "the variance for any J and b"
EVEN, EDGES = "the draws fill [a, b] evenly", "the path from z to both edges"
PATH = "the path from z to mu and logvar"
SINGLE = "mean, spread and noise of single draws"
MANY = "k draws, each with its own noise"

PLANTED = (
    Planted(
        "ex-05-logvar",
        BY_F,
        "the derivative in sigma",
        """
def logvar_gradients(mu, logvar, eps, slope):
    return -slope * eps, (logvar.exp() - 1) / 2
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_F,
        "the sign is turned around",
        """
def logvar_gradients(mu, logvar, eps, slope):
    z = mu + torch.exp(logvar / 2) * eps
    return slope * (z - mu) / 2, torch.exp(logvar) / 2 - 0.5
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_F,
        "this is dz/dlogvar",
        """
def logvar_gradients(mu, logvar, eps, slope):
    z = mu + torch.exp(logvar / 2) * eps
    return (z - mu) / 2, torch.exp(logvar) / 2 - 0.5
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_KL,
        "the derivative in sigma, not in logvar",
        """
def logvar_gradients(mu, logvar, eps, slope):
    sigma = logvar.mul(0.5).exp()
    return -slope * sigma * eps / 2, sigma - 1 / sigma
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_KL,
        "-log sigma^2 is forgotten",
        """
def logvar_gradients(mu, logvar, eps, slope):
    sigma = logvar.mul(0.5).exp()
    return -slope * sigma * eps / 2, sigma**2 / 2
""",
    ),
    Planted(
        "ex-05-dimension",
        VARIANCE,
        "this is without the baseline",
        """
def score_variance(J, b):
    return 4 * J**2 + 14 * J + 12
""",
    ),
    Planted(
        "ex-05-dimension",
        VARIANCE,
        "this is the second moment",
        """
def score_variance(J, b):
    r, var_r = 2 * (J - 1), 6 * (J - 1)
    return 34 + 8 * r + var_r + r**2 - 2 * b * (4 + r) + b**2
""",
    ),
    Planted(
        "ex-05-dimension",
        VARIANCE,
        "the other coordinates fluctuate",
        """
def score_variance(J, b):
    rest = 2 * (J - 1) - b
    return 34 + 8 * rest + rest**2 - 4
""",
    ),
    Planted(
        "ex-05-dimension",
        VARIANCE,
        "the cross term",
        """
def score_variance(J, b):
    return 4 * J**2 + 14 * J + 12 + b**2
""",
    ),
    Planted(
        "ex-05-uniform",
        EVEN,
        "b is the upper edge, not the width",
        """
def uniform_draw(a, b, u):
    return a + b * u
""",
    ),
    Planted(
        "ex-05-uniform",
        EVEN,
        "u is already uniform",
        """
def uniform_draw(a, b, u):
    return a + (b - a) * torch.sqrt(u)
""",
    ),
    Planted(
        "ex-05-uniform",
        EVEN,
        "do not depend on u",
        """
def uniform_draw(a, b, u):
    return a + (b - a) * torch.rand(a.shape)
""",
    ),
    Planted(
        "ex-05-uniform",
        EDGES,
        "no gradient arrives at the edge b",
        """
def uniform_draw(a, b, u):
    width = (b - a).detach()
    return a + width * u
""",
    ),
    Planted(
        "ex-05-uniform",
        EDGES,
        "no gradient arrives: a detach",
        """
def uniform_draw(a, b, u):
    with torch.no_grad():
        z = a * (1 - u) + b * u
    return z
""",
    ),
    Planted(
        "ex-05-draws",
        PATH,
        "no gradient arrives",
        """
def draw_codes(mu, logvar, k):
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    return q.sample((k,))
""",
    ),
    Planted(
        "ex-05-draws",
        PATH,
        "sigma squared",
        """
def draw_codes(mu, logvar, k):
    return mu + logvar.exp() * torch.randn((k,) + tuple(mu.shape))
""",
    ),
    Planted(
        "ex-05-draws",
        PATH,
        "the log-variance is used as sigma",
        """
def draw_codes(mu, logvar, k):
    return mu + logvar * torch.randn(k, *mu.shape)
""",
    ),
    Planted(
        "ex-05-draws",
        PATH,
        "no gradient arrives in logvar",
        """
def draw_codes(mu, logvar, k):
    sigma = torch.exp(0.5 * logvar.detach())
    return mu + sigma * torch.randn(k, *mu.shape)
""",
    ),
    Planted(
        "ex-05-draws",
        SINGLE,
        "one noise for the whole batch",
        """
def draw_codes(mu, logvar, k):
    eps = torch.randn(k, 1, mu.shape[1])
    return mu + torch.exp(0.5 * logvar) * eps
""",
    ),
    Planted(
        "ex-05-draws",
        SINGLE,
        "the latents of an image share their noise",
        """
def draw_codes(mu, logvar, k):
    eps = torch.randn(k, len(mu), 1)
    return mu + (0.5 * logvar).exp() * eps
""",
    ),
    Planted(
        "ex-05-draws",
        SINGLE,
        "the noise is not Gaussian",
        """
def draw_codes(mu, logvar, k):
    eps = (2 * torch.rand(k, *mu.shape) - 1) * math.sqrt(3)
    return mu + torch.exp(0.5 * logvar) * eps
""",
    ),
    Planted(
        "ex-05-draws",
        MANY,
        "one draw, k times",
        """
def draw_codes(mu, logvar, k):
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    return z.expand(k, -1, -1)
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_F,
        "the derivative in sigma squared",
        """
def logvar_gradients(mu, logvar, eps, slope):
    sigma = torch.exp(logvar / 2)
    return -slope * eps / (2 * sigma), (sigma**2 - 1) / 2
""",
    ),
    Planted(
        "ex-05-logvar",
        BY_KL,
        "the derivative in sigma squared",
        """
def logvar_gradients(mu, logvar, eps, slope):
    variance = torch.exp(logvar)
    return -slope * variance.sqrt() * eps / 2, (1 - 1 / variance) / 2
""",
    ),
    Planted(
        "ex-05-draws",
        SINGLE,
        "there is no noise in it",
        """
def draw_codes(mu, logvar, k):
    return mu.repeat(k, 1, 1)
""",
    ),
    Planted(
        "ex-05-draws",
        MANY,
        "there is no noise in it",
        """
def draw_codes(mu, logvar, k):
    return mu.repeat(k, 1, 1)
""",
    ),
    Planted(
        "ex-05-draws",
        MANY,
        "a latent has the mean",
        """
def draw_codes(mu, logvar, k):
    return torch.exp(0.5 * logvar) * torch.randn(k, *mu.shape)
""",
    ),
)
