"""The tables of iwae_table.py for the results page: ours beside the published, Markdown."""

import torch

from vae_lib import load_result

HEADS = {
    "mnist_1": "MNIST, one stochastic layer",
    "mnist_2": "MNIST, two stochastic layers",
    "fashion_1": "Fashion-MNIST, one stochastic layer",
    "fashion_2": "Fashion-MNIST, two stochastic layers",
    "fashion_grey_1": "Fashion-MNIST in grey, continuous Bernoulli",
    "fashion_gaussian_1": "Fashion-MNIST in grey, Gaussian with a learned sigma",
}
KINDS = {
    "stochastic": "stochastic",
    "fixed": "fixed",
    "fashion": "stochastic",
    "grey": "none",
    "gaussian": "none",
}

PAIRS = [  # the published order, from the bottom
    (("vae", 5), ("vae", 1)),
    (("vae", 50), ("vae", 5)),
    (("iwae", 5), ("vae", 50)),
    (("iwae", 50), ("iwae", 5)),
]


def rows_of(block, published, stored, command):
    """One row for each objective; at k = 1 one for both."""
    known = published.get(f"{block.kind}_{block.layers}", {})
    for objective in block.objectives:
        theirs = known.get(objective, {}).get(str(block.k))
        name = objective.upper() if block.k > 1 else "VAE = IWAE"
        cells = [name, str(block.k), KINDS[block.kind], f"−{theirs:.2f}" if theirs else ""]
        cells += measured(stored, objective) if stored else ["", "", "", command]
        yield f"| {' | '.join(cells)} |"


def measured(stored, objective):
    """The cells of one objective of a stored block."""
    score, plan = stored["scores"][objective], stored["plan"]
    log_px = score["log_px"]
    spread = "" if log_px["sd"] is None else f"\u00a0±\u00a0{log_px['sd']:.2f}"
    seconds = stored["start_seconds"] + stored["seconds"]
    epochs = (
        f"{plan['start_epochs']} + {plan['epochs']}" if plan["start_epochs"] else plan["epochs"]
    )
    return [
        f"{log_px['mean']:.2f}{spread}".replace("-", "−"),
        ", ".join("+".join(map(str, layers)) for layers in score["active"]),
        f"{plan['seeds']} / {epochs} / {plan['test_images']:,}",
        f"{seconds:,.0f} s, {stored['device']}",
    ]


def table(name, blocks, result, reduced=False):
    """One table; result is what the script stored, or None.  blocks: all that it should hold."""
    command = f"`python experiments/iwae_table.py {name}{' --reduced' * reduced}`"
    rows = [
        f"| {HEADS[name]}{', reduced' * reduced} | k | binarisation | published log p(x) | ours "
        "| active units, each seed | seeds / epochs / test images | training |",
        "|---|---|---|---|---|---|---|---|",
    ]
    published = {} if reduced else load_result("iwae_published")
    for block in sorted(blocks, key=lambda block: block.kind, reverse=True):
        rows += rows_of(
            block, published, (result or {"blocks": {}})["blocks"].get(block.name), command
        )
    return "\n".join(rows)


def gains(result):
    """What one objective has over another, image by image: mean and standard error, one line."""
    scores = {
        (objective, block["k"]): torch.tensor(score["log_px"]["images"])
        for block in result["blocks"].values()
        for objective, score in block["scores"].items()
    }
    scores["vae", 1] = scores["iwae", 1]
    parts = []
    for better, worse in PAIRS:
        gain = scores[better] - scores[worse]
        error = gain.std().item() / len(gain) ** 0.5
        names = " over ".join(f"{o.upper()} {k}" for o, k in (better, worse))
        parts.append(f"{names} {gain.mean():.2f}\u00a0±\u00a0{error:.2f}".replace("-", "−"))
    cpu = sum(block["cpu_seconds"] for block in result["blocks"].values())
    return (
        f"In pairs, image by image, ± standard error: {'; '.join(parts)}. "
        f"The whole took {cpu:.0f} CPU-seconds."
    )


def tables(stored, blocks_of):
    """All of them, the reduced ones that were run first; stored(name) is a result or None."""
    parts = []
    for name in HEADS:
        result = stored(f"iwae_{name}_reduced")
        if result:
            parts.append(table(name, blocks_of(name, reduced=True), result, reduced=True))
            parts.append(gains(result))
    parts += [table(name, blocks_of(name), stored(f"iwae_{name}")) for name in HEADS]
    return "\n\n".join(parts)
