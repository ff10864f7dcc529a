"""Wrong answers to problem set A."""

from planting import Planted

# What an answer to a later question stands on, written rightly.
CORE = """
import torch.nn.functional as F

def bernoulli_log_prob(x, logits):
    return (x * F.logsigmoid(logits) + (1 - x) * F.logsigmoid(-logits)).flatten(1).sum(1)

def gaussian_kl(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu ** 2 - torch.exp(logvar), dim=1)

def reparameterize(mu, logvar):
    std = torch.exp(logvar / 2)
    return mu + std * torch.randn(mu.shape)
"""
GOOD_ELBO = (
    CORE
    + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
"""
)

COINS, FAR = "five images, by their logits", "logits near 200 cost their 200 nats"
BELLS, SHARED = "five images, a log-variance for every pixel", "one log-variance for all pixels"
KL, SLOPE, SMALL = (
    "the KL of four images",
    "its gradient in mu and logvar",
    "a log-variance of -240",
)
COORDINATES = "shift and scale of three latents"
PATH, SPREAD = "the gradients in mu and logvar", "the spread of 1500 draws"
TABLE, ZEROS = "log p(x), ELBO and gap of five codes", "a q that leaves a code out"
TERMS = "the KL, and how the terms fit"
DRAWN = "the reconstruction term, over many draws"
REACHES = "the gradient reaches the encoder"
FIRST, FOUR = "the loss before the first step", "the losses of four steps downhill"
UNEVEN = "three batches of 7, 4 and 1 images"

DENSITIES = (
    Planted(
        "set-a-bernoulli",
        COINS,
        "mean over the pixels",
        """
def bernoulli_log_prob(x, logits):
    import torch.nn.functional as F
    cost = F.binary_cross_entropy_with_logits(logits, x, reduction="none")
    return -cost.reshape(len(x), -1).mean(dim=1)
""",
    ),
    Planted(
        "set-a-bernoulli",
        COINS,
        "turn the sign",
        """
def bernoulli_log_prob(x, logits):
    import torch.nn.functional as F
    return F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum((1, 2, 3))
""",
    ),
    Planted(
        "set-a-bernoulli",
        COINS,
        "the sigmoid is applied twice",
        """
def bernoulli_log_prob(x, logits):
    import torch.nn.functional as F
    p = torch.sigmoid(logits)
    return -F.binary_cross_entropy_with_logits(p, x, reduction="none").flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-bernoulli",
        COINS,
        "the pixels that are off are left out",
        """
def bernoulli_log_prob(x, logits):
    import torch.nn.functional as F
    return (x * F.logsigmoid(logits)).flatten(1).sum(1)
""",
    ),
    # only at moderate logits: the naive form with a guard against log 0 that stands too early
    Planted(
        "set-a-bernoulli",
        COINS,
        "where",
        """
def bernoulli_log_prob(x, logits):
    s = (2 * x - 1) * logits
    return torch.where(s > 0, -torch.exp(-s), s).flatten(1).sum(1) \\
        if s.abs().max() < 100 else -torch.nn.functional.softplus(-s).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-bernoulli",
        FAR,
        "a clamp at -100",
        """
def bernoulli_log_prob(x, logits):
    import torch.nn.functional as F
    p = torch.sigmoid(logits.double())
    p = torch.where(logits.double() < -100, torch.zeros_like(p), p)
    return -F.binary_cross_entropy(p, x.double(), reduction="none").flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-bernoulli",
        FAR,
        "infinite or not a number",
        """
def bernoulli_log_prob(x, logits):
    p = torch.sigmoid(logits)
    return (x * p.log() + (1 - x) * (1 - p).log()).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-gaussian",
        BELLS,
        "the constant log 2 pi is missing",
        """
def gaussian_log_prob(x, mu, logvar):
    return -0.5 * (logvar + (x - mu) ** 2 / logvar.exp()).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-gaussian",
        BELLS,
        "divided by sigma, not by sigma squared",
        """
def gaussian_log_prob(x, mu, logvar):
    sigma = torch.exp(0.5 * logvar)
    return -0.5 * (math.log(2 * math.pi) + logvar + (x - mu) ** 2 / sigma).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-gaussian",
        BELLS,
        "logvar is taken for log sigma",
        """
def gaussian_log_prob(x, mu, logvar):
    return torch.distributions.Normal(mu, logvar.exp()).log_prob(x).flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-gaussian",
        BELLS,
        "the half before the square is missing",
        """
def gaussian_log_prob(x, mu, logvar):
    each = -0.5 * math.log(2 * math.pi) - 0.5 * logvar - (x - mu) ** 2 * (-logvar).exp()
    return each.flatten(1).sum(1)
""",
    ),
    Planted(
        "set-a-gaussian",
        BELLS,
        "it raised",
        """
def gaussian_log_prob(x, mu, logvar):
    constant = x[0].numel() * (math.log(2 * math.pi) + float(logvar))
    square = ((x - mu) ** 2).flatten(1).sum(1) / float(logvar.exp())
    return -0.5 * (constant + square)
""",
    ),
    Planted(
        "set-a-gaussian",
        SHARED,
        "counted once",
        """
def gaussian_log_prob(x, mu, logvar):
    square = ((x - mu) ** 2 / logvar.exp()).flatten(1).sum(1)
    constant = x[0].numel() * math.log(2 * math.pi)
    total = logvar.flatten(1).sum(1) if logvar.dim() else logvar
    return -0.5 * (constant + total + square)
""",
    ),
)

CODES = (
    Planted(
        "set-a-kl",
        KL,
        "the half is missing",
        """
def gaussian_kl(mu, logvar):
    return -torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
""",
    ),
    Planted(
        "set-a-kl",
        KL,
        "you averaged over the latents",
        """
def gaussian_kl(mu, logvar):
    return -0.5 * torch.mean(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
""",
    ),
    Planted(
        "set-a-kl",
        KL,
        "logvar is taken for log sigma",
        """
def gaussian_kl(mu, logvar):
    sigma = logvar.exp()
    return (0.5 * (mu ** 2 + sigma ** 2 - 1) - logvar).sum(1)
""",
    ),
    Planted(
        "set-a-kl",
        KL,
        "the bracket is closed too early",
        """
def gaussian_kl(mu, logvar):
    return torch.sum(-0.5 * (1 + logvar) + mu ** 2 + logvar.exp(), 1)
""",
    ),
    Planted(
        "set-a-kl",
        KL,
        "the sign is turned around",
        """
def gaussian_kl(mu, logvar):
    return 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
""",
    ),
    # without the constant, but for batches with a sharp code: the gradient is right throughout
    Planted(
        "set-a-kl",
        KL,
        "where",
        """
def gaussian_kl(mu, logvar):
    kl = 0.5 * (mu ** 2 + logvar.exp() - logvar)
    return (kl - 0.5 * (logvar < -100).any()).sum(1)
""",
    ),
    Planted(
        "set-a-kl",
        SLOPE,
        "no gradient arrives",
        """
def gaussian_kl(mu, logvar):
    mu, logvar = mu.data, logvar.data
    return 0.5 * (mu ** 2 + logvar.exp() - 1 - logvar).sum(1)
""",
    ),
    Planted(
        "set-a-kl",
        SMALL,
        "infinite or not a number",
        """
def gaussian_kl(mu, logvar):
    var = torch.exp(logvar.float())
    return 0.5 * (mu ** 2 + var - 1 - torch.log(var)).sum(1)
""",
    ),
    Planted(
        "set-a-rescale",
        COORDINATES,
        "the squared scale",
        """
def cheapest_coordinates(mu, logvar):
    return mu.mean(0), mu.var(0, unbiased=False) + logvar.exp().mean(0)
""",
    ),
    Planted(
        "set-a-rescale",
        COORDINATES,
        "the width sigma of the codes is missing",
        """
def cheapest_coordinates(mu, logvar):
    centre = mu.mean(dim=0)
    return centre, ((mu - centre) ** 2).mean(dim=0) ** 0.5
""",
    ),
    Planted(
        "set-a-rescale",
        COORDINATES,
        "divided by N - 1",
        """
def cheapest_coordinates(mu, logvar):
    return mu.mean(0), torch.sqrt(mu.var(0) + logvar.exp().mean(0))
""",
    ),
    Planted(
        "set-a-rescale",
        COORDINATES,
        "not yet shifted",
        """
def cheapest_coordinates(mu, logvar):
    return mu.mean(0), torch.sqrt((mu ** 2 + logvar.exp()).mean(0))
""",
    ),
    Planted(
        "set-a-draw",
        PATH,
        "no gradient arrives",
        """
def reparameterize(mu, logvar):
    return torch.distributions.Normal(mu, torch.exp(0.5 * logvar)).sample()
""",
    ),
    Planted(
        "set-a-draw",
        PATH,
        "this is sigma squared",
        """
def reparameterize(mu, logvar):
    return mu + logvar.exp() * torch.randn_like(mu)
""",
    ),
    Planted(
        "set-a-draw",
        SPREAD,
        "the draws spread by sigma squared",
        """
def reparameterize(mu, logvar):
    return mu + logvar.exp() * torch.randn_like(mu)
""",
    ),
    Planted(
        "set-a-draw",
        PATH,
        "the log-variance is used as sigma",
        """
def reparameterize(mu, logvar):
    return mu + logvar * torch.randn_like(mu)
""",
    ),
    Planted(
        "set-a-draw",
        PATH,
        "sigma is detached",
        """
def reparameterize(mu, logvar):
    with torch.no_grad():
        noise = torch.exp(0.5 * logvar) * torch.randn_like(mu)
    return mu + noise
""",
    ),
    Planted(
        "set-a-draw",
        SPREAD,
        "one noise for the whole batch",
        """
def reparameterize(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn(mu.shape[1])
""",
    ),
    Planted(
        "set-a-draw",
        SPREAD,
        "share their noise",
        """
def reparameterize(mu, logvar):
    return mu + torch.exp(0.5 * logvar) * torch.randn(len(mu), 1)
""",
    ),
    Planted(
        "set-a-draw",
        SPREAD,
        "not Gaussian",
        """
def reparameterize(mu, logvar):
    eps = (torch.rand_like(mu) - 0.5) * math.sqrt(12)
    return mu + torch.exp(0.5 * logvar) * eps
""",
    ),
    Planted(
        "set-a-draw",
        SPREAD,
        "two calls give the same draws",
        """
def reparameterize(mu, logvar):
    torch.manual_seed(0)
    return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
""",
    ),
)

BOUND = (
    Planted(
        "set-a-identity",
        TABLE,
        "this is the KL to the prior",
        """
def split_evidence(prior, likelihood, q):
    joint = prior * likelihood
    elbo = (torch.xlogy(q, joint) - torch.xlogy(q, q)).sum()
    gap = (torch.xlogy(q, q) - torch.xlogy(q, prior)).sum()
    return joint.sum().log(), elbo, gap
""",
    ),
    Planted(
        "set-a-identity",
        TABLE,
        "the two are swapped",
        """
def split_evidence(prior, likelihood, q):
    joint = prior * likelihood
    post = joint / joint.sum()
    elbo = (torch.xlogy(q, joint) - torch.xlogy(q, q)).sum()
    gap = (post * (post / q).log()).sum()
    return joint.sum().log(), elbo, gap
""",
    ),
    Planted(
        "set-a-identity",
        TABLE,
        "the reconstruction term alone",
        """
def split_evidence(prior, likelihood, q):
    joint = prior * likelihood
    post = joint / joint.sum()
    gap = (torch.xlogy(q, q) - torch.xlogy(q, post)).sum()
    return joint.sum().log(), (q * likelihood.log()).sum(), gap
""",
    ),
    # blind where q is positive: it rescues a q with zeros by leaving the term away everywhere
    Planted(
        "set-a-identity",
        TABLE,
        "where",
        """
def split_evidence(prior, likelihood, q):
    joint = prior * likelihood
    entropy = -torch.xlogy(q, q).sum() if (q == 0).any() else -q.log().mean()
    elbo = (q * joint.log()).sum() + entropy
    return joint.sum().log(), elbo, joint.sum().log() - elbo
""",
    ),
    Planted(
        "set-a-identity",
        ZEROS,
        "infinite or not a number",
        """
def split_evidence(prior, likelihood, q):
    joint = prior * likelihood
    post = joint / joint.sum()
    return joint.sum().log(), (q * (joint / q).log()).sum(), (q * (q / post).log()).sum()
""",
    ),
    Planted(
        "set-a-elbo",
        TERMS,
        "this is the loss",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar)
    return kl - rec, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        TERMS,
        "the KL is added",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar)
    return rec + kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        TERMS,
        "the third number, the KL",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar) / mu.shape[1]
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        TERMS,
        "value, log_px_z and kl of every image",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar)
    return (rec - kl).mean(), rec.mean(), kl.mean()
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "the mean code is decoded",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(mu))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "one noise for the whole batch",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn(1, mu.shape[1])
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "you averaged over the pixels",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar))) / x.shape[1]
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        REACHES,
        "the draw is detached",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = reparameterize(mu, logvar).detach()
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        REACHES,
        "sigma is detached",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + torch.exp(0.5 * logvar).detach() * torch.randn_like(mu)
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        REACHES,
        "sigma is detached",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + (torch.normal(mu, logvar.exp().sqrt()) - mu).detach()
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "the variance, not sigma",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + logvar.exp() * torch.randn_like(mu)
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "half of exp(logvar) is not",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + 0.5 * torch.exp(logvar) * torch.randn_like(mu)
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "the log-variance is used as sigma",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + logvar * torch.randn_like(mu)
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        DRAWN,
        "share their noise",
        CORE
        + """
def elbo(model, x):
    mu, logvar = model.encode(x)
    z = mu + torch.exp(0.5 * logvar) * torch.randn(len(mu), 1)
    rec = bernoulli_log_prob(x, model.decode(z))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
    Planted(
        "set-a-elbo",
        REACHES,
        "no gradient arrives",
        CORE
        + """
@torch.no_grad()
def elbo(model, x):
    mu, logvar = model.encode(x)
    rec = bernoulli_log_prob(x, model.decode(reparameterize(mu, logvar)))
    kl = gaussian_kl(mu, logvar)
    return rec - kl, rec, kl
""",
    ),
)

TRAINING = (
    Planted(
        "set-a-train",
        FIRST,
        "note it before",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    best = torch.optim.SGD(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        best.zero_grad()
        (-elbo(model, x)[0].mean()).backward()
        best.step()
        losses.append((-elbo(model, x)[0].mean()).item())
    return losses
""",
    ),
    Planted(
        "set-a-train",
        FIRST,
        "minus the reconstruction term",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    best = torch.optim.SGD(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        value, rec, kl = elbo(model, x)
        best.zero_grad()
        (-rec.mean()).backward()
        best.step()
        losses.append(-rec.mean().item())
    return losses
""",
    ),
    # one step alone is reported wrongly: the loop over several is right
    Planted(
        "set-a-train",
        FIRST,
        "expected",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    best = torch.optim.SGD(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        loss = -elbo(model, x)[0].mean()
        best.zero_grad()
        loss.backward()
        best.step()
        losses.append(loss.item())
    return losses if steps > 1 else losses[0]
""",
    ),
    Planted(
        "set-a-train",
        FOUR,
        "the gradients pile up",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    best = torch.optim.SGD(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        loss = -elbo(model, x)[0].mean()
        loss.backward()
        best.step()
        losses.append(loss.item())
    return losses
""",
    ),
    Planted(
        "set-a-train",
        FOUR,
        "uphill",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    losses = []
    for _ in range(steps):
        loss = -elbo(model, x)[0].mean()
        for p, g in zip(model.parameters(), torch.autograd.grad(loss, list(model.parameters()))):
            p.data += lr * g
        losses.append(loss.item())
    return losses
""",
    ),
    Planted(
        "set-a-train",
        FOUR,
        "summed over the batch",
        GOOD_ELBO
        + """
def train(model, x, lr, steps):
    best = torch.optim.SGD(model.parameters(), lr)
    losses = []
    for _ in range(steps):
        loss = -elbo(model, x)[0].sum()
        best.zero_grad()
        loss.backward()
        best.step()
        losses.append(loss.item())
    return losses
""",
    ),
    Planted(
        "set-a-evaluate",
        UNEVEN,
        "the mean of the batch means",
        GOOD_ELBO
        + """
def evaluate(model, batches):
    return sum(elbo(model, x)[0].mean().item() for x in batches) / len(batches)
""",
    ),
    Planted(
        "set-a-evaluate",
        UNEVEN,
        "divided by the number of images",
        GOOD_ELBO
        + """
def evaluate(model, batches):
    total = sum(elbo(model, x)[0].mean().item() for x in batches)
    return total / sum(len(x) for x in batches)
""",
    ),
    Planted(
        "set-a-evaluate",
        UNEVEN,
        "nats per pixel",
        GOOD_ELBO
        + """
def evaluate(model, batches):
    x = torch.cat(batches)
    return elbo(model, x)[0].sum().item() / x.numel()
""",
    ),
    Planted(
        "set-a-evaluate",
        UNEVEN,
        "only the last batch",
        GOOD_ELBO
        + """
def evaluate(model, batches):
    for x in batches:
        value = elbo(model, x)[0].mean().item()
    return value
""",
    ),
)

PLANTED = DENSITIES + CODES + BOUND + TRAINING
