"""Wrong answers to the exercises of chapter 2."""

from planting import Planted

OBJECTIVE = "the objective of five images"
ON_GRID = "the bound on a grid"

PLANTED = (
    Planted(
        "ex-02-blank",
        "the bound",
        "this is log p(x) itself",
        """
def three_ways(joint, q):
    w = joint / q
    gap = (q * (q.log() - (joint / joint.sum()).log())).sum()
    two = sum(q[i] * q[j] * ((w[i] + w[j]) / 2).log() for i in range(4) for j in range(4))
    return torch.log((q * w).sum()), gap, two
""",
    ),
    Planted(
        "ex-02-blank",
        "the bound",
        "the entropy is missing",
        """
def three_ways(joint, q):
    w = joint / q
    gap = (q * (q.log() - (joint / joint.sum()).log())).sum()
    two = sum(q[i] * q[j] * ((w[i] + w[j]) / 2).log() for i in range(4) for j in range(4))
    return (q * joint.log()).sum(), gap, two
""",
    ),
    Planted(
        "ex-02-blank",
        "the gap",
        "the joint is no distribution of z",
        """
def three_ways(joint, q):
    w = joint / q
    gap = (q * (q.log() - joint.log())).sum()
    two = sum(q[i] * q[j] * ((w[i] + w[j]) / 2).log() for i in range(4) for j in range(4))
    return (q * w.log()).sum(), gap, two
""",
    ),
    Planted(
        "ex-02-blank",
        "the gap",
        "this is the KL from the posterior to q",
        """
def three_ways(joint, q):
    w, posterior = joint / q, joint / joint.sum()
    gap = (posterior * (posterior / q).log()).sum()
    two = sum(q[i] * q[j] * ((w[i] + w[j]) / 2).log() for i in range(4) for j in range(4))
    return (q * w.log()).sum(), gap, two
""",
    ),
    Planted(
        "ex-02-blank",
        "the bound with two weights",
        "both may fall on the same code",
        """
def three_ways(joint, q):
    w, posterior = joint / q, joint / joint.sum()
    two = mass = 0
    for i in range(4):
        for j in range(i + 1, 4):
            two = two + q[i] * q[j] * ((w[i] + w[j]) / 2).log()
            mass = mass + q[i] * q[j]
    return (q * w.log()).sum(), (q * (q / posterior).log()).sum(), two / mass
""",
    ),
    Planted(
        "ex-02-blank",
        "the bound with two weights",
        "the two weights are summed",
        """
def three_ways(joint, q):
    w, posterior = joint / q, joint / joint.sum()
    two = torch.outer(q, q) * torch.log(w + w[:, None])
    return (q * w.log()).sum(), (q * (q / posterior).log()).sum(), two.sum()
""",
    ),
    Planted(
        "ex-02-hand",
        "log p(x)",
        "the variance of x is that of z and that of the noise",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    ratio = sigma**2 / 0.5
    return (
        -(c + x**2) / 2,
        -(c + (x - mu) ** 2 + sigma**2) / 2,
        (sigma**2 + mu**2 - 1) / 2 - math.log(sigma),
        (ratio - 1 - math.log(ratio) + (mu - x / 2) ** 2 / 0.5) / 2,
    )
""",
    ),
    Planted(
        "ex-02-hand",
        "log p(x)",
        "the variance of x is 2, not its standard deviation",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    return (
        -c / 2 - math.log(2) - x**2 / 8,
        -(c + (x - mu) ** 2 + sigma**2) / 2,
        (sigma**2 + mu**2 - 1) / 2 - math.log(sigma),
        (2 * sigma**2 - 1 - math.log(2 * sigma**2)) / 2 + (mu - x / 2) ** 2,
    )
""",
    ),
    Planted(
        "ex-02-hand",
        "the reconstruction",
        "this decodes the mean",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    return (
        -(c + math.log(2)) / 2 - x**2 / 4,
        -(c + (x - mu) ** 2) / 2,
        (sigma**2 + mu**2 - 1) / 2 - math.log(sigma),
        (2 * sigma**2 - 1 - math.log(2 * sigma**2)) / 2 + (mu - x / 2) ** 2,
    )
""",
    ),
    Planted(
        "ex-02-hand",
        "the rate",
        "the logarithm is that of sigma^2",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    return (
        -(c + math.log(2)) / 2 - x**2 / 4,
        -(c + (x - mu) ** 2 + sigma**2) / 2,
        (sigma**2 + mu**2 - 1 - math.log(sigma)) / 2,
        (2 * sigma**2 - 1 - math.log(2 * sigma**2)) / 2 + (mu - x / 2) ** 2,
    )
""",
    ),
    Planted(
        "ex-02-hand",
        "the rate",
        "this is KL(prior || q)",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    return (
        -(c + math.log(2)) / 2 - x**2 / 4,
        -(c + (x - mu) ** 2 + sigma**2) / 2,
        ((1 + mu**2) / sigma**2 - 1) / 2 + math.log(sigma),
        (2 * sigma**2 - 1 - math.log(2 * sigma**2)) / 2 + (mu - x / 2) ** 2,
    )
""",
    ),
    Planted(
        "ex-02-hand",
        "the gap",
        "here it is its standard deviation",
        """
def one_pixel(x, mu, sigma):
    c = math.log(2 * math.pi)
    ratio = (sigma / 0.5) ** 2
    return (
        -(c + math.log(2)) / 2 - x**2 / 4,
        -(c + (x - mu) ** 2 + sigma**2) / 2,
        (sigma**2 + mu**2 - 1) / 2 - math.log(sigma),
        (ratio - 1 - math.log(ratio) + (mu - x / 2) ** 2 / 0.5**2) / 2,
    )
""",
    ),
    Planted(
        "ex-02-entropy",
        OBJECTIVE,
        "this is log p(x, z = mu)",
        """
def joint_term(x, mu, logvar, W, b, s):
    log_px_z = vl.gaussian_log_prob(x, mu @ W.T + b, torch.full_like(x, 2 * math.log(s)))
    return log_px_z + vl.gaussian_log_prob(mu, 0 * mu, 0 * mu)
""",
    ),
    Planted(
        "ex-02-entropy",
        OBJECTIVE,
        "the reconstruction is taken at z = mu",
        """
def joint_term(x, mu, logvar, W, b, s):
    log_px_z = vl.gaussian_log_prob(x, mu @ W.T + b, torch.full_like(x, 2 * math.log(s)))
    square = mu**2 + logvar.exp()
    return log_px_z - 0.5 * (math.log(2 * math.pi) + square).sum(1)
""",
    ),
    Planted(
        "ex-02-entropy",
        OBJECTIVE,
        "this is the ELBO",
        """
def joint_term(x, mu, logvar, W, b, s):
    log_px_z = vl.gaussian_log_prob(x, mu @ W.T + b, torch.full_like(x, 2 * math.log(s)))
    price = (logvar.exp() * (W**2).sum(0)).sum(1) / (2 * s**2)
    return log_px_z - price - vl.gaussian_kl(mu, logvar)
""",
    ),
    Planted(
        "ex-02-above",
        ON_GRID,
        "this averages over q",
        """
def upper_bound(log_joint, log_q):
    mass = (log_q - log_q.max()).exp()
    return (mass / mass.sum() * (log_joint - log_q)).sum()
""",
    ),
    Planted(
        "ex-02-above",
        ON_GRID,
        "log p(x) is missing",
        """
def upper_bound(log_joint, log_q):
    p, log_p = log_joint.softmax(0), log_joint.log_softmax(0)
    return (p * (log_p - log_q.log_softmax(0))).sum()
""",
    ),
    Planted(
        "ex-02-above",
        "log-densities of -1,000 nats",
        "torch.softmax divides before",
        """
def upper_bound(log_joint, log_q):
    p = log_joint.exp() / log_joint.exp().sum()
    return (p * (log_joint - log_q)).sum()
""",
    ),
    Planted(
        "ex-02-modes",
        "q is zero in places",
        "leave it out with torch.where",
        """
def gap_on_grid(q, log_posterior):
    return (q * (torch.log(q) - log_posterior)).sum(1)
""",
    ),
    Planted(
        "ex-02-modes",
        "q is zero in places",
        "this is KL(posterior || q)",
        """
def gap_on_grid(q, log_posterior):
    p = log_posterior.exp()
    return torch.where(p > 0, p * (log_posterior - q.log()), torch.zeros_like(p)).sum(1)
""",
    ),
    Planted(
        "ex-02-modes",
        "the posterior is zero where q is not",
        "cells where the posterior is 0 are left out",
        """
def gap_on_grid(q, log_posterior):
    both = (q > 0) & (log_posterior.exp() > 0)
    terms = q * (q.log() - log_posterior)
    return terms.masked_fill(~both, 0.0).sum(1)
""",
    ),
    Planted(
        "ex-02-modes",
        "the posterior is zero where q is not",
        "the cells are averaged",
        """
def gap_on_grid(q, log_posterior):
    return torch.where(q > 0, q * (q.log() - log_posterior), torch.zeros_like(q)).mean(1)
""",
    ),
)
