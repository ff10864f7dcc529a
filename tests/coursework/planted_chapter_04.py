"""Wrong answers to the exercises of chapter 4."""

from planting import Planted

M, COST = "the best image m", "its cost at the best b"
BETA, NOISE = "beta", "the s that has beta 1"
VARY, CONSTANT = "pixels that vary", "pixels that never change"
BITS = "bits per dimension"

PLANTED = (
    Planted(
        "ex-04-laplace",
        M,
        "the mean is best for squared errors",
        """
def laplace_fit(x):
    m = x.mean(dim=0)
    b = torch.abs(x - m).mean()
    return m, x.shape[1] * (torch.log(2 * b) + 1)
""",
    ),
    Planted(
        "ex-04-laplace",
        M,
        "one number for all pixels",
        """
def laplace_fit(x):
    m = torch.median(x).repeat(x.shape[1])
    b = (x - m).abs().mean()
    return m, x.shape[1] * (1 + math.log(2 * b))
""",
    ),
    Planted(
        "ex-04-laplace",
        COST,
        "average the absolute errors first",
        """
def laplace_fit(x):
    m = torch.quantile(x, 0.5, dim=0)
    b = (x - m).abs().mean(1, keepdim=True)
    nll = ((x - m).abs() / b + torch.log(2 * b)).sum(1)
    return m, nll.mean()
""",
    ),
    Planted(
        "ex-04-laplace",
        COST,
        "best Gaussian",
        """
def laplace_fit(x):
    m = x.median(0).values
    mse = ((x - m) ** 2).mean()
    return m, 0.5 * x.shape[1] * torch.log(2 * math.pi * math.e * mse)
""",
    ),
    Planted(
        "ex-04-laplace",
        COST,
        "the term of the errors is missing",
        """
def laplace_fit(x):
    m = x.median(0)[0]
    b = (x - m).abs().mean()
    return m, x.size(1) * torch.log(2 * b)
""",
    ),
    Planted(
        "ex-04-decode",
        BETA,
        "this is a / c",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    n = dict(batch=B, pixels=D, latents=J)
    a, c = 1.0, weight
    for axis in rec:
        a = a / n[axis]
    for axis in kl:
        c = c / n[axis]
    return a / c, (c / a / 2) ** 0.5
""",
    ),
    Planted(
        "ex-04-decode",
        BETA,
        "the batch is left out",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    a = 1 / D if "pixels" in rec else 1
    c = weight / J if "latents" in kl else weight
    return c / a, math.sqrt(c / (2 * a))
""",
    ),
    Planted(
        "ex-04-decode",
        NOISE,
        "the half is missing",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    n = dict(batch=B, pixels=D, latents=J)
    a, c = 1.0, weight
    for axis in rec:
        a /= n[axis]
    for axis in kl:
        c /= n[axis]
    return c / a, math.sqrt(c / a)
""",
    ),
    Planted(
        "ex-04-decode",
        NOISE,
        "this is s^2",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    n = dict(batch=B, pixels=D, latents=J)
    a, c = 1.0, weight
    for axis in rec:
        a /= n[axis]
    for axis in kl:
        c /= n[axis]
    beta = c / a
    return beta, 0.5 * beta
""",
    ),
    Planted(
        "ex-04-hole",
        VARY,
        "here it is missing",
        """
def ceiling_nats(levels):
    sd = (levels / 256).std(0, correction=0).clamp(min=1 / (256 * math.sqrt(12)))
    y = levels / 256
    log_p = torch.distributions.Normal(y.mean(0), sd).log_prob(y)
    return log_p.mean(0).sum() - levels.shape[1] * math.log(256)
""",
    ),
    Planted(
        "ex-04-hole",
        VARY,
        "one s for all pixels",
        """
def ceiling_nats(levels):
    D = levels.shape[1]
    mse = (levels - levels.mean(0)).square().mean() / 256**2 + 1 / (12 * 256**2)
    return -D / 2 * torch.log(2 * math.pi * math.e * mse) - D * math.log(256)
""",
    ),
    Planted(
        "ex-04-hole",
        VARY,
        "the best variance divides by N",
        """
def ceiling_nats(levels):
    return -0.5 * torch.log(2 * math.pi * math.e * (levels.var(0) + 1 / 12)).sum()
""",
    ),
    Planted(
        "ex-04-hole",
        CONSTANT,
        "constant pixels are left out",
        """
def ceiling_nats(levels):
    v = levels.var(0, unbiased=False)
    v = v[v > 0] + 1 / 12
    return -0.5 * (torch.log(2 * math.pi * v) + 1).sum()
""",
    ),
    Planted(
        "ex-04-hole",
        CONSTANT,
        "an infinite density",
        """
def ceiling_nats(levels):
    v = levels.var(0, correction=0) / 256**2
    D = levels.shape[1]
    return -0.5 * (2 * math.pi * v * math.e).log().sum() - D * math.log(256)
""",
    ),
    Planted(
        "ex-04-bits",
        BITS,
        "8 bits are right between 0 and 1 alone",
        """
def stored_bits(log_p, D, top):
    return (D * math.log(256) - log_p) / D / math.log(2)
""",
    ),
    Planted(
        "ex-04-bits",
        BITS,
        "a mass is density times the width",
        """
def stored_bits(log_p, D, top):
    return -log_p / D * math.log2(math.e)
""",
    ),
    Planted(
        "ex-04-bits",
        BITS,
        "this is in nats",
        """
def stored_bits(log_p, D, top):
    return -log_p / D - math.log(top / 256)
""",
    ),
    Planted(
        "ex-04-bits",
        BITS,
        "the wrong sign",
        """
def stored_bits(log_p, D, top):
    return -log_p / (D * math.log(2)) - math.log2(256 / top)
""",
    ),
    Planted(
        "ex-04-decode",
        BETA,
        "D and J count only if the terms average",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    beta = weight * D / J * (B if "batch" in rec else 1) / (B if "batch" in kl else 1)
    return beta, math.sqrt(beta / 2)
""",
    ),
    Planted(
        "ex-04-decode",
        NOISE,
        "D and J count only if the terms average",
        """
def hidden_beta(D, J, B, rec, kl, weight):
    beta = weight * D / J * (B if "batch" in rec else 1) / (B if "batch" in kl else 1)
    return beta, math.sqrt(beta / 2)
""",
    ),
    Planted(
        "ex-04-hole",
        VARY,
        "in another unit than the levels",
        """
def ceiling_nats(levels):
    v = levels.var(0, correction=0) + 1 / (12 * 256**2)
    return -0.5 * (math.log(2 * math.pi) + 1 + v.log()).sum()
""",
    ),
    Planted(
        "ex-04-hole",
        CONSTANT,
        "in another unit than the levels",
        """
def ceiling_nats(levels):
    v = levels.var(0, correction=0) + 1 / (12 * 256**2)
    return -0.5 * (math.log(2 * math.pi) + 1 + v.log()).sum()
""",
    ),
    Planted(
        "ex-04-hole",
        VARY,
        "D ln 256 is subtracted once too often",
        """
def ceiling_nats(levels):
    v, D = levels.var(0, unbiased=False) + 1 / 12, levels.shape[1]
    return -0.5 * (2 * math.pi * math.e * v).log().sum() - D * math.log(256)
""",
    ),
)
