"""Wrong answers to the exercises of chapter 9."""

from planting import Planted

AMONG, FAR = "codes among the components", "codes far from every component"
MIXTURE = """
def mixture_log_density(z, weights, means, covariances):
    J = z.shape[1]
    parts = []
    for w, m, C in zip(weights, means, covariances):
        d = z - m
        log_n = -0.5 * (d @ torch.linalg.inv(C) * d).sum(1) - 0.5 * torch.logdet(C)
        parts.append({part})
    return {out}
"""
CONSTANT = " - 0.5 * J * math.log(2 * math.pi)"

USED, UNUSED = "latents that are used", "a latent that is not used"
LOST = """
def lost_nats(mu, logvar):
    fitted = mu.var(0, correction={correction}){plus}
    drawn = fitted + {width}
    ratio = {ratio}
    return 0.5 * (ratio - 1 - ratio.log())
"""
LOST_RIGHT = {
    "correction": 0,
    "plus": "",
    "width": "logvar.exp().mean(0)",
    "ratio": "drawn / fitted",
}


def lost(**changes):
    return LOST.format(**(LOST_RIGHT | changes))


TOGETHER, AXES = "features that vary together", "features that do not vary in every direction"
FRECHET = """
def frechet_parts(a, b):
    gap = a.mean(0) - b.mean(0)
    Ca, Cb = torch.cov(a.T), torch.cov(b.T)
    {root}
    return {place}, torch.trace(Ca) + torch.trace(Cb) - {two}
"""
EIGENVALUES = "cross = torch.linalg.eigvals(Ca @ Cb).real.clamp(min=0).sqrt().sum()"

ONE, SEVERAL = "one score, different numbers of runs", "several scores"
CHANCE = """
def chance_apart(n, m, scores):
    p = {p}
    return {out}
"""
AT_LEAST = "1 - (1 - p) ** scores"

PLANTED = (
    Planted(
        "ex-09-components",
        AMONG,
        "averages the densities",
        MIXTURE.format(part="w * (log_n" + CONSTANT + ")", out="sum(parts)"),
    ),
    Planted(
        "ex-09-components",
        AMONG,
        "weights of the components are missing",
        MIXTURE.format(part="log_n" + CONSTANT, out="torch.logsumexp(torch.stack(parts), 0)"),
    ),
    Planted(
        "ex-09-components",
        AMONG,
        "2 pi",
        MIXTURE.format(part="log_n + w.log()", out="torch.logsumexp(torch.stack(parts), 0)"),
    ),
    Planted(
        "ex-09-components",
        AMONG,
        "have more to say",
        """
def mixture_log_density(z, weights, means, covariances):
    scale = covariances.diagonal(dim1=1, dim2=2).sqrt()
    parts = torch.distributions.Normal(means, scale).log_prob(z[:, None]).sum(2)
    return torch.logsumexp(parts + weights.log(), 1)
""",
    ),
    Planted(
        "ex-09-components",
        FAR,
        "underflow",
        MIXTURE.format(part="w * torch.exp(log_n" + CONSTANT + ")", out="sum(parts).log()"),
    ),
    Planted(
        "ex-09-components",
        FAR,
        "not the largest of all",
        MIXTURE.format(
            part="log_n + w.log()" + CONSTANT,
            out="(a := torch.stack(parts)).max() + (a - a.max()).exp().sum(0).log()",
        ),
    ),
    Planted("ex-09-means", USED, "exponential of the mean", lost(width="logvar.mean(0).exp()")),
    Planted("ex-09-means", USED, "upside down", lost(ratio="fitted / drawn")),
    Planted(
        "ex-09-means", USED, "as well as by sigma", lost(ratio="logvar.exp().mean(0) / fitted")
    ),
    Planted("ex-09-means", USED, "not by N - 1", lost(correction=1)),
    Planted(
        "ex-09-means", USED, "where its square belongs", lost(width="(logvar / 2).exp().mean(0)")
    ),
    Planted("ex-09-means", UNUSED, "hides how narrow", lost(plus=" + 1e-6")),
    Planted(
        "ex-09-coins",
        TOGETHER,
        "only the variances",
        FRECHET.format(
            root="cross = (Ca.diagonal() * Cb.diagonal()).sqrt().sum()",
            place="gap @ gap",
            two="2 * cross",
        ),
    ),
    Planted(
        "ex-09-coins",
        TOGETHER,
        "not the product of the roots",
        FRECHET.format(
            root="(e, U), (f, V) = torch.linalg.eigh(Ca), torch.linalg.eigh(Cb); "
            "cross = ((U * e.abs().sqrt() @ U.T) * (V * f.abs().sqrt() @ V.T)).sum()",
            place="gap @ gap",
            two="2 * cross",
        ),
    ),
    Planted(
        "ex-09-coins",
        TOGETHER,
        "roots of its entries",
        FRECHET.format(
            root="cross = (Ca @ Cb).diagonal().clamp(min=0).sqrt().sum()",
            place="gap @ gap",
            two="2 * cross",
        ),
    ),
    Planted(
        "ex-09-coins",
        TOGETHER,
        "squared distance",
        FRECHET.format(root=EIGENVALUES, place="gap.norm()", two="2 * cross"),
    ),
    Planted(
        "ex-09-coins",
        TOGETHER,
        "counts twice",
        FRECHET.format(root=EIGENVALUES, place="gap @ gap", two="cross"),
    ),
    Planted(
        "ex-09-coins",
        AXES,
        "it raised",
        FRECHET.format(
            root="L = torch.linalg.cholesky(Ca); "
            "cross = torch.linalg.eigvalsh(L.T @ Cb @ L).clamp(min=0).sqrt().sum()",
            place="gap @ gap",
            two="2 * cross",
        ),
    ),
    Planted(
        "ex-09-coins",
        AXES,
        "infinite or not a number",
        FRECHET.format(
            root="e, V = torch.linalg.eigh(Ca); R = V * e.clamp(min=0).sqrt() @ V.T; "
            "cross = torch.linalg.eigvalsh(R @ Cb @ R).sqrt().sum()",
            place="gap @ gap",
            two="2 * cross",
        ),
    ),
    Planted(
        "ex-09-seeds",
        ONE,
        "different numbers of runs",
        CHANCE.format(p="2 / math.comb(2 * n, n)", out=AT_LEAST),
    ),
    Planted(
        "ex-09-seeds", ONE, "either model", CHANCE.format(p="1 / math.comb(n + m, n)", out=AT_LEAST)
    ),
    Planted(
        "ex-09-seeds", ONE, "no coin of its own", CHANCE.format(p="2 / 2 ** (n * m)", out=AT_LEAST)
    ),
    Planted(
        "ex-09-seeds",
        SEVERAL,
        "do not add up",
        CHANCE.format(p="2 / math.comb(n + m, n)", out="scores * p"),
    ),
    Planted(
        "ex-09-seeds",
        SEVERAL,
        "all the scores",
        CHANCE.format(p="2 / math.comb(n + m, n)", out="p ** scores"),
    ),
)
