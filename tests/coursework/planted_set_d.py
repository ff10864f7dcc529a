"""Wrong answers to problem set D: the broken ones again, and repairs that repair nothing."""

from planting import Planted

SIZES, FIVE = "two sizes of batch and image", "a batch of five images"
FOUR = "four images with three latents"
PATH, SPREAD = "the gradients in mu and logvar", "the spread of 1500 draws"
SIX, TINY = "six draws for four images", "weights of e^-300 and less"
FEATURES, LARGE = "four images and their features", "features a hundred times as large"
LOSS = """
import torch.nn.functional as F

def loss_in_nats(x, logits, mu, logvar):
    rec = F.binary_cross_entropy_with_logits(logits, x{reduction})
    kl = -0.5 * torch.{kl}(1 + logvar - mu**2 - logvar.exp())
    return rec + kl{end}
"""
PATHS = """
import torch.nn.functional as F

def mended_elbo(model, x):
    mu, logvar = model.encode(x)
    z = {z}
    rec = -F.binary_cross_entropy_with_logits(model.decode(z), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
"""
TESTS = """
import torch.nn.functional as F

def test_elbo(model, x, draws):
    mu, logvar = model.encode(x)
    kl = -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
    total = 0
    for _ in range(draws):
        logits = model.decode(mu + {sigma} * torch.randn_like({like}))
        total = total - F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return total / draws - {kl}
"""

LOSSES = (
    Planted(
        "set-d-weight",
        SIZES,
        "the batch counts too",
        """
def kl_weight(batch, pixels):
    return pixels
""",
    ),
    Planted(
        "set-d-weight",
        SIZES,
        "the inverse",
        """
def kl_weight(batch, pixels):
    return 1 / (batch * pixels)
""",
    ),
    Planted(
        "set-d-nats",
        FIVE,
        "still the broken loss",
        LOSS.format(reduction="", kl="sum", end=""),
    ),
    Planted(
        "set-d-nats",
        FIVE,
        "beta is D / J",
        LOSS.format(reduction="", kl="mean", end=""),
    ),
    Planted(
        "set-d-nats",
        FIVE,
        "the whole batch",
        LOSS.format(reduction=", reduction='sum'", kl="sum", end=""),
    ),
    Planted(
        "set-d-nats",
        FIVE,
        "the KL is still summed over the batch",
        LOSS.format(reduction=", reduction='sum') / len(x", kl="sum", end=""),
    ),
    Planted(
        "set-d-undercharged",
        FOUR,
        "this is what is due",
        """
def undercharged(sigma):
    return (0.5 * (sigma**2 - 1) - sigma.log()).sum(1)
""",
    ),
    Planted(
        "set-d-undercharged",
        FOUR,
        "charged too much",
        """
def undercharged(sigma):
    due = 0.5 * (sigma**2 - 1 - 2 * sigma.log())
    charged = 0.5 * (sigma.exp() - 1 - sigma)
    return (charged - due).sum(1)
""",
    ),
    Planted(
        "set-d-sigma",
        FOUR,
        "still the broken one",
        """
def kl_from_sigma(mu, sigma):
    return -0.5 * (1 + sigma - mu**2 - sigma.exp()).sum(1)
""",
    ),
    Planted(
        "set-d-sigma",
        FOUR,
        "read as a variance",
        """
def kl_from_sigma(mu, sigma):
    return -0.5 * (1 + sigma.log() - mu**2 - sigma).sum(1)
""",
    ),
    # rounds a sharp sigma up: right only where there is one
    Planted(
        "set-d-sigma",
        FOUR,
        "where",
        """
def kl_from_sigma(mu, sigma):
    low = 1e-30 if (sigma < 1e-20).any() else 0.5
    return (0.5 * (mu**2 + sigma**2 - 1) - sigma.clamp(min=low).log()).sum(1)
""",
    ),
    Planted(
        "set-d-sigma",
        "a sigma of 1e-30",
        "infinite or not a number",
        """
def kl_from_sigma(mu, sigma):
    variance = sigma.float() ** 2
    return 0.5 * (mu**2 + variance - 1 - torch.log(variance)).sum(1)
""",
    ),
)

PIXELS = (
    Planted(
        "set-d-slope",
        "twelve pixels inside and outside",
        "are safe",
        """
def fall_per_logit(x):
    return (x - 0.5).abs() - 0.5
""",
    ),
    Planted(
        "set-d-slope",
        "twelve pixels inside and outside",
        "pixels below 0 fall too",
        """
def fall_per_logit(x):
    return torch.relu(x - 1)
""",
    ),
    Planted(
        "set-d-pixels",
        "four images between -1 and 1",
        "still the broken one",
        """
import torch.nn.functional as F

def mended_log_prob(x, logits):
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
""",
    ),
    Planted(
        "set-d-pixels",
        "four images between -1 and 1",
        "one black",
        """
import torch.nn.functional as F

def mended_log_prob(x, logits):
    x = x.clamp(0, 1)
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
""",
    ),
    Planted(
        "set-d-floor",
        "four binary images",
        "on and off are swapped",
        """
def least_cost(x):
    low, high = math.log(2), math.log(1 + math.exp(-1))
    return (x * low + (1 - x) * high).sum(1)
""",
    ),
    Planted(
        "set-d-floor",
        "four binary images",
        "an on pixel is not free",
        """
def least_cost(x):
    return math.log(2) * (1 - x).sum(1)
""",
    ),
    Planted(
        "set-d-logits",
        FEATURES,
        "still the broken one",
        """
import torch.nn.functional as F

def mended_cost(x, h, weight, bias):
    p = torch.sigmoid(h @ weight + bias)
    return F.binary_cross_entropy_with_logits(p, x, reduction="none").sum(1)
""",
    ),
    Planted(
        "set-d-logits",
        FEATURES,
        "the bias is lost",
        """
import torch.nn.functional as F

def mended_cost(x, h, weight, bias):
    shift = bias if h.abs().max() > 20 else 0
    return F.binary_cross_entropy_with_logits(h @ weight + shift, x, reduction="none").sum(1)
""",
    ),
    Planted(
        "set-d-logits",
        LARGE,
        "where",
        """
import torch.nn.functional as F

def mended_cost(x, h, weight, bias):
    p = torch.sigmoid(h @ weight + bias)
    return F.binary_cross_entropy(p, x, reduction="none").sum(1)
""",
    ),
)

DRAWS = (
    Planted(
        "set-d-prices",
        FOUR,
        "the two prices differ",
        """
def two_prices(mu, sigma):
    kl = 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(1)
    return kl, kl
""",
    ),
    Planted(
        "set-d-draw",
        PATH,
        "this is sigma squared",
        """
def mended_draw(mu, logvar):
    return mu + torch.exp(logvar) * torch.randn_like(mu)
""",
    ),
    Planted(
        "set-d-draw",
        PATH,
        "no gradient arrives",
        """
def mended_draw(mu, logvar):
    with torch.no_grad():
        return torch.normal(mu, torch.exp(0.5 * logvar))
""",
    ),
    Planted(
        "set-d-draw",
        SPREAD,
        "one noise for the whole batch",
        """
def mended_draw(mu, logvar):
    return mu + logvar.exp().sqrt() * torch.randn(1, mu.shape[1])
""",
    ),
    Planted(
        "set-d-flattery",
        "four images under a linear decoder",
        "the half is missing",
        """
def flattery(W, logvar, s):
    return (logvar.exp() @ (W**2).sum(0)) / s**2
""",
    ),
    Planted(
        "set-d-flattery",
        "four images under a linear decoder",
        "the variance of a latent counts",
        """
def flattery(W, logvar, s):
    return (torch.exp(0.5 * logvar) @ (W**2).sum(0)) / (2 * s**2)
""",
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "still the mean code",
        """
import torch.nn.functional as F

def test_elbo(model, x, draws):
    mu, logvar = model.encode(x)
    rec = -F.binary_cross_entropy_with_logits(model.decode(mu), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
""",
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "a single draw",
        """
import torch.nn.functional as F

def test_elbo(model, x, draws):
    mu, logvar = model.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
    rec = -F.binary_cross_entropy_with_logits(model.decode(z), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
""",
    ),
    # the codes are averaged, not the bounds
    Planted(
        "set-d-test",
        "200 draws",
        "average log p(x given z), not the codes",
        """
import torch.nn.functional as F

def test_elbo(model, x, draws):
    mu, logvar = model.encode(x)
    z = (mu + torch.exp(0.5 * logvar) * torch.randn(draws, *mu.shape)).mean(0)
    rec = -F.binary_cross_entropy_with_logits(model.decode(z), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
""",
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "the variance, not sigma",
        TESTS.format(sigma="logvar.exp()", like="mu", kl="kl"),
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "half of exp(logvar) is not",
        TESTS.format(sigma="0.5 * logvar.exp()", like="mu", kl="kl"),
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "noise of its own",
        TESTS.format(sigma="torch.exp(0.5 * logvar)", like="mu[:1]", kl="kl"),
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "every one needs its own",
        TESTS.format(sigma="torch.exp(0.5 * logvar)", like="mu[:, :1]", kl="kl"),
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "or divided by the draws",
        TESTS.format(sigma="torch.exp(0.5 * logvar)", like="mu", kl="kl / draws"),
    ),
    Planted(
        "set-d-test",
        "200 draws",
        "the KL is missing",
        TESTS.format(sigma="torch.exp(0.5 * logvar)", like="mu", kl="0"),
    ),
    Planted(
        "set-d-lost",
        "five variances",
        "the half is missing",
        """
def lost_nats(variance):
    return variance
""",
    ),
    Planted(
        "set-d-bound",
        SIX,
        "still the mean of the logarithms",
        """
def mended_bound(log_w):
    return log_w.mean(dim=0)
""",
    ),
    Planted(
        "set-d-bound",
        SIX,
        "log k is missing",
        """
def mended_bound(log_w):
    return torch.logsumexp(log_w, 0)
""",
    ),
    Planted(
        "set-d-bound",
        SIX,
        "no log of a mean",
        """
def mended_bound(log_w):
    share = torch.softmax(log_w, dim=0)
    return (share * log_w).sum(0)
""",
    ),
    # the spread is judged by the smallest weight: it shows only in the first check
    Planted(
        "set-d-bound",
        SIX,
        "log k is missing",
        """
def mended_bound(log_w):
    k = len(log_w) if log_w.max() < -100 else 1
    return torch.logsumexp(log_w, 0) - math.log(k)
""",
    ),
    Planted(
        "set-d-bound",
        TINY,
        "infinite or not a number",
        """
def mended_bound(log_w):
    return log_w.float().exp().mean(0).log()
""",
    ),
    Planted(
        "set-d-bound",
        TINY,
        "not the largest of all",
        """
def mended_bound(log_w):
    top = log_w.max()
    return top + torch.exp(log_w - top).mean(0).log()
""",
    ),
    Planted(
        "set-d-gradient",
        FOUR,
        "the half is missing",
        """
def encoder_gradient(mu, logvar):
    return mu, logvar.exp() - 1
""",
    ),
    Planted(
        "set-d-gradient",
        FOUR,
        "the derivative in sigma, not in logvar",
        """
def encoder_gradient(mu, logvar):
    sigma = torch.exp(0.5 * logvar)
    return mu, sigma - 1 / sigma
""",
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "still the broken one",
        """
import torch.nn.functional as F

def mended_elbo(model, x):
    mu, logvar = model.encode(x)
    z = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).sample()
    rec = -F.binary_cross_entropy_with_logits(model.decode(z), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
""",
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "it is no draw",
        """
import torch.nn.functional as F

def mended_elbo(model, x):
    mu, logvar = model.encode(x)
    rec = -F.binary_cross_entropy_with_logits(model.decode(mu), x, reduction="none").sum(1)
    return rec + 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(1)
""",
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "the variance, not sigma",
        PATHS.format(z="mu + logvar.exp() * torch.randn_like(mu)"),
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "sigma is detached",
        PATHS.format(z="mu + (torch.normal(mu, torch.exp(0.5 * logvar)) - mu).detach()"),
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "one noise for the whole batch",
        PATHS.format(z="mu + torch.exp(0.5 * logvar) * torch.randn(1, mu.shape[1])"),
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "share their noise",
        PATHS.format(z="mu + torch.exp(0.5 * logvar) * torch.randn(len(mu), 1)"),
    ),
    Planted(
        "set-d-path",
        "value, gradient and noise",
        "log p(x given z) is",
        PATHS.format(z="mu + torch.exp(0.5 * logvar) * torch.rand_like(mu)"),
    ),
)

PLANTED = LOSSES + PIXELS + DRAWS
