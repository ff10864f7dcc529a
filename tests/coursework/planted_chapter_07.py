"""Wrong answers to the exercises of chapter 7."""

from planting import Planted

BACK, ROUNDS = "sides that come back", "sides that do not come back"
SHAPES = """
def trace_shapes(image_shape, channels, k):
    C, H, W = image_shape
    c1, c2 = channels
    {down}
    up = lambda n: (n - 1) * 2 - 2 + k
    h, w = down(H), down(W)
    hh, ww = down(h), down(w)
    return {shapes}
"""
RIGHT = "down = lambda n: (n + 2 - k) // 2 + 1"
ALL = "(c1, h, w), (c2, hh, ww), (c1, up(hh), up(ww)), (C, up(up(hh)), up(up(ww)))"

VARY, STUCK = "pixels that vary", "pixels that never change in training"
COST = """
def constant_cost(train, test, eps):
    p = {p}
    log_p = test * p.log() + (1 - test) * (1 - p).log()
    return {out}
"""
SHARE, OUT = "train.mean(0).clamp(eps, 1 - eps)", "-log_p.sum(1).mean()"

STRETCH, SHIFT = "a stretch and a shear", "a rotation and a shift"

PLANTED = (
    Planted(
        "ex-07-colour",
        BACK,
        "height and width are swapped",
        SHAPES.format(
            down=RIGHT,
            shapes="(c1, w, h), (c2, ww, hh), (c1, up(ww), up(hh)), (C, up(up(ww)), up(up(hh)))",
        ),
    ),
    Planted(
        "ex-07-colour",
        BACK,
        "lag by one layer",
        SHAPES.format(
            down=RIGHT,
            shapes="(c1, h, w), (c2, hh, ww), (c2, up(hh), up(ww)), (c1, up(up(hh)), up(up(ww)))",
        ),
    ),
    Planted(
        "ex-07-colour",
        ROUNDS,
        "what the encoder rounded down",
        SHAPES.format(down=RIGHT, shapes="(c1, h, w), (c2, hh, ww), (c1, h, w), (C, H, W)"),
    ),
    Planted(
        "ex-07-colour",
        ROUNDS,
        "lag by one layer",
        SHAPES.format(
            down=RIGHT,
            shapes="(c1, h, w), (c2, hh, ww), (c2, up(hh), up(ww)), (c1, up(up(hh)), up(up(ww)))",
        ),
    ),
    Planted(
        "ex-07-colour",
        ROUNDS,
        "round down, not up",
        SHAPES.format(down="down = lambda n: math.ceil((n + 2 - k) / 2) + 1", shapes=ALL),
    ),
    Planted(
        "ex-07-colour",
        ROUNDS,
        "whatever the kernel",
        """
def trace_shapes(image_shape, channels, k):
    (C, H, W), (c1, c2) = image_shape, channels
    h, w = H // 2, W // 2
    hh, ww = h // 2, w // 2
    return [(c1, h, w), (c2, hh, ww), (c1, 2 * hh, 2 * ww), (C, 4 * hh, 4 * ww)]
""",
    ),
    Planted(
        "ex-07-constant",
        VARY,
        "majority",
        COST.format(p="train.mean(0).round().clamp(eps, 1 - eps)", out=OUT),
    ),
    Planted(
        "ex-07-constant",
        VARY,
        "fitted to the test images",
        COST.format(p="test.mean(0).clamp(eps, 1 - eps)", out=OUT),
    ),
    Planted(
        "ex-07-constant",
        VARY,
        "share one probability",
        COST.format(p="train.mean().clamp(eps, 1 - eps).expand(test.shape[1])", out=OUT),
    ),
    Planted("ex-07-constant", VARY, "averaged too", COST.format(p=SHARE, out="-log_p.mean()")),
    Planted(
        "ex-07-constant",
        STUCK,
        "not moved to eps",
        """
def constant_cost(train, test, eps):
    p = train.mean(0).expand_as(test)
    return torch.nn.functional.binary_cross_entropy(p, test, reduction="none").sum(1).mean()
""",
    ),
    Planted(
        "ex-07-constant",
        STUCK,
        "1 is not moved to 1 - eps",
        """
def constant_cost(train, test, eps):
    p = train.mean(0)
    on, off = torch.log(p.clamp_min(eps)), torch.log((1 - p).clamp_min(eps))
    return -torch.where(test > 0.5, on, off).sum(1).mean()
""",
    ),
    Planted(
        "ex-07-constant",
        STUCK,
        "infinite or not a number",
        COST.format(p="train.mean(0)", out=OUT),
    ),
    Planted(
        "ex-07-rotation",
        STRETCH,
        "undoes rotations alone",
        """
def absorb(weight, bias, A, c):
    new = weight @ A.T
    return new, bias - new @ c
""",
    ),
    Planted(
        "ex-07-rotation",
        STRETCH,
        "applied once more",
        """
def absorb(weight, bias, A, c):
    return weight @ A, bias
""",
    ),
    Planted(
        "ex-07-rotation",
        SHIFT,
        "still reaches the decoder",
        """
def absorb(weight, bias, A, c):
    return weight @ torch.linalg.inv(A), bias
""",
    ),
    Planted(
        "ex-07-rotation",
        SHIFT,
        "the old weight",
        """
def absorb(weight, bias, A, c):
    return weight @ torch.linalg.inv(A), bias - weight @ c
""",
    ),
)
