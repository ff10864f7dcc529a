"""Wrong answers to the exercises of chapter 13."""

from planting import Planted

VAE, IWAE = "VAE with k", "IWAE"
DREG, IMAGE = "DReG, for the encoder", "log-weights of an image"
DIRECTIONS, COUNTS = "every direction", "two counts of weights"
DENSITY, UNDERFLOW = "the density", "where both densities underflow"
HARMONIC, FINITE = "the harmonic mean", "likelihoods of an image"

PLANTED = (
    Planted(
        "ex-13-average",
        VAE,
        "each has the factor 1 / k",
        """
def voices(log_w, objective):
    v = log_w.softmax(0)
    return {"vae": torch.ones_like(v), "iwae": v, "dreg": v * v}[objective]
""",
    ),
    Planted(
        "ex-13-average",
        VAE,
        "the mean of the logarithms hears all draws alike",
        """
def voices(log_w, objective):
    v = log_w.softmax(0)
    return v**2 if objective == "dreg" else v
""",
    ),
    Planted(
        "ex-13-average",
        IWAE,
        "the shares of one image add up to 1 over its draws",
        """
def voices(log_w, objective):
    if objective == "vae":
        return torch.zeros_like(log_w) + 1 / log_w.size(0)
    if objective == "iwae":
        return torch.softmax(log_w, -1)
    return torch.softmax(log_w, 0) ** 2
""",
    ),
    Planted(
        "ex-13-average",
        DREG,
        "one factor is missing",
        """
def voices(log_w, objective):
    if objective == "vae":
        return torch.zeros_like(log_w) + 1 / len(log_w)
    return torch.exp(log_w - torch.logsumexp(log_w, 0))
""",
    ),
    Planted(
        "ex-13-average",
        DREG,
        "what is left of v?",
        """
def voices(log_w, objective):
    v = torch.exp(log_w - torch.logsumexp(log_w, 0))
    if objective == "vae":
        return torch.full(log_w.shape, 1 / len(log_w))
    return v if objective == "iwae" else v - v**2
""",
    ),
    Planted(
        "ex-13-average",
        IMAGE,
        "infinite or not a number",
        """
def voices(log_w, objective):
    w = torch.exp(log_w)
    v = w / w.sum(0)
    return {"vae": torch.full_like(w, 1 / len(w)), "iwae": v, "dreg": v**2}[objective]
""",
    ),
    Planted(
        "ex-13-width",
        DIRECTIONS,
        "along the axes alone is not enough",
        """
def least_scale(precision, variances):
    marginal = torch.inverse(precision).diag()
    return torch.sqrt(0.5 * marginal / variances).max()
""",
    ),
    Planted(
        "ex-13-width",
        DIRECTIONS,
        "forgets that the latents are correlated",
        """
def least_scale(precision, variances):
    return (0.5 / precision.diag() / variances).max() ** 0.5
""",
    ),
    Planted(
        "ex-13-width",
        DIRECTIONS,
        "this is a factor for the variances",
        """
def least_scale(precision, variances):
    whitened = torch.linalg.eigvals(torch.inverse(precision) @ torch.diag(1 / variances))
    return whitened.real.max() / 2
""",
    ),
    Planted(
        "ex-13-width",
        DIRECTIONS,
        "the half is missing",
        """
def least_scale(precision, variances):
    inner = torch.diag(variances.sqrt()) @ precision @ torch.diag(variances.sqrt())
    return 1 / torch.linalg.eigvalsh(inner).min().sqrt()
""",
    ),
    Planted(
        "ex-13-defensive",
        DENSITY,
        "they are swapped",
        """
def log_defensive(z, mu, logvar, a):
    q = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z).sum(1)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    return torch.logsumexp(torch.stack([q + math.log(a), p + math.log(1 - a)]), 0)
""",
    ),
    Planted(
        "ex-13-defensive",
        DENSITY,
        "a mixture adds densities",
        """
def log_defensive(z, mu, logvar, a):
    q = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z).sum(1)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    return q * (1 - a) + p * a
""",
    ),
    Planted(
        "ex-13-defensive",
        DENSITY,
        "without their shares",
        """
def log_defensive(z, mu, logvar, a):
    q = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z).sum(1)
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
    return torch.logaddexp(q, p)
""",
    ),
    Planted(
        "ex-13-defensive",
        UNDERFLOW,
        "infinite or not a number",
        """
def log_defensive(z, mu, logvar, a):
    q = torch.distributions.Normal(mu, (logvar / 2).exp()).log_prob(z).sum(1).exp()
    p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1).exp()
    return torch.log((1 - a) * q + a * p)
""",
    ),
    Planted(
        "ex-13-jackknife",
        COUNTS,
        "right for m = 2k only",
        """
def without_c(lower, higher, k, m):
    return higher + (higher - lower)
""",
    ),
    Planted(
        "ex-13-jackknife",
        COUNTS,
        "the two are swapped",
        """
def without_c(lower, higher, k, m):
    c = (higher - lower) / (1 / k - 1 / m)
    return lower - c / m * (1 - 0) + 0 * higher
""",
    ),
    Planted(
        "ex-13-jackknife",
        COUNTS,
        "the truth is above both",
        """
def without_c(lower, higher, k, m):
    return (k * lower + m * higher) / (k + m)
""",
    ),
    Planted(
        "ex-13-harmonic",
        HARMONIC,
        "the chain back weighs by 1 / p(x given z)",
        """
def harmonic_evidence(log_px_z):
    return log_px_z.logsumexp(dim=0) - math.log(log_px_z.shape[0])
""",
    ),
    Planted(
        "ex-13-harmonic",
        HARMONIC,
        "log n is missing",
        """
def harmonic_evidence(log_px_z):
    return -torch.logsumexp(-log_px_z, 0)
""",
    ),
    Planted(
        "ex-13-harmonic",
        HARMONIC,
        "the mean of the weights is 1 / p(x)",
        """
def harmonic_evidence(log_px_z):
    return torch.logsumexp(-log_px_z, 0) - math.log(len(log_px_z))
""",
    ),
    Planted(
        "ex-13-harmonic",
        FINITE,
        "infinite or not a number",
        """
def harmonic_evidence(log_px_z):
    return -torch.log((1 / log_px_z.exp()).mean(0))
""",
    ),
    Planted(
        "ex-13-average",
        IMAGE,
        "infinite or not a number",
        # one top for all images
        """
def voices(log_w, objective):
    w = torch.exp(log_w - log_w.max())
    v = w / w.sum(0)
    return {"vae": torch.full_like(w, 1 / len(w)), "iwae": v, "dreg": v**2}[objective]
""",
    ),
    Planted(
        "ex-13-harmonic",
        FINITE,
        "infinite or not a number",
        # one top for all images
        """
def harmonic_evidence(log_px_z):
    top = (-log_px_z).max()
    return -top - torch.log(torch.exp(-log_px_z - top).mean(0))
""",
    ),
)
