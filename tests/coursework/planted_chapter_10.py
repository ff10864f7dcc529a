"""Wrong answers to the exercises of chapter 10."""

from planting import Planted

THREE = "three draws, any weights"
MIX = """
def mix_as_draw(z, weights):
    mixed = sum(w * one for w, one in zip(weights, z))
    return {out}
"""

CENTRE, WIDTHS = "round proposals: the centre turns", "long proposals: the widths"
TURN = """
def turned_proposal(mu, logvar, R):
    precision = torch.exp(-logvar) @ R.square().T
    return {mu}, {logvar}
"""

TOGETHER, SIZES = "codes that vary together", "classes of different sizes"
READER = """
def reader_step(codes, has):
    one, zero = codes[has], codes[~has]
    d = one.mean(0) - zero.mean(0)
    within = {within}
    step = {step}
    return step{length}
"""
POOLED = "(torch.cov(one.T, correction=0) * len(one) + torch.cov(zero.T, correction=0) * len(zero))"
SOLVE, LENGTH = "torch.linalg.solve(within, d)", " * d.norm() / step.norm()"

SAME, LARGER = "two shelves of one size", "a larger shelf of training images"
THIEF = """
def thief_score(x, train, test):
    to_train, to_test = torch.cdist(x, train), torch.cdist(x, test)
    nearer = to_train.{of} < to_test.{of}
    return nearer.float().mean() - {chance}
"""
EVEN = "len(train) / (len(train) + len(test))"

CLOUD, OUT = "a wide cloud of codes", "codes very far out"
RINGS = """
def ring_visits(z, n):
    r = z.norm(dim=1)
    u = {u}
    ring = (u * n).long(){clamp}
    return torch.bincount(ring, minlength=n){share}
"""
RINGS_RIGHT = {
    "u": "1 - torch.exp(-(r**2) / 2)",
    "clamp": ".clamp(max=n - 1)",
    "share": " * n / len(z)",
}


def rings(**changes):
    return RINGS.format(**(RINGS_RIGHT | changes))


PLANTED = (
    Planted("ex-10-three", THREE, "another variance", MIX.format(out="mixed")),
    Planted("ex-10-three", THREE, "equal weights alone", MIX.format(out="mixed * len(z) ** 0.5")),
    Planted("ex-10-three", THREE, "squares count", MIX.format(out="mixed / weights.sum()")),
    Planted("ex-10-three", THREE, "take its root", MIX.format(out="mixed / (weights**2).sum()")),
    Planted(
        "ex-10-three",
        THREE,
        "lengths of draws differ",
        MIX.format(out="mixed / mixed.norm(dim=1, keepdim=True) * z.shape[2] ** 0.5"),
    ),
    Planted(
        "ex-10-turn", CENTRE, "turned back", TURN.format(mu="mu @ R", logvar="-precision.log()")
    ),
    Planted(
        "ex-10-turn",
        WIDTHS,
        "variances of the turned q",
        TURN.format(mu="mu @ R.T", logvar="(logvar.exp() @ R.square().T).log()"),
    ),
    Planted("ex-10-turn", WIDTHS, "the widths stay", TURN.format(mu="mu @ R.T", logvar="logvar")),
    Planted(
        "ex-10-turn",
        WIDTHS,
        "do not turn like codes",
        TURN.format(mu="mu @ R.T", logvar="logvar @ R.T"),
    ),
    Planted(
        "ex-10-turn",
        WIDTHS,
        "widths are turned back",
        TURN.format(mu="mu @ R.T", logvar="-(torch.exp(-logvar) @ R.square()).log()"),
    ),
    Planted(
        "ex-10-turn", WIDTHS, "log-precisions", TURN.format(mu="mu @ R.T", logvar="precision.log()")
    ),
    Planted(
        "ex-10-probe",
        TOGETHER,
        "only the variances",
        READER.format(within=POOLED, step="d / within.diagonal()", length=LENGTH),
    ),
    Planted(
        "ex-10-probe",
        TOGETHER,
        "this is the guide",
        READER.format(within=POOLED, step="d", length=""),
    ),
    Planted(
        "ex-10-probe",
        TOGETHER,
        "plays down",
        READER.format(within=POOLED, step="within @ d", length=LENGTH),
    ),
    Planted(
        "ex-10-probe",
        TOGETHER,
        "as long as",
        READER.format(within=POOLED + " / len(codes)", step=SOLVE, length=""),
    ),
    Planted(
        "ex-10-probe",
        SIZES,
        "larger class counts more",
        READER.format(within="torch.cov(one.T) + torch.cov(zero.T)", step=SOLVE, length=LENGTH),
    ),
    Planted("ex-10-thief", SAME, "near one image", THIEF.format(of="mean(1)", chance=EVEN)),
    Planted("ex-10-thief", LARGER, "not one half", THIEF.format(of="amin(1)", chance="0.5")),
    Planted("ex-10-thief", SAME, "not taken off", THIEF.format(of="amin(1)", chance="0")),
    Planted("ex-10-rings", CLOUD, "has a half", rings(u="1 - torch.exp(-(r**2))")),
    Planted("ex-10-rings", CLOUD, "not that of one", rings(u="2 * torch.special.ndtr(r) - 1")),
    Planted("ex-10-rings", CLOUD, "from outside", rings(u="torch.exp(-(r**2) / 2)")),
    Planted("ex-10-rings", CLOUD, "equally wide", rings(u="r / r.max()")),
    Planted("ex-10-rings", CLOUD, "these are counts", rings(share="")),
    Planted("ex-10-rings", OUT, "beyond the last ring", rings(clamp="")),
)
