"""Wrong answers to the exercises of chapter 8."""

from planting import Planted

NARROW = "proposals so narrow that the noise does not matter"
MEAN, SPREAD = "wide proposals: the mean over many images", "the spread with one draw and with nine"
ELBO = """
def elbo_of_draws(x, mu, logvar, decode, S):
    sigma = torch.exp({log_sigma})
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    total = 0
    for _ in range({draws}):
        z = mu + sigma * torch.randn_like({like})
        total = total + {log_p}
    return {out}
"""
ELBO_RIGHT = {
    "log_sigma": "logvar / 2",
    "draws": "S",
    "like": "mu",
    "log_p": "vl.bernoulli_log_prob(x, decode(z))",
    "out": "total / S - kl",
}


def elbo(**changes):
    return ELBO.format(**(ELBO_RIGHT | changes))


FOUR, NATS = "four draws", "images of 300 to 1800 nats"
WEIGHTS = """
def importance_bound(log_px_z, mu, logvar, z):
    sigma = torch.exp(logvar / 2)
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(2)
    log_q = torch.distributions.Normal(mu, sigma).log_prob(z).sum(2)
    kl = 0.5 * (mu**2 + sigma**2 - 1 - logvar).sum(1)
    k = len(z)
    return {out}
"""

PLACES, WIDTHS = (
    "codes of one width, at different places",
    "codes of different widths at different places",
)
SORT = """
def dearest(mu, logvar, n):
    cost = {cost}
    return cost.argsort({order})[:n]
"""

AT_MEAN, DRAWN, SAMPLE = "at the mean code", "at a drawn code", "a sample"
PICTURE = """
def picture(kind, mu, logvar, decode):
    sigma = torch.exp(logvar / 2)
    if kind == "mean":
        return {mean}
    if kind == "drawn":
        return decode({drawn}).sigmoid()
    return decode({sample}).sigmoid()
"""
PICTURE_RIGHT = {
    "mean": "decode(mu).sigmoid()",
    "drawn": "mu + sigma * torch.randn_like(mu)",
    "sample": "torch.randn_like(mu)",
}


def picture(**changes):
    return PICTURE.format(**(PICTURE_RIGHT | changes))


PLANTED = (
    Planted("ex-08-draws", NARROW, "KL is missing", elbo(out="total / S")),
    Planted("ex-08-draws", NARROW, "KL is added", elbo(out="total / S + kl")),
    Planted("ex-08-draws", NARROW, "pixels are averaged", elbo(out="total / S / x.shape[1] - kl")),
    Planted("ex-08-draws", NARROW, "draws are summed", elbo(out="total - kl")),
    Planted(
        "ex-08-draws",
        NARROW,
        "two sigmoids",
        elbo(log_p="vl.bernoulli_log_prob(x, decode(z).sigmoid())"),
    ),
    Planted(
        "ex-08-draws",
        NARROW,
        "the KL exact",
        """
def elbo_of_draws(x, mu, logvar, decode, S):
    q = torch.distributions.Normal(mu, torch.exp(logvar / 2))
    p = torch.distributions.Normal(0.0, 1.0)
    values = []
    for _ in range(S):
        z = q.sample()
        kl = (q.log_prob(z) - p.log_prob(z)).sum(1)
        values.append(vl.bernoulli_log_prob(x, decode(z)) - kl)
    return torch.stack(values).mean(0)
""",
    ),
    Planted("ex-08-draws", MEAN, "variance, not sigma", elbo(log_sigma="logvar")),
    Planted(
        "ex-08-draws",
        MEAN,
        "used as sigma",
        elbo(log_sigma="logvar.log()").replace("torch.exp(logvar.log())", "logvar"),
    ),
    Planted(
        "ex-08-draws",
        MEAN,
        "inside the logarithm",
        """
def elbo_of_draws(x, mu, logvar, decode, S):
    sigma = torch.exp(logvar / 2)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    log_p = [vl.bernoulli_log_prob(x, decode(mu + sigma * torch.randn_like(mu))) for _ in range(S)]
    return torch.logsumexp(torch.stack(log_p), 0) - math.log(S) - kl
""",
    ),
    Planted(
        "ex-08-draws",
        MEAN,
        "averaged before the log-probability",
        """
def elbo_of_draws(x, mu, logvar, decode, S):
    eps = torch.randn(S, *mu.shape, dtype=mu.dtype).mean(0)
    kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1)
    return vl.bernoulli_log_prob(x, decode(mu + torch.exp(logvar / 2) * eps)) - kl
""",
    ),
    Planted("ex-08-draws", MEAN, "mean code", elbo(log_p="vl.bernoulli_log_prob(x, decode(mu))")),
    Planted("ex-08-draws", MEAN, "share their noise", elbo(like="mu[:1]")),
    Planted(
        "ex-08-draws",
        MEAN,
        "averaged before the log-probability",
        elbo(log_p="decode(z)", out="vl.bernoulli_log_prob(x, total / S) - kl"),
    ),
    Planted(
        "ex-08-draws",
        MEAN,
        "half of exp(logvar) is not",
        elbo(log_sigma="logvar - math.log(2)"),
    ),
    Planted("ex-08-draws", MEAN, "latents of an image share", elbo(like="mu[:, :1]")),
    Planted(
        "ex-08-draws",
        MEAN,
        "the mean over many draws is",
        elbo().replace("randn_like", "rand_like"),
    ),
    Planted("ex-08-draws", SPREAD, "as widely as one", elbo(draws="1", out="total - kl")),
    Planted(
        "ex-08-iwae",
        FOUR,
        "outside the logarithm",
        WEIGHTS.format(out="(log_px_z + log_p - log_q).mean(0)"),
    ),
    Planted(
        "ex-08-iwae",
        FOUR,
        "the weights are summed",
        WEIGHTS.format(out="torch.logsumexp(log_px_z + log_p - log_q, 0)"),
    ),
    Planted(
        "ex-08-iwae",
        FOUR,
        "closed-form KL",
        WEIGHTS.format(out="torch.logsumexp(log_px_z, 0) - math.log(k) - kl"),
    ),
    Planted(
        "ex-08-iwae",
        FOUR,
        "prior is missing",
        WEIGHTS.format(out="torch.logsumexp(log_px_z - log_q, 0) - math.log(k)"),
    ),
    Planted(
        "ex-08-iwae",
        NATS,
        "underflow",
        WEIGHTS.format(out="(log_px_z + log_p - log_q).exp().mean(0).log()"),
    ),
    Planted(
        "ex-08-iwae",
        NATS,
        "not the largest of all",
        WEIGHTS.format(
            out="torch.log(torch.exp((w := log_px_z + log_p - log_q) - w.max()).mean(0)) + w.max()"
        ),
    ),
    Planted(
        "ex-08-variance",
        WIDTHS,
        "the half stands before",
        SORT.format(cost="(0.5 * mu**2 + logvar.exp() - 1 - logvar).sum(1)", order="-1, True"),
    ),
    # right as long as no latent lies below 0
    Planted(
        "ex-08-variance",
        PLACES,
        "where",
        SORT.format(
            cost="(mu * mu.abs() + logvar.exp() - 1 - logvar).sum(1)", order="descending=True"
        ),
    ),
    Planted(
        "ex-08-variance",
        PLACES,
        "by its square",
        SORT.format(
            cost="0.5 * (mu.abs() + logvar.exp() - 1 - logvar).sum(1)", order="descending=True"
        ),
    ),
    Planted(
        "ex-08-variance",
        PLACES,
        "far above",
        SORT.format(cost="0.5 * (mu + logvar.exp() - 1 - logvar).sum(1)", order="descending=True"),
    ),
    Planted(
        "ex-08-variance",
        WIDTHS,
        "wider than the prior",
        SORT.format(cost="(mu**2 - logvar).sum(1)", order="descending=True"),
    ),
    Planted(
        "ex-08-variance",
        WIDTHS,
        "unsure",
        SORT.format(cost="(mu**2 + logvar.exp()).sum(1)", order="descending=True"),
    ),
    Planted(
        "ex-08-variance",
        PLACES,
        "cheapest",
        SORT.format(cost="vl.gaussian_kl(mu, logvar)", order=""),
    ),
    Planted(
        "ex-08-names",
        AT_MEAN,
        "takes no draw",
        picture(
            mean="torch.stack([decode(mu + sigma * torch.randn_like(mu)).sigmoid()"
            " for _ in range(50)]).mean(0)"
        ),
    ),
    Planted("ex-08-names", AT_MEAN, "these are logits", picture(mean="decode(mu)")),
    Planted(
        "ex-08-names",
        DRAWN,
        "variance, not sigma",
        picture(drawn="mu + logvar.exp() * torch.randn_like(mu)"),
    ),
    Planted(
        "ex-08-names", DRAWN, "used as sigma", picture(drawn="mu + logvar * torch.randn_like(mu)")
    ),
    Planted(
        "ex-08-names",
        DRAWN,
        "noise of its own",
        picture(drawn="mu + sigma * torch.randn(mu.shape[1])"),
    ),
    Planted("ex-08-names", DRAWN, "at the mean code", picture(drawn="mu")),
    Planted(
        "ex-08-names",
        DRAWN,
        "share their noise",
        picture(drawn="mu + sigma * torch.randn(len(mu), 1)"),
    ),
    Planted(
        "ex-08-names",
        SAMPLE,
        "does not look at the image",
        picture(sample="mu + torch.randn_like(mu)"),
    ),
    Planted(
        "ex-08-names",
        SAMPLE,
        "does not look at the image",
        picture(sample="sigma * torch.randn_like(mu)"),
    ),
    Planted("ex-08-names", SAMPLE, "not drawn from N(0, I)", picture(sample="torch.rand_like(mu)")),
)
