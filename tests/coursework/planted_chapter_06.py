"""Wrong answers to the exercises of chapter 6."""

from planting import Planted

USED, NATS = "how many latents are used", "the nats of each latent"
REBUILT, COVARIANCE = "the reconstruction at the mean code", "the covariance of the posterior"
ALONG_W, MIXED = "the curvature along w", "the mixed derivative"
ALONG_A = "the curvature along a"
NOISE = "the s that comes out"
SHORT, LOST = "missing in the likelihood", "lost by a diagonal q"

SPECTRUM = """
def spectrum(x):
    return torch.linalg.eigvalsh(torch.cov(x.T, correction=0)).flip(0)

"""
EVIDENCE = """
def evidence(x, W, s):
    D = len(W)
    C = W @ W.T + s**2 * torch.eye(D)
    x = x - x.mean(0)
    S = x.T @ x / len(x)
    return -0.5 * (D * math.log(2 * math.pi) + torch.logdet(C) + torch.trace(C.inverse() @ S))

def best(x, J, s=None):
    x = x - x.mean(0)
    lam, U = torch.linalg.eigh(x.T @ x / len(x))
    s = lam[:-J].mean().sqrt() if s is None else s
    return U[:, -J:] * (lam[-J:] - s**2).clamp(min=0).sqrt(), s

def gap(W, s):
    P = torch.eye(W.shape[1]) + W.T @ W / s**2
    return 0.5 * (torch.diag(P).log().sum() - P.logdet())

"""

PLANTED = (
    Planted(
        "ex-06-classes",
        USED,
        "compare it with s^2",
        SPECTRUM
        + """
def count_latents(x, J, s):
    lam = spectrum(x)[:J]
    return int((lam > s).sum()), 0.5 * torch.relu(torch.log(lam / s**2))
""",
    ),
    Planted(
        "ex-06-classes",
        USED,
        "this counts all J latents",
        SPECTRUM
        + """
def count_latents(x, J, s):
    nats = 0.5 * torch.log(spectrum(x)[:J] / s**2).clamp(min=0)
    return len(nats), nats
""",
    ),
    Planted(
        "ex-06-classes",
        NATS,
        "0 nats, not fewer than none",
        SPECTRUM
        + """
def count_latents(x, J, s):
    nats = 0.5 * torch.log(spectrum(x)[:J] / s**2)
    return (nats > 0).sum(), nats
""",
    ),
    Planted(
        "ex-06-classes",
        NATS,
        "mean is not subtracted",
        """
def count_latents(x, J, s):
    lam = torch.linalg.eigvalsh(x.T @ x / len(x)).flip(0)[:J]
    return (lam > s**2).sum(), 0.5 * (lam / s**2).clamp(min=1).log()
""",
    ),
    Planted(
        "ex-06-classes",
        NATS,
        "the order is turned round",
        """
def count_latents(x, J, s):
    lam = torch.linalg.eigvalsh(torch.cov(x.T, correction=0))[-J:]
    return (lam > s**2).sum(), 0.5 * (lam / s**2).clamp(min=1).log()
""",
    ),
    Planted(
        "ex-06-limit",
        REBUILT,
        "this is the projection of PCA",
        """
def rebuild(x, W, b, s):
    projection = W @ torch.linalg.inv(W.T @ W) @ W.T
    P = torch.eye(W.shape[1]) + W.T @ W / s**2
    return b + (x - b) @ projection, P.inverse()
""",
    ),
    Planted(
        "ex-06-limit",
        REBUILT,
        "b is not added again",
        """
def rebuild(x, W, b, s):
    M = W.T @ W + s**2 * torch.eye(W.shape[1])
    z = (x - b) @ W @ M.inverse()
    return z @ W.T, s**2 * M.inverse()
""",
    ),
    Planted(
        "ex-06-limit",
        REBUILT,
        "the inverse of M is missing",
        """
def rebuild(x, W, b, s):
    M = W.T @ W + s**2 * torch.eye(W.shape[1])
    return b + (x - b) @ W @ W.T, s**2 * M.inverse()
""",
    ),
    Planted(
        "ex-06-limit",
        COVARIANCE,
        "this is the inverse of M",
        """
def rebuild(x, W, b, s):
    inverse = (W.T @ W + s**2 * torch.eye(W.shape[1])).inverse()
    return b + (x - b) @ W @ inverse @ W.T, inverse
""",
    ),
    Planted(
        "ex-06-limit",
        COVARIANCE,
        "of the best diagonal q",
        """
def rebuild(x, W, b, s):
    M = W.T @ W + s**2 * torch.eye(W.shape[1])
    z = (x - b) @ W @ torch.inverse(M)
    return b + z @ W.T, torch.diag(s**2 / torch.diag(M))
""",
    ),
    Planted(
        "ex-06-saddle",
        ALONG_W,
        "the coefficients of the expansion",
        """
def collapse_curvatures(variance, s):
    return -0.5 / s**2, variance / s**2, -variance
""",
    ),
    Planted(
        "ex-06-saddle",
        MIXED,
        "without it nothing would ever grow",
        """
def collapse_curvatures(variance, s):
    return -1 / s**2, 0.0, -variance
""",
    ),
    Planted(
        "ex-06-saddle",
        MIXED,
        "second derivatives of squares",
        """
def collapse_curvatures(variance, s):
    return -1 / s**2, 2 * variance / s**2, -variance
""",
    ),
    Planted(
        "ex-06-saddle",
        ALONG_A,
        "the decoder ignores the code",
        """
def collapse_curvatures(variance, s):
    return -1 / s**2, variance / s**2, -variance / s**2
""",
    ),
    Planted(
        "ex-06-beta",
        NOISE,
        "this is s^2",
        """
def learned_noise(lam, J, beta):
    s2 = lam[J:].sum() / (len(lam) - beta * J)
    return s2, 0.5 * torch.log(lam[:J] / (beta * s2))
""",
    ),
    Planted(
        "ex-06-beta",
        NOISE,
        "this is the s of beta = 1",
        """
def learned_noise(lam, J, beta):
    s2 = lam[J:].mean()
    return s2.sqrt(), 0.5 * torch.log(lam[:J] / (beta * s2))
""",
    ),
    Planted(
        "ex-06-beta",
        NOISE,
        "a learned s does not undo the beta",
        """
def learned_noise(lam, J, beta):
    water = lam[J:].mean()
    return (water / beta).sqrt(), 0.5 * torch.log(lam[:J] / water)
""",
    ),
    Planted(
        "ex-06-beta",
        NATS,
        "the water is beta s^2",
        """
def learned_noise(lam, J, beta):
    s2 = lam[J:].sum() / (len(lam) - beta * J)
    return s2.sqrt(), 0.5 * torch.log(lam[:J] / s2)
""",
    ),
    Planted(
        "ex-06-missing",
        SHORT,
        "an s of its own",
        EVIDENCE
        + """
def missing_nats(x, W, s):
    return evidence(x, *best(x, W.shape[1], s)) - evidence(x, W, s), gap(W, s)
""",
    ),
    Planted(
        "ex-06-missing",
        SHORT,
        "the sign is turned around",
        EVIDENCE
        + """
def missing_nats(x, W, s):
    return evidence(x, W, s) - evidence(x, *best(x, W.shape[1])), gap(W, s)
""",
    ),
    Planted(
        "ex-06-missing",
        LOST,
        "not the posterior's variance",
        EVIDENCE
        + """
def missing_nats(x, W, s):
    P = torch.eye(W.shape[1]) + W.T @ W / s**2
    variance = P.inverse().diagonal()
    kl = 0.5 * ((variance * P.diagonal()).sum() - len(P) - variance.log().sum() - P.logdet())
    return evidence(x, *best(x, W.shape[1])) - evidence(x, W, s), kl
""",
    ),
    Planted(
        "ex-06-missing",
        LOST,
        "W^T W is divided by s^2",
        EVIDENCE
        + """
def missing_nats(x, W, s):
    P = torch.eye(W.shape[1]) + W.T @ W / s
    lost = 0.5 * (P.diagonal().log().sum() - P.logdet())
    return evidence(x, *best(x, W.shape[1])) - evidence(x, W, s), lost
""",
    ),
    Planted(
        "ex-06-missing",
        LOST,
        "this is taken from the covariance",
        EVIDENCE
        + """
def missing_nats(x, W, s):
    V = torch.linalg.inv(torch.eye(W.shape[1]) + W.T @ W / s**2)
    lost = 0.5 * (torch.diag(V).log().sum() - torch.logdet(V))
    return evidence(x, *best(x, W.shape[1])) - evidence(x, W, s), lost
""",
    ),
)
