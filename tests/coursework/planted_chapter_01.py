"""Wrong answers to the exercises of chapter 1."""

from planting import Planted

IMAGES = "log p(x) of six images"
FINITE = "1,500 pixels stay finite"
DRAWS = "the draws for four images"
FAINT = "log-likelihoods of -1,000 nats"
KL = "the KL of five observations"
GRADIENT = "the gradient of four points"
ESTIMATE = "the estimate of log p(x)"
EFFECTIVE = "the effective number of draws"

GRID = """
def table(x, w, c):
    z = torch.linspace(-8, 8, 401, dtype=torch.float64)
    p = torch.sigmoid(z[:, None] * w.double() + c.double())
    on = x.double()[:, None, :]
    log_p = on * p.log() + (1 - on) * (1 - p).log()
    prior = torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi) * 0.04
    return log_p, prior

"""

PLANTED = (
    Planted(
        "ex-01-enumerate",
        IMAGES,
        "each pixel has a sum over codes of its own",
        GRID
        + """
def log_p_image(x, w, c):
    log_p, prior = table(x, w, c)
    return (log_p.exp() * prior[None, :, None]).sum(1).log().sum(1)
""",
    ),
    Planted(
        "ex-01-enumerate",
        IMAGES,
        "the logarithms are averaged",
        GRID
        + """
def log_p_image(x, w, c):
    log_p, prior = table(x, w, c)
    return (log_p.sum(2) * prior).sum(1)
""",
    ),
    Planted(
        "ex-01-enumerate",
        IMAGES,
        "the prior p(z) is missing",
        GRID
        + """
def log_p_image(x, w, c):
    log_p, _ = table(x, w, c)
    return torch.logsumexp(log_p.sum(2), 1) - math.log(401)
""",
    ),
    Planted(
        "ex-01-enumerate",
        IMAGES,
        "the width of a cell is missing",
        GRID
        + """
def log_p_image(x, w, c):
    log_p, prior = table(x, w, c)
    return torch.logsumexp(log_p.sum(2) + prior.log(), 1) + math.log(25)
""",
    ),
    Planted(
        "ex-01-enumerate",
        FINITE,
        "a probability of e^-1000 is stored as 0",
        GRID
        + """
def log_p_image(x, w, c):
    log_p, prior = table(x, w, c)
    return (log_p.exp().prod(2) @ prior).log()
""",
    ),
    Planted(
        "ex-01-draws",
        DRAWS,
        "the error is not squared",
        """
def draws_needed(log_px_z, log_mass, error):
    p, mass = log_px_z.exp(), log_mass.exp()
    relative = (p**2 @ mass) / (p @ mass) ** 2
    return (relative - 1) / error
""",
    ),
    Planted(
        "ex-01-draws",
        DRAWS,
        "R stands where R - 1 belongs",
        """
def draws_needed(log_px_z, log_mass, error):
    top = (log_px_z + log_mass).max(1, keepdim=True).values
    first = (log_px_z + log_mass - top).exp().sum(1)
    second = (2 * log_px_z + log_mass - 2 * top).exp().sum(1)
    return second / first**2 / error**2
""",
    ),
    Planted(
        "ex-01-draws",
        DRAWS,
        "all cells weigh the same here",
        """
def draws_needed(log_px_z, log_mass, error):
    p = log_px_z.exp()
    return (p.square().mean(1) / p.mean(1).square() - 1) / error**2
""",
    ),
    Planted(
        "ex-01-draws",
        FAINT,
        "form log R from two torch.logsumexp",
        """
def draws_needed(log_px_z, log_mass, error):
    p, mass = log_px_z.exp(), log_mass.exp()
    mean = p @ mass
    variance = (p - mean[:, None]) ** 2 @ mass
    return variance / mean**2 / error**2
""",
    ),
    Planted(
        "ex-01-rate",
        KL,
        "the mean of the posterior is missing",
        """
def linear_rate(x, w, s):
    v = s**2 / (s**2 + w**2)
    return (v - 1 - math.log(v)) / 2 + 0 * x
""",
    ),
    Planted(
        "ex-01-rate",
        KL,
        "the average over all x",
        """
def linear_rate(x, w, s):
    return 0.5 * torch.log(torch.ones_like(x) + w**2 / s**2)
""",
    ),
    Planted(
        "ex-01-rate",
        KL,
        "the two are swapped",
        """
def linear_rate(x, w, s):
    v = 1 / (1 + w**2 / s**2)
    mu = x * w / (w**2 + s**2)
    return 0.5 * ((1 + mu**2) / v - 1 + math.log(v))
""",
    ),
    Planted(
        "ex-01-rate",
        KL,
        "v is a variance already",
        """
def linear_rate(x, w, s):
    v = 1 / (1 + w**2 / s**2)
    mu = x * w / (w**2 + s**2)
    return 0.5 * (mu**2 + v**2 - 1 - 2 * math.log(v))
""",
    ),
    Planted(
        "ex-01-learn",
        GRADIENT,
        "this is the mean over the prior",
        """
def evidence_gradient(log_px_z, slopes, log_mass):
    return (slopes * log_mass.exp()).sum(-1)
""",
    ),
    Planted(
        "ex-01-learn",
        GRADIENT,
        "the prior is missing in the weights",
        """
def evidence_gradient(log_px_z, slopes, log_mass):
    top = log_px_z.max(1, keepdim=True).values
    weights = (log_px_z - top).exp()
    return (weights * slopes).sum(1) / weights.sum(1)
""",
    ),
    Planted(
        "ex-01-learn",
        GRADIENT,
        "the weights do not sum to 1",
        """
def evidence_gradient(log_px_z, slopes, log_mass):
    return (torch.exp(log_px_z) * torch.exp(log_mass) * slopes).sum(1)
""",
    ),
    Planted(
        "ex-01-learn",
        FAINT,
        "torch.softmax divides before",
        """
def evidence_gradient(log_px_z, slopes, log_mass):
    joint = torch.exp(log_px_z + log_mass)
    return (joint * slopes).sum(1) / joint.sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        ESTIMATE,
        "the draws did not come from the prior",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz
    share = (log_w - log_qz).softmax(1)
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), 1 / (share**2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        ESTIMATE,
        "this is the mean of the logarithms",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    return log_w.mean(1), 1 / (log_w.softmax(1) ** 2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        ESTIMATE,
        "the weights are summed",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    return log_w.logsumexp(1), 1 / (log_w.softmax(1) ** 2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        EFFECTIVE,
        "one over it",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), (log_w.softmax(1) ** 2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        EFFECTIVE,
        "the weights must sum to 1",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), 1 / (log_w.exp() ** 2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        EFFECTIVE,
        "the shares of p(x given z) alone",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    share = log_px_z.softmax(1)
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), 1 / share.square().sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        "log-densities of -2,000 nats",
        "use torch.logsumexp",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    w = torch.exp(log_px_z + log_pz - log_qz)
    return torch.log(w.mean(1)), w.sum(1) ** 2 / (w**2).sum(1)
""",
    ),
    Planted(
        "ex-01-proposal",
        "log-densities of -2,000 nats",
        "the estimate holds, but the effective number",
        """
def weigh_draws(log_px_z, log_pz, log_qz):
    log_w = log_px_z + log_pz - log_qz
    w = log_w.exp()
    return log_w.logsumexp(1) - math.log(log_w.shape[1]), w.sum(1) ** 2 / (w**2).sum(1)
""",
    ),
    Planted(
        "ex-01-enumerate",
        IMAGES,
        "a sigmoid rounds to 0 or 1",
        """
def log_p_image(x, w, c):
    z = torch.linspace(-99, 99, 4001)[:, None, None]
    p = torch.sigmoid(z * w + c)
    log_p = (x * torch.log(p) + (1 - x) * torch.log(1 - p)).sum(2)
    log_prior = -0.5 * z[:, :, 0] ** 2 - 0.5 * math.log(2 * math.pi) + math.log(198 / 4000)
    return torch.logsumexp(log_p + log_prior, 0)
""",
    ),
)
