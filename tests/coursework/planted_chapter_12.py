"""Wrong answers to the exercises of chapter 12."""

from planting import Planted

ALL, SOME = "no direction drowns", "some directions drown"
RULE, SIGHT = "the rule", "what a decoder sees"
WATER, LEFT = "the level of the water", "what is left to the code"
LOW, HIGH, FAR = "from below", "from above", "narrow codes, far apart"
CHARGE, GRADIENT = "the charge", "the gradient on both sides"

LOG_Q = """
def log_q(mu, logvar, z):
    q = torch.distributions.Normal(mu, torch.exp(0.5 * logvar))
    return q.log_prob(z[:, None]).sum(-1)


def low_and_high(table):
    own, n = table.diagonal(), len(table)
    off = table.masked_fill(torch.eye(n, dtype=torch.bool), -math.inf)
    return own - table.logsumexp(1) + math.log(n), own - off.logsumexp(1) + math.log(n - 1)

"""

PLANTED = (
    Planted(
        "ex-12-hand",
        ALL,
        "the smallest direction is never counted",
        """
def beta_for_rate(eigenvalues, s, rate):
    land = eigenvalues.sort(descending=True).values
    for n in range(1, len(land)):
        log_water = (land[:n].log().sum() - 2 * rate) / n
        if log_water >= land[n].log():
            break
    return log_water.exp() / s**2
""",
    ),
    Planted(
        "ex-12-hand",
        SOME,
        "count only what stands out",
        """
def beta_for_rate(eigenvalues, s, rate):
    return torch.exp(eigenvalues.log().mean() - 2 * rate / len(eigenvalues)) / s**2
""",
    ),
    Planted(
        "ex-12-hand",
        SOME,
        "divide it by s squared",
        """
def beta_for_rate(eigenvalues, s, rate):
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        if 0.5 * (eigenvalues.log() - middle).clamp(min=0).sum() > rate:
            low = middle
        else:
            high = middle
    return math.exp(low)
""",
    ),
    Planted(
        "ex-12-hand",
        SOME,
        "the half is missing",
        """
def beta_for_rate(eigenvalues, s, rate):
    low, high = -20.0, 20.0
    for _ in range(80):
        middle = (low + high) / 2
        spent = (eigenvalues.log() - middle).clamp(min=0).sum()
        low, high = (middle, high) if spent > rate else (low, middle)
    return math.exp(low) / s**2
""",
    ),
    Planted(
        "ex-12-neighbour",
        RULE,
        "a direction under the water has rate 0",
        """
def rates_left(S, T, s, beta):
    M = torch.eye(len(S)) - T
    values = torch.linalg.eigvalsh(M @ S @ M.T)
    return 0.5 * (values / (beta * s**2)).log().sort(descending=True).values
""",
    ),
    Planted(
        "ex-12-neighbour",
        RULE,
        "beta is missing",
        """
def rates_left(S, T, s, beta):
    M = torch.eye(len(S)) - T
    values = torch.linalg.eigvalsh(M @ S @ M.T).flip(0)
    return 0.5 * torch.log(values / s**2).relu()
""",
    ),
    Planted(
        "ex-12-neighbour",
        RULE,
        "the smallest direction stands first",
        """
def rates_left(S, T, s, beta):
    M = torch.eye(len(S)) - T
    return 0.5 * torch.log(torch.linalg.eigvalsh(M @ S @ M.T) / (beta * s**2)).relu()
""",
    ),
    Planted(
        "ex-12-neighbour",
        SIGHT,
        "the spectrum is that of the images",
        """
def rates_left(S, T, s, beta):
    return 0.5 * torch.log(torch.linalg.eigvalsh(S).flip(0) / (beta * s**2)).relu()
""",
    ),
    Planted(
        "ex-12-neighbour",
        SIGHT,
        "I - T stands on one side only",
        """
def rates_left(S, T, s, beta):
    values = torch.linalg.eigvalsh((torch.eye(len(S)) - T) @ S).flip(0)
    return 0.5 * torch.log(values.clamp(min=beta * s**2) / (beta * s**2))
""",
    ),
    Planted(
        "ex-12-neighbour",
        SIGHT,
        "the transposed matrix stands on the left",
        """
def rates_left(S, T, s, beta):
    M = torch.eye(len(S)) - T
    values = torch.linalg.eigvalsh(M.T @ S @ M).flip(0)
    return 0.5 * torch.log(values.clamp(min=beta * s**2) / (beta * s**2))
""",
    ),
    Planted(
        "ex-12-back",
        WATER,
        "ask for the rate first",
        """
def verdict(rate, eigenvalues, left, s, beta):
    water = beta * s**2
    if max(eigenvalues) <= s**2:
        return "noise"
    if max(eigenvalues) <= water:
        return "beta"
    if max(left) <= water:
        return "decoder"
    return "training" if rate < 1e9 else "alive"
""",
    ),
    Planted(
        "ex-12-back",
        WATER,
        "the water stands at beta s squared",
        """
def verdict(rate, eigenvalues, left, s, beta):
    if rate > 0.1:
        return "alive"
    if max(eigenvalues) <= s:
        return "noise"
    if max(eigenvalues) <= beta * s:
        return "beta"
    return "decoder" if max(left) <= beta * s else "training"
""",
    ),
    Planted(
        "ex-12-back",
        LEFT,
        "what the decoder sees is left out",
        """
def verdict(rate, eigenvalues, left, s, beta):
    if rate > 0.1:
        return "alive"
    top = float(eigenvalues.max())
    return "noise" if top <= s * s else "beta" if top <= beta * s * s else "training"
""",
    ),
    Planted(
        "ex-12-back",
        LEFT,
        "beta raises the water for what is left, too",
        """
def verdict(rate, eigenvalues, left, s, beta):
    if rate > 0.1:
        return "alive"
    if (eigenvalues <= s**2).all():
        return "noise"
    if (eigenvalues <= beta * s**2).all():
        return "beta"
    return "decoder" if (left <= s**2).all() else "training"
""",
    ),
    Planted(
        "ex-12-batch",
        LOW,
        "hold one code to the q of all images",
        LOG_Q
        + """
def information_bounds(mu, logvar, z):
    table = log_q(mu, logvar, z)
    low = table.diagonal() - table.logsumexp(0) + math.log(len(mu))
    return low.mean(), low_and_high(table)[1].mean()
""",
    ),
    Planted(
        "ex-12-batch",
        LOW,
        "not their sum",
        LOG_Q
        + """
def information_bounds(mu, logvar, z):
    table = log_q(mu, logvar, z)
    return (table.diagonal() - table.logsumexp(1)).mean(), low_and_high(table)[1].mean()
""",
    ),
    Planted(
        "ex-12-batch",
        HIGH,
        "N - 1 images are left in the mixture",
        LOG_Q
        + """
def information_bounds(mu, logvar, z):
    table, n = log_q(mu, logvar, z), len(mu)
    off = table - torch.diag(torch.full((n,), torch.inf))
    off = torch.where(torch.eye(n) > 0, torch.tensor(-math.inf), table)
    high = table.diagonal() - off.logsumexp(1) + math.log(n)
    return low_and_high(table)[0].mean(), high.mean()
""",
    ),
    Planted(
        "ex-12-batch",
        HIGH,
        "a code's own image is still in the mixture",
        LOG_Q
        + """
def information_bounds(mu, logvar, z):
    low = low_and_high(log_q(mu, logvar, z))[0].mean()
    return low, low
""",
    ),
    Planted(
        "ex-12-batch",
        FAR,
        "infinite or not a number",
        """
def information_bounds(mu, logvar, z):
    sigma = (0.5 * logvar).exp()
    q = torch.distributions.Normal(mu, sigma).log_prob(z[:, None]).sum(2).exp()
    n = len(q)
    others = (q.sum(1) - q.diagonal()) / (n - 1)
    return (q.diagonal() / q.mean(1)).log().mean(), (q.diagonal() / others).log().mean()
""",
    ),
    Planted(
        "ex-12-floor",
        CHARGE,
        "below it the charge is the floor itself",
        """
def free_sum(log_px_z, kl, floor):
    over = torch.relu(kl.sum(1).mean() - floor)
    return torch.mean(log_px_z) - over
""",
    ),
    Planted(
        "ex-12-floor",
        CHARGE,
        "as free bits do",
        """
def free_sum(log_px_z, kl, floor):
    charge = torch.clamp(kl.mean(0), min=floor).sum()
    return log_px_z.mean() - charge
""",
    ),
    Planted(
        "ex-12-floor",
        CHARGE,
        "average over the batch first",
        """
def free_sum(log_px_z, kl, floor):
    return (log_px_z - torch.clamp(kl.sum(-1), min=floor)).mean()
""",
    ),
    Planted(
        "ex-12-floor",
        GRADIENT,
        "was it turned into a number",
        """
def free_sum(log_px_z, kl, floor):
    rate = kl.sum(1).mean().item()
    return log_px_z.mean() - max(rate, floor)
""",
    ),
    Planted(
        "ex-12-floor",
        GRADIENT,
        "under the floor the nats are free",
        """
def free_sum(log_px_z, kl, floor):
    rate = kl.sum(1).mean()
    return log_px_z.mean() - rate - (floor - rate.detach()).clamp(min=0)
""",
    ),
    Planted(
        "ex-12-back",
        WATER,
        "wherever it stands",
        """
def verdict(rate, eigenvalues, left, s, beta):
    if rate > 0.1:
        return "alive"
    if eigenvalues[0] <= s**2:
        return "noise"
    if eigenvalues[0] <= beta * s**2:
        return "beta"
    return "decoder" if left[0] <= beta * s**2 else "training"
""",
    ),
    Planted(
        "ex-12-batch",
        LOW,
        "adds up the codes",
        LOG_Q
        + """
def information_bounds(mu, logvar, z):
    low, high = low_and_high(log_q(mu, logvar, z))
    return low.sum(), high.mean()
""",
    ),
    Planted(
        "ex-12-batch",
        FAR,
        "infinite or not a number",
        # one top for all codes, which is far above the others of any code
        """
def information_bounds(mu, logvar, z):
    table = torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).log_prob(z[:, None]).sum(-1)
    n, top, own = len(mu), table.max(), table.diagonal()
    w = torch.exp(table - top)
    others = w.sum(1) - w.diagonal()
    low = own - top - torch.log(w.mean(1))
    return low.mean(), (own - top - torch.log(others / (n - 1))).mean()
""",
    ),
)
