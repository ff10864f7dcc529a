"""Wrong answers to problem set C."""

from planting import Planted

FEW, MANY = "five images of four pixels", "images of 300 pixels"
BOUND, VOICES, FAINT = (
    "the bound from six weights",
    "the effective number of draws",
    "log-weights of an image, near -2000",
)
MEAN_BOUND, MEAN_P = "the mean bound of k weights", "the mean estimate of p(x), as a logarithm"
ERROR, BIAS = "the standard error", "the bias"
WEIGHTS, MISSED = "the log-weights", "draws that q, or the prior, all but excludes"
S_MU, S_LOGVAR = "score function, in mu", "score function, in logvar"
P_MU, P_LOGVAR = "pathwise, in mu", "pathwise, in logvar"
NINE = "the baseline of nine draws"
ESTIMATE, SPREAD = "the estimate", "its standard error"

# Right answers, from which a mistake is made by changing one piece.
EXACT = """
def exact_log_px(x, W, b, s):
    cov = (W @ W.T).double() + s ** 2 * torch.eye(len(b), dtype=torch.float64)
    gap = (x - b).double()
    maha = (gap @ torch.linalg.inv(cov) * gap).sum(1)
    return -0.5 * (maha + torch.linalg.slogdet(cov)[1] + len(b) * math.log(2 * math.pi))
"""
WEIGH = """
def bound_and_voices(log_w):
    top = log_w.max(dim=0, keepdim=True).values
    w = torch.exp(log_w - top)
    bound = torch.log(w.mean(dim=0)) + top[0]
    return bound, w.sum(0) ** 2 / (w ** 2).sum(0)
"""
GROUPS = (
    WEIGH
    + """
def by_groups(log_w, k):
    n, B = log_w.shape
    table = log_w.reshape(n // k, k, B)
    bounds = torch.stack([bound_and_voices(one)[0] for one in table])
    return bounds.mean(0), torch.logsumexp(bounds, 0) - math.log(n // k)
"""
)
DELTA = """
def error_and_bias(log_w):
    k = log_w.shape[0]
    w = torch.exp(log_w - log_w.max(0).values)
    var, mean = w.var(dim=0), w.mean(dim=0)
    error = torch.sqrt(var / k) / mean
    bias = -var / (2 * k * mean ** 2)
    return error, bias
"""
DEFEND = """
def defensive_log_w(log_px_z, log_pz, log_qz, share):
    both = torch.stack([math.log(share) + log_pz, math.log(1 - share) + log_qz])
    return log_px_z + log_pz - torch.logsumexp(both, dim=0)
"""
TERMS = """
def gradient_terms(f, mu, logvar, eps):
    m = mu.detach().expand(len(eps)).clone().requires_grad_()
    v = logvar.detach().expand(len(eps)).clone().requires_grad_()
    z = m + torch.exp(v / 2) * eps
    path_m, path_v = torch.autograd.grad(f(z).sum(), (m, v), retain_graph=True)
    still = z.detach()
    log_q = -v / 2 - (still - m) ** 2 / (2 * torch.exp(v))
    score_m, score_v = torch.autograd.grad(log_q.sum(), (m, v))
    value = f(still)
    return value * score_m, value * score_v, path_m, path_v
"""
PAIRS = """
def antithetic(f, mu, logvar, eps):
    sigma = torch.exp(logvar / 2)
    up, down = f(mu + sigma * eps), f(mu - sigma * eps)
    pair = (up + down) / 2
    estimate = pair.mean()
    error = pair.std() / len(pair) ** 0.5
    return estimate, error
"""


def changed(source, old, new):
    """The source with one piece replaced."""
    assert source.count(old) == 1, old
    return source.replace(old, new)


TRUTH = (
    Planted("set-c-exact", FEW, "its square stands", changed(EXACT, "s ** 2", "s")),
    Planted(
        "set-c-exact",
        FEW,
        "all D pixels",
        changed(EXACT, "len(b) * math", "(len(b) - W.shape[1]) * math"),
    ),
    Planted(
        "set-c-exact",
        FEW,
        "half of the log determinant",
        changed(EXACT, "torch.linalg.slogdet", "2 * torch.linalg.slogdet"),
    ),
    Planted("set-c-exact", FEW, "the mean b is not", changed(EXACT, "(x - b)", "x")),
    Planted(
        "set-c-exact",
        FEW,
        "are left out",
        changed(EXACT, "(W @ W.T).double()", "torch.diag((W ** 2).sum(1)).double()"),
    ),
    Planted(
        "set-c-exact",
        MANY,
        "underflows to 0",
        changed(EXACT, "torch.linalg.slogdet(cov)[1]", "torch.log(torch.linalg.det(cov))"),
    ),
)

LOG_WEIGHTS = (
    Planted(
        "set-c-bound",
        BOUND,
        "log k is missing",
        changed(WEIGH, "w.mean(dim=0)", "w.sum(dim=0)"),
    ),
    Planted(
        "set-c-bound",
        BOUND,
        "the mean of the logarithms",
        changed(WEIGH, "    return bound", "    bound = log_w.mean(0)\n    return bound"),
    ),
    Planted(
        "set-c-bound",
        BOUND,
        "log k is subtracted twice",
        changed(WEIGH, "+ top[0]", "+ top[0] - math.log(len(w))"),
    ),
    Planted(
        "set-c-bound",
        VOICES,
        "share of the draws",
        changed(WEIGH, "(w ** 2).sum(0)", "(w ** 2).sum(0) / len(w)"),
    ),
    Planted(
        "set-c-bound",
        VOICES,
        "not over the images",
        changed(
            WEIGH,
            "return bound, w.sum(0) ** 2 / (w ** 2).sum(0)",
            "return bound, 1 / (torch.softmax(log_w, dim=1) ** 2).sum(0)",
        ),
    ),
    Planted(
        "set-c-bound",
        FAINT,
        "take the largest of each image out first",
        """
def bound_and_voices(log_w):
    w = torch.exp(log_w)
    return torch.log(w.mean(0)), w.sum(0) ** 2 / (w ** 2).sum(0)
""",
    ),
    Planted(
        "set-c-groups",
        MEAN_BOUND,
        "all weights together",
        changed(GROUPS, "return bounds.mean(0),", "return bound_and_voices(log_w)[0],"),
    ),
    Planted(
        "set-c-groups",
        MEAN_BOUND,
        "not the number of groups",
        changed(
            GROUPS,
            "return bounds.mean(0),",
            "return torch.stack([bound_and_voices(c)[0] for c in log_w.chunk(k)]).mean(0),",
        ),
    ),
    Planted(
        "set-c-groups",
        MEAN_P,
        "the logarithm comes last",
        changed(GROUPS, "torch.logsumexp(bounds, 0) - math.log(n // k)", "bounds.mean(0)"),
    ),
    Planted(
        "set-c-groups",
        MEAN_P,
        "divide by their number",
        changed(GROUPS, " - math.log(n // k)", ""),
    ),
    Planted(
        "set-c-error",
        ERROR,
        "the mean log-weight",
        changed(DELTA, "torch.sqrt(var / k) / mean", "log_w.std(0) / math.sqrt(k)"),
    ),
    Planted("set-c-error", ERROR, "sqrt(k) is missing", changed(DELTA, "(var / k)", "(var)")),
    Planted(
        "set-c-error",
        ERROR,
        "divide by k - 1",
        changed(DELTA, "torch.sqrt(var / k)", "torch.sqrt(w.var(0, unbiased=False) / k)"),
    ),
    Planted("set-c-error", BIAS, "the bias is negative", changed(DELTA, "= -var", "= var")),
    Planted("set-c-error", BIAS, "the half is missing", changed(DELTA, "(2 * k *", "(k *")),
    Planted("set-c-error", BIAS, "k is missing", changed(DELTA, "(2 * k *", "(2 *")),
    Planted(
        "set-c-error",
        FAINT,
        "take the largest of each image out first",
        changed(DELTA, "log_w - log_w.max(0).values", "log_w"),
    ),
    Planted(
        "set-c-defensive",
        WEIGHTS,
        "draws from q alone",
        """
def defensive_log_w(log_px_z, log_pz, log_qz, share):
    return log_px_z + log_pz - log_qz
""",
    ),
    Planted(
        "set-c-defensive",
        WEIGHTS,
        "share belongs to the prior",
        DEFEND.replace("math.log(share)", "math.log(0)")
        .replace("math.log(1 - share)", "math.log(share)")
        .replace("math.log(0)", "math.log(1 - share)"),
    ),
    Planted(
        "set-c-defensive",
        WEIGHTS,
        "mixes the logarithms",
        """
def defensive_log_w(log_px_z, log_pz, log_qz, share):
    return log_px_z + log_pz - (share * log_pz + (1 - share) * log_qz)
""",
    ),
    Planted(
        "set-c-defensive",
        WEIGHTS,
        "it gives",
        # the louder of the two, which is all of it where the other is excluded
        changed(DEFEND, "torch.logsumexp(both, dim=0)", "both.max(dim=0).values"),
    ),
    Planted(
        "set-c-defensive",
        MISSED,
        "underflows to 0",
        """
def defensive_log_w(log_px_z, log_pz, log_qz, share):
    r = share * log_pz.exp() + (1 - share) * log_qz.exp()
    return log_px_z + torch.log(log_pz.exp() / r)
""",
    ),
)

GRADIENTS = (
    Planted(
        "set-c-terms",
        S_MU,
        "the score alone",
        changed(TERMS, "return value * score_m", "return score_m"),
    ),
    Planted(
        "set-c-terms",
        S_MU,
        "sigma is missing",
        changed(TERMS, "return value * score_m", "return value * eps"),
    ),
    Planted(
        "set-c-terms",
        S_LOGVAR,
        "the normaliser",
        changed(
            TERMS,
            "return value * score_m, value * score_v",
            "return value * score_m, value * eps ** 2 / 2",
        ),
    ),
    Planted(
        "set-c-terms",
        S_LOGVAR,
        "by logvar, sigma changes",
        changed(TERMS, "value * score_v", "value * (eps ** 2 - 1) / torch.exp(logvar / 2)"),
    ),
    Planted(
        "set-c-terms",
        P_MU,
        "return each term",
        changed(TERMS, ", path_m, path_v\n", ", path_m.mean().repeat(len(eps)), path_v\n"),
    ),
    Planted(
        "set-c-terms",
        P_MU,
        "sigma does not enter",
        changed(TERMS, ", path_m, path_v\n", ", path_m * torch.exp(logvar / 2), path_v\n"),
    ),
    Planted(
        "set-c-terms",
        P_LOGVAR,
        "the half is missing",
        changed(TERMS, ", path_m, path_v\n", ", path_m, 2 * path_v\n"),
    ),
    Planted(
        "set-c-terms",
        P_LOGVAR,
        "the derivative in sigma",
        changed(TERMS, ", path_m, path_v\n", ", path_m, path_m * eps\n"),
    ),
    Planted(
        "set-c-baseline",
        NINE,
        "the mean reward",
        """
def best_baseline(f, s):
    return f.mean()
""",
    ),
    Planted(
        "set-c-baseline",
        NINE,
        "the mean of squares",
        """
def best_baseline(f, s):
    return (f * s ** 2).sum() / (s ** 2).sum()
""",
    ),
    Planted(
        "set-c-baseline",
        NINE,
        "different numbers, N and N - 1",
        """
def best_baseline(f, s):
    terms = f * s
    return (terms * s).mean().sub(terms.mean() * s.mean()) / s.var()
""",
    ),
    Planted(
        "set-c-baseline",
        NINE,
        "the terms are f s",
        """
def best_baseline(f, s):
    return ((f - f.mean()) * (s - s.mean())).sum() / ((s - s.mean()) ** 2).sum()
""",
    ),
    Planted(
        "set-c-antithetic",
        ESTIMATE,
        "the mirrored draws are missing",
        changed(PAIRS, "estimate = pair.mean()", "estimate = up.mean()"),
    ),
    Planted(
        "set-c-antithetic",
        ESTIMATE,
        "take their mean",
        changed(PAIRS, "estimate = pair.mean()", "estimate = (up + down).mean()"),
    ),
    Planted(
        "set-c-antithetic",
        SPREAD,
        "come in pairs",
        changed(
            PAIRS,
            "pair.std() / len(pair) ** 0.5",
            "torch.cat([up, down]).std() / (2 * len(up)) ** 0.5",
        ),
    ),
    Planted(
        "set-c-antithetic",
        SPREAD,
        "divide by n - 1",
        changed(PAIRS, "pair.std()", "pair.std(unbiased=False)"),
    ),
    Planted(
        "set-c-antithetic",
        SPREAD,
        "the error of their mean",
        changed(PAIRS, "pair.std() / len(pair) ** 0.5", "pair.std()"),
    ),
)

REFEREED = (
    # one top for all images, which lie a thousand nats apart
    Planted(
        "set-c-bound",
        FAINT,
        "take the largest of each image out first",
        changed(WEIGH, "log_w.max(dim=0, keepdim=True).values", "log_w.max().expand(1)"),
    ),
    Planted(
        "set-c-error",
        FAINT,
        "take the largest of each image out first",
        changed(DELTA, "log_w.max(0).values", "log_w.max()"),
    ),
    Planted(
        "set-c-defensive",
        MISSED,
        "underflows to 0",
        """
def defensive_log_w(log_px_z, log_pz, log_qz, share):
    top = torch.maximum(log_pz, log_qz).max()
    r = share * torch.exp(log_pz - top) + (1 - share) * torch.exp(log_qz - top)
    return log_px_z + log_pz - top - torch.log(r)
""",
    ),
    Planted(
        "set-c-groups",
        MEAN_BOUND,
        "rows that follow each other",
        changed(GROUPS, "log_w.reshape(n // k, k, B)", "log_w.view(k, -1, B).transpose(0, 1)"),
    ),
    Planted(
        "set-c-terms",
        S_MU,
        "hold the draw fixed",
        changed(TERMS, "z.detach()", "z"),
    ),
    Planted(
        "set-c-terms",
        S_LOGVAR,
        "hold the draw fixed",
        changed(TERMS, "z.detach()", "z"),
    ),
    Planted(
        "set-c-terms",
        P_MU,
        "exp(logvar) is a variance",
        changed(TERMS, "m + torch.exp(v / 2) * eps", "m + torch.exp(v) * eps"),
    ),
    Planted(
        "set-c-antithetic",
        ESTIMATE,
        "exp(logvar) is a variance",
        changed(PAIRS, "torch.exp(logvar / 2)", "torch.exp(logvar)"),
    ),
)

PLANTED = TRUTH + LOG_WEIGHTS + GRADIENTS + REFEREED
