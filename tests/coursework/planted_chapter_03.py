"""Wrong answers to the exercises of chapter 3."""

from planting import Planted

SCALES = "the KL of five scales"
DRAWS = "twenty draws"
REFERENCE = """
def reference(mu, logvar):
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    p = torch.distributions.Normal(0 * mu, 1 + 0 * mu)
    return torch.distributions.kl_divergence(q, p).sum(1)

"""

PLANTED = (
    Planted(
        "ex-03-laplace",
        SCALES,
        "E[z^2] of a Laplace distribution is 2 b^2",
        """
def laplace_kl(b):
    log_q = -torch.log(2 * b) - 1
    log_p = -0.5 * math.log(2 * math.pi) - 0.5 * b**2
    return log_q - log_p
""",
    ),
    Planted(
        "ex-03-laplace",
        SCALES,
        "the 2 of the density 1/(2 b) is missing",
        """
def laplace_kl(b):
    return -torch.log(b) - 1 + 0.5 * math.log(2 * math.pi) + b * b
""",
    ),
    Planted(
        "ex-03-laplace",
        SCALES,
        "this is the KL of a Gaussian with the same variance",
        """
def laplace_kl(b):
    variance = 2 * b**2
    return 0.5 * (variance - 1 - torch.log(variance))
""",
    ),
    Planted(
        "ex-03-laplace",
        SCALES,
        "this is KL(prior || q)",
        """
def laplace_kl(b):
    log_p = -0.5 * (math.log(2 * math.pi) + 1)
    log_q = -torch.log(2 * b) - math.sqrt(2 / math.pi) / b
    return log_p - log_q
""",
    ),
    Planted(
        "ex-03-gibbs",
        DRAWS,
        "single draws are negative: t - 1 is missing",
        """
def calm_estimate(log_q, log_p):
    return -(log_p - log_q)
""",
    ),
    Planted(
        "ex-03-gibbs",
        DRAWS,
        "t is p/q, and here it is q/p",
        """
def calm_estimate(log_q, log_p):
    log_t = log_q - log_p
    return torch.expm1(log_t) - log_t
""",
    ),
    Planted(
        "ex-03-gibbs",
        DRAWS,
        "never negative, but biased",
        """
def calm_estimate(log_q, log_p):
    return 0.5 * (log_q - log_p).square()
""",
    ),
    Planted(
        "ex-03-gibbs",
        "where q and p nearly agree",
        "torch.expm1 keeps its digits",
        """
def calm_estimate(log_q, log_p):
    log_t = log_p - log_q
    return torch.exp(log_t) - 1 - log_t
""",
    ),
    Planted(
        "ex-03-gibbs",
        "where q and p nearly agree",
        "the rounding error is still there",
        """
def calm_estimate(log_q, log_p):
    log_t = log_p - log_q
    return (torch.exp(log_t) - 1 - log_t).clamp_min(0)
""",
    ),
    Planted(
        "ex-03-prior",
        "the best variance",
        "sigma^2 is missing",
        """
def best_prior(mu, logvar):
    tau2 = (mu**2 + torch.exp(logvar)).mean(0)
    return (mu**2).mean(0), (tau2.log() - logvar.mean(0)) / 2
""",
    ),
    Planted(
        "ex-03-prior",
        "the best variance",
        "the prior stays at 0",
        """
def best_prior(mu, logvar):
    tau2 = mu.var(0, unbiased=False) + logvar.exp().mean(0)
    return tau2, 0.5 * (tau2.log() - logvar.mean(0))
""",
    ),
    Planted(
        "ex-03-prior",
        "the KL that is left",
        "the mean of log sigma^2 is wanted",
        """
def best_prior(mu, logvar):
    tau2 = (mu**2 + torch.exp(logvar)).mean(0)
    return tau2, 0.5 * torch.log(tau2 / logvar.exp().mean(0))
""",
    ),
    Planted(
        "ex-03-prior",
        "the KL that is left",
        "this is the KL to N(0, 1)",
        """
def best_prior(mu, logvar):
    tau2 = (mu**2 + torch.exp(logvar)).mean(0)
    return tau2, 0.5 * (tau2 - 1 - logvar.mean(0))
""",
    ),
    Planted(
        "ex-03-judge",
        "catches wrong sums and factors",
        "it accepts a mean over the latents",
        REFERENCE
        + """
def is_right(kl):
    mu, logvar = torch.tensor([[0.7]]), torch.tensor([[-2.0]])
    return bool((kl(mu, logvar) - reference(mu, logvar)).abs().max() < 1e-4)
""",
    ),
    Planted(
        "ex-03-judge",
        "catches wrong sums and factors",
        "it accepts a sum over the batch",
        REFERENCE
        + """
def is_right(kl):
    mu, logvar = torch.tensor([[0.7, -1.4, 0.2]]), torch.tensor([[-2.0, 0.5, -1.0]])
    return bool((kl(mu, logvar) - reference(mu, logvar)).abs().max() < 1e-4)
""",
    ),
    Planted(
        "ex-03-judge",
        "catches a spread that is misread",
        "it accepts sigma read as a variance",
        REFERENCE
        + """
def is_right(kl):
    mu = torch.tensor([[0.7, -1.4], [2.0, 0.1]])
    return bool((kl(mu, 0 * mu) - reference(mu, 0 * mu)).abs().max() < 1e-4)
""",
    ),
    Planted(
        "ex-03-judge",
        "catches a mean that is mistreated",
        "it accepts a KL without its mean",
        REFERENCE
        + """
def is_right(kl):
    logvar = torch.tensor([[0.7, -1.4, 1.0], [2.0, 0.1, -3.0]])
    return bool((kl(0 * logvar, logvar) - reference(0 * logvar, logvar)).abs().max() < 1e-4)
""",
    ),
    Planted(
        "ex-03-judge",
        "catches a mean that is mistreated",
        "it accepts |mu| in the place of mu^2",
        REFERENCE
        + """
def is_right(kl):
    mu = torch.tensor([[1.0, -1.0, 0.0], [-1.0, 0.0, 1.0]])
    logvar = torch.tensor([[0.7, -1.4, 1.0], [2.0, 0.1, -3.0]])
    return bool((kl(mu, logvar) - reference(mu, logvar)).abs().max() < 1e-4)
""",
    ),
    Planted(
        "ex-03-judge",
        "catches wrong sums and factors",
        "it rejects a right implementation",
        REFERENCE
        + """
def is_right(kl):
    mu, logvar = torch.randn(2, 5, 4)
    return bool((kl(mu, logvar) == reference(mu, logvar).mean()).all())
""",
    ),
    Planted(
        "ex-03-gibbs",
        "where q and p nearly agree",
        "the rounding error is still there",
        """
def calm_estimate(log_q, log_p):
    log_t = log_p - log_q
    return (log_t.exp() - 1 - log_t).abs()
""",
    ),
)
