"""Wrong answers to problem set B."""

from planting import Planted

PART, BALANCE, SEED = (
    "every image is in one part",
    "as many of every class",
    "the seed decides, and nothing else",
)
TRAIN, TEST, DEAD = (
    "the training images",
    "the test images",
    "a pixel that never changed in training",
)
COINS, PAIRS = (
    "five images, by their logits",
    "each of four images under each of three codes, logits near 150",
)
FEW, FAR = "four images, six codes", "images of thousands of nats"
MEAN, COV, NEW = (
    "the mean of 4000 draws",
    "the covariance of 4000 draws",
    "new draws at every call",
)
FULL, FLAT = "features that vary together", "features that do not vary in every direction"
GAP, IMAGES, RUNS = "the difference", "its error over the images", "its error over the runs"
BETTER, NAN = "who is better", "one run, so no error is known"

# What an answer to set-b-evidence stands on, written rightly.
COUNTS = """
def binomial_log_prob(counts, logits):
    n = torch.tensor(16.0)
    ways = torch.lgamma(n + 1) - torch.lgamma(counts + 1) - torch.lgamma(n - counts + 1)
    plain = counts * torch.nn.functional.logsigmoid(logits)
    plain = plain + (16 - counts) * torch.nn.functional.logsigmoid(-logits)
    return (ways + plain).sum(-1)
"""

DATA = (
    Planted(
        "set-b-split",
        PART,
        "stands in both parts",
        """
def split(labels, per_class, seed):
    g = torch.Generator().manual_seed(seed)
    test = []
    for c in sorted(set(labels.tolist())):
        where = (labels == c).nonzero().flatten()
        test += where[torch.randperm(len(where), generator=g)][:per_class].tolist()
    return torch.arange(len(labels)), torch.tensor(test)
""",
    ),
    Planted(
        "set-b-split",
        PART,
        "no image may be lost",
        """
def split(labels, per_class, seed):
    g = torch.Generator().manual_seed(seed)
    train, test = [], []
    for c in sorted(set(labels.tolist())):
        where = (labels == c).nonzero().flatten()
        where = where[torch.randperm(len(where), generator=g)]
        test.append(where[:per_class])
        train.append(where[per_class:2 * per_class])
    return torch.cat(train), torch.cat(test)
""",
    ),
    Planted(
        "set-b-split",
        BALANCE,
        "of each",
        """
def split(labels, per_class, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    n = per_class * len(labels.unique())
    return order[n:], order[:n]
""",
    ),
    Planted(
        "set-b-split",
        BALANCE,
        "the other way round",
        """
def split(labels, per_class, seed):
    g = torch.Generator().manual_seed(seed)
    train, test = [], []
    for c in labels.unique():
        where = torch.where(labels == c)[0]
        where = where[torch.randperm(len(where), generator=g)]
        test.append(where[:per_class])
        train.append(where[per_class:])
    return torch.cat(test), torch.cat(train)
""",
    ),
    Planted(
        "set-b-split",
        SEED,
        "the same seed gives two splits",
        """
def split(labels, per_class, seed):
    train, test = [], []
    for c in labels.unique():
        where = torch.where(labels == c)[0]
        where = where[torch.randperm(len(where))]
        test.append(where[:per_class])
        train.append(where[per_class:])
    return torch.cat(train), torch.cat(test)
""",
    ),
    Planted(
        "set-b-split",
        SEED,
        "another seed gives the same split",
        """
def split(labels, per_class, seed):
    train, test, seen = [], [], {}
    for i, c in enumerate(labels.tolist()):
        seen[c] = seen.get(c, 0) + 1
        (test if seen[c] <= per_class else train).append(i)
    return train, test
""",
    ),
    Planted(
        "set-b-inputs",
        TRAIN,
        "the mean is not subtracted",
        """
def standardize(train, test):
    m, s = train.mean(0), train.std(0, unbiased=False)
    s[s == 0] = 1
    return train / s, (test - m) / s
""",
    ),
    Planted(
        "set-b-inputs",
        TRAIN,
        "a mean and a spread of its own",
        """
def standardize(train, test):
    m, s = train.mean(0), train.std(0, unbiased=False)
    s[s == 0] = 1
    return (train - train.mean()) / train.std(unbiased=False), (test - m) / s
""",
    ),
    Planted(
        "set-b-inputs",
        TEST,
        "that is a leak",
        """
def standardize(train, test):
    everything = torch.cat([train, test])
    m, s = everything.mean(0), everything.std(0, unbiased=False)
    s = torch.where(s == 0, torch.ones_like(s), s)
    return (train - m) / s, (test - m) / s
""",
    ),
    Planted(
        "set-b-inputs",
        TEST,
        "one map for both parts",
        """
def standardize(train, test):
    def scale(x):
        s = x.std(0, unbiased=False)
        return (x - x.mean(0)) / torch.where(s == 0, torch.ones_like(s), s)

    return scale(train), scale(test)
""",
    ),
    Planted(
        "set-b-inputs",
        TEST,
        "by N, not by N - 1",
        """
def standardize(train, test):
    m, s, slip = train.mean(0), train.std(0, unbiased=False), train.std(0)
    one = torch.ones_like(s)
    s, slip = torch.where(s == 0, one, s), torch.where(s == 0, one, slip)
    return (train - m) / s, (test - m) / slip
""",
    ),
    Planted(
        "set-b-inputs",
        DEAD,
        "you divide by it",
        """
def standardize(train, test):
    m, s = train.mean(0), train.std(0, unbiased=False)
    return (train - m) / s, (test - m) / s
""",
    ),
    Planted(
        "set-b-inputs",
        DEAD,
        "blows the pixel up",
        """
def standardize(train, test):
    m, s = train.mean(0), train.std(0, unbiased=False)
    s = s.clamp(min=1e-6)
    return (train - m) / s, (test - m) / s
""",
    ),
    Planted(
        "set-b-inputs",
        DEAD,
        "do not wipe it out",
        """
def standardize(train, test):
    m, s = train.mean(0), train.std(0, unbiased=False)
    alive = (s > 0).to(train)
    s = s + (1 - alive)
    return alive * (train - m) / s, alive * (test - m) / s
""",
    ),
)

NATS = (
    Planted(
        "set-b-counts",
        COINS,
        "the number of ways is missing",
        """
def binomial_log_prob(counts, logits):
    on = torch.nn.functional.logsigmoid(logits)
    off = torch.nn.functional.logsigmoid(-logits)
    return (counts * on + (16 - counts) * off).sum(-1)
""",
    ),
    Planted(
        "set-b-counts",
        COINS,
        "one coin a pixel",
        """
def binomial_log_prob(counts, logits):
    grey, logits = torch.broadcast_tensors(counts / 16, logits)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, grey, reduction="none")
    return -loss.sum(-1)
""",
    ),
    Planted(
        "set-b-counts",
        COINS,
        "mean over the pixels",
        COUNTS.replace(".sum(-1)", ".mean(-1)"),
    ),
    Planted(
        "set-b-counts",
        COINS,
        "there are 16 coins, not 17",
        COUNTS.replace("16.0", "17.0").replace("(16 -", "(17 -"),
    ),
    Planted(
        "set-b-counts",
        COINS,
        "it gives",
        # an approximation that is right where the coins are sure, and at no other place
        """
def binomial_log_prob(counts, logits):
    ways = torch.lgamma(torch.tensor(17.0)) - torch.lgamma(counts + 1) - torch.lgamma(17 - counts)
    return (ways + counts * logits - 16 * logits.clamp(min=0)).sum(-1)
""",
    ),
    Planted(
        "set-b-counts",
        PAIRS,
        "is expected",
        """
def binomial_log_prob(counts, logits):
    p = torch.nn.functional.logsigmoid
    ways = torch.lgamma(torch.tensor(17.0)) - torch.lgamma(counts + 1) - torch.lgamma(17 - counts)
    return (ways + counts * p(logits) + (16 - counts) * p(-logits)).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-b-counts",
        PAIRS,
        "breaks down at large logits",
        """
def binomial_log_prob(counts, logits):
    p = torch.sigmoid(logits)
    ways = torch.lgamma(torch.tensor(17.0)) - torch.lgamma(counts + 1) - torch.lgamma(17 - counts)
    return (ways + counts * torch.log(p) + (16 - counts) * torch.log(1 - p)).sum(-1)
""",
    ),
    Planted(
        "set-b-evidence",
        FEW,
        "log M is missing",
        COUNTS
        + """
def log_evidence(decode, counts, z):
    return torch.logsumexp(binomial_log_prob(counts[None], decode(z)[:, None, :]), dim=0)
""",
    ),
    Planted(
        "set-b-evidence",
        FEW,
        "mean of the logarithms",
        COUNTS
        + """
def log_evidence(decode, counts, z):
    return binomial_log_prob(counts[None], decode(z)[:, None, :]).mean(dim=0)
""",
    ),
    Planted(
        "set-b-evidence",
        FEW,
        "averages over the images",
        COUNTS
        + """
def log_evidence(decode, counts, z):
    table = binomial_log_prob(counts[None], decode(z)[:, None, :])
    return torch.logsumexp(table, dim=1) - math.log(table.shape[1])
""",
    ),
    Planted(
        "set-b-evidence",
        FAR,
        "underflow",
        COUNTS
        + """
def log_evidence(decode, counts, z):
    return binomial_log_prob(counts[None], decode(z)[:, None, :]).double().exp().mean(0).log()
""",
    ),
)

SAMPLES = (
    Planted(
        "set-b-draw",
        MEAN,
        "the mean of the codes is not added",
        """
def draw_codes(codes, n):
    cov = torch.cov(codes.T)
    return torch.randn(n, codes.shape[1]) @ torch.linalg.cholesky(cov).T
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "the wrong side",
        """
def draw_codes(codes, n):
    cov = torch.cov(codes.T)
    return codes.mean(0) + torch.randn(n, codes.shape[1]) @ torch.linalg.cholesky(cov)
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "the covariances are left out",
        """
def draw_codes(codes, n):
    return codes.mean(0) + codes.std(0) * torch.randn(n, codes.shape[1])
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "as its own root",
        """
def draw_codes(codes, n):
    return codes.mean(0) + torch.randn(n, codes.shape[1]) @ torch.cov(codes.T)
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "share one noise",
        """
def draw_codes(codes, n):
    return codes.mean(0) + codes.std(0) * torch.randn(n, 1)
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "this is N(mean, I)",
        """
def draw_codes(codes, n):
    return codes.mean(0) + torch.randn(n, codes.shape[1])
""",
    ),
    Planted(
        "set-b-draw",
        NEW,
        "no seed belongs inside",
        """
def draw_codes(codes, n):
    torch.manual_seed(0)
    return torch.distributions.MultivariateNormal(codes.mean(0), torch.cov(codes.T)).sample((n,))
""",
    ),
    Planted(
        "set-b-draw",
        NEW,
        "training codes drawn again",
        """
def draw_codes(codes, n):
    return codes[torch.randint(len(codes), (n,))]
""",
    ),
    Planted(
        "set-b-frechet",
        FULL,
        "features vary together",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    gap = (mean_a - mean_b).square().sum()
    return gap + (cov_a.diag().sqrt() - cov_b.diag().sqrt()).square().sum()
""",
    ),
    Planted(
        "set-b-frechet",
        FULL,
        "roots of its entries",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    root = torch.sqrt((cov_a @ cov_b).clamp(min=0))
    return ((mean_a - mean_b) ** 2).sum() + torch.trace(cov_a + cov_b - 2 * root)
""",
    ),
    Planted(
        "set-b-frechet",
        FULL,
        "the cross term counts twice",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    e = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0)
    return ((mean_a - mean_b) ** 2).sum() + torch.trace(cov_a + cov_b) - e.sqrt().sum()
""",
    ),
    Planted(
        "set-b-frechet",
        FULL,
        "the two traces are missing",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    e = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0)
    return ((mean_a - mean_b) ** 2).sum() - 2 * e.sqrt().sum()
""",
    ),
    Planted(
        "set-b-frechet",
        FLAT,
        "it raised",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    L = torch.linalg.cholesky(cov_a)
    e = torch.linalg.eigvalsh(L.T @ cov_b @ L)
    return ((mean_a - mean_b) ** 2).sum() + torch.trace(cov_a + cov_b) - 2 * e.sqrt().sum()
""",
    ),
)

RIGHT_PAIR = """
def paired(a, b):
    d = a - b
    images = d.mean(dim=0)
    runs = d.mean(dim=1)
    gap, e, f = d.mean(), images.std() / len(images) ** 0.5, runs.std() / len(runs) ** 0.5
    return gap, e, f
"""
CLAIM = """
def verdict(difference, error, higher_is_better):
    if not abs(difference) > 2 * error:
        return "undecided"
    return "A" if (difference > 0) is higher_is_better else "B"
"""

CLAIMS = (
    Planted("set-b-paired", GAP, "keep it", RIGHT_PAIR.replace("d.mean(),", "d.mean().abs(),")),
    Planted(
        "set-b-paired", GAP, "the sign is turned", RIGHT_PAIR.replace("d.mean(),", "-d.mean(),")
    ),
    Planted(
        "set-b-paired",
        IMAGES,
        "the same images",
        RIGHT_PAIR.replace("images.std() /", "(a.mean(0).var() + b.mean(0).var()).sqrt() /"),
    ),
    Planted(
        "set-b-paired",
        IMAGES,
        "the error of their mean",
        RIGHT_PAIR.replace("images.std() / len(images) ** 0.5", "images.std()"),
    ),
    Planted(
        "set-b-paired",
        IMAGES,
        "runs times images",
        RIGHT_PAIR.replace("images.std() / len(images)", "d.std() / d.numel()"),
    ),
    Planted(
        "set-b-paired",
        RUNS,
        "divide by one less",
        RIGHT_PAIR.replace("runs.std()", "runs.std(unbiased=False)"),
    ),
    Planted(
        "set-b-paired",
        RUNS,
        "share their seeds",
        RIGHT_PAIR.replace("runs.std() /", "(a.mean(1).var() + b.mean(1).var()).sqrt() /"),
    ),
    Planted(
        "set-b-paired",
        RUNS,
        "the errors are averaged",
        RIGHT_PAIR.replace(
            "runs.std() / len(runs) ** 0.5", "(d.std(0) / d.shape[0] ** 0.5).mean()"
        ),
    ),
    Planted(
        "set-b-verdict",
        BETTER,
        "A and B are swapped",
        CLAIM.replace("(difference > 0)", "(difference < 0)"),
    ),
    Planted(
        "set-b-verdict",
        BETTER,
        "higher_is_better is not used",
        CLAIM.replace(" is higher_is_better", ""),
    ),
    Planted(
        "set-b-verdict",
        BETTER,
        "one standard error is too little",
        CLAIM.replace("2 * error", "error"),
    ),
    Planted(
        "set-b-verdict",
        BETTER,
        "hold its size against the error",
        CLAIM.replace("abs(difference) >", "difference >"),
    ),
    Planted(
        "set-b-verdict",
        NAN,
        "no comparison with nan is true",
        CLAIM.replace("not abs(difference) > 2", "abs(difference) <= 2"),
    ),
)

REFEREED = (
    Planted(
        "set-b-split",
        PART,
        "stands twice",
        """
def split(labels, per_class, seed):
    generator, test = torch.Generator().manual_seed(seed), []
    for c in labels.unique():
        (own,) = torch.where(labels == c)
        test.append(own[torch.randint(len(own), (per_class,), generator=generator)])
    test = torch.cat(test)
    everyone = torch.arange(len(labels))
    return everyone[~torch.isin(everyone, test)], test
""",
    ),
    Planted(
        "set-b-split",
        BALANCE,
        "of each",
        """
def split(labels, per_class, seed):
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
    n = per_class * len(labels.unique())
    return order[n:], order[:n]
""",
    ),
    Planted(
        "set-b-inputs",
        DEAD,
        "has a mean: subtract it",
        """
def standardize(train, test):
    mean, spread = train.mean(0), train.std(0, correction=0)
    alive = spread > 0
    spread = torch.where(alive, spread, torch.ones_like(spread))
    return tuple(torch.where(alive, (x - mean) / spread, x) for x in (train, test))
""",
    ),
    Planted(
        "set-b-draw",
        NEW,
        "training codes drawn again",
        """
def draw_codes(codes, n):
    drawn = codes[torch.randint(len(codes), (n,))]
    return drawn + 0.1 * torch.randn(n, codes.shape[1])
""",
    ),
    Planted(
        "set-b-draw",
        COV,
        "take the mean off",
        """
def draw_codes(codes, n):
    L = torch.linalg.cholesky(codes.T @ codes / len(codes))
    return codes.mean(0) + torch.randn(n, codes.shape[1]) @ L.T
""",
    ),
    Planted(
        "set-b-frechet",
        FULL,
        "eigvalsh reads half of it",
        """
def frechet(mean_a, cov_a, mean_b, cov_b):
    cross = torch.linalg.eigvalsh(cov_a @ cov_b).clamp(min=0).sqrt().sum()
    gap = mean_a - mean_b
    return gap @ gap + torch.trace(cov_a) + torch.trace(cov_b) - 2 * cross
""",
    ),
)

PLANTED = DATA + NATS + SAMPLES + CLAIMS + REFEREED
