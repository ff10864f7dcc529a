"""Seconds of one epoch in each way that `fit` can run, beside the floor; part of speedrun.py.

The nets are those of chapter 8.  The time is the median of five epochs after a first one.  Goals:
at batch 128 under 100 ms, at batch 4096 within 3 times the floor (of the same precision).
"""

import statistics
from functools import partial
from itertools import product

from vae_lib.data import to_unit

from .floor import floor_seconds, work_per_image
from .timing import timed_fit

NETS, BATCH_SIZES, EPOCHS = ("mlp", "conv"), (128, 4096), 6
GOAL_SECONDS, GOAL_FLOORS = {128: 0.1}, {4096: 3.0}
VARIANTS = {
    "eager": {},
    "compile": {"compile": True},
    "CUDA graph": {"cuda_graph": True},
    "compile, CUDA graph": {"compile": True, "cuda_graph": True},
    "bfloat16": {"precision": "bfloat16"},
    "bfloat16, CUDA graph": {"precision": "bfloat16", "cuda_graph": True},
    "bfloat16, compile, CUDA graph": {
        "precision": "bfloat16",
        "compile": True,
        "cuda_graph": True,
    },
}


def epoch_rows(variants, rates, bench):
    """One row for each net, batch size and variant; a variant that fails is a row that says so."""
    rows = []
    for net, batch_size, (name, options) in product(NETS, BATCH_SIZES, variants.items()):
        row = {"net": net, "batch_size": batch_size, "variant": name}
        settings = row | {"options": options, "epochs": EPOCHS}
        part = f"epoch_{net}_{batch_size}_{name}".replace(", ", "_").replace(" ", "_")
        work = partial(time_epochs, net, batch_size, options, bench)
        try:
            row |= bench.kept(part, settings, work)
            row |= against_goals(row, rates, len(bench.images))
        except (RuntimeError, ValueError, ArithmeticError, MemoryError) as error:
            # the other variants are still worth their minutes
            row["failed"] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        print(row_of_table(row), flush=True)
        rows.append(row)
    return rows


def time_epochs(net, batch_size, options, bench):
    """Seconds of each epoch, seconds outside the clock, and what one image costs."""
    options = {**options, "batch_size": batch_size, "epochs": EPOCHS}
    model, history, outside = timed_fit({"net": net}, bench.images, options)
    precision = options.get("precision", "float32")
    device = next(model.parameters()).device
    work = work_per_image(model, to_unit(bench.images[:256].to(device)), precision)
    return {
        "precision": precision,
        "seconds": history["seconds"],
        "outside": outside,
        "per_image": work,
    }


def against_goals(row, rates, n_images):
    """The median epoch, the floor, their ratio, and whether the goal of the batch size is met."""
    median = statistics.median(row["seconds"][1:])
    floor = floor_seconds(row["per_image"], rates, row["precision"], n_images)
    met = median < GOAL_SECONDS.get(row["batch_size"], float("inf"))
    met = met and median / floor <= GOAL_FLOORS.get(row["batch_size"], float("inf"))
    return {"median": median, "floor": floor, "over_floor": median / floor, "goal_met": met}


def epoch_table(rows, command):
    """The rows as a Markdown table; with no rows, empty cells and the command that fills them."""
    head = "| net | batch | variant | epoch, ms | floor, ms | times the floor | goal |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    if rows is None:
        return "\n".join(
            lines
            + [f"| {net} | {batch} | | | | | {command} |" for net in NETS for batch in BATCH_SIZES]
        )
    return "\n".join(lines + [row_of_table(row) for row in rows])


def row_of_table(row):
    """One row in Markdown, also of a variant that failed."""
    cells = [row["net"], row["batch_size"], row["variant"]]
    if "failed" in row:
        cells += ["–", "–", "–", "failed: " + row["failed"].replace("|", "/")]
    else:
        batch, verdict = row["batch_size"], "met" if row["goal_met"] else "missed"
        goal = f"< {1000 * GOAL_SECONDS[batch]:.0f} ms" if batch in GOAL_SECONDS else ""
        goal = goal or f"≤ {GOAL_FLOORS[batch]:.0f} floors"
        cells += [f"{1000 * row['median']:.1f}", f"{1000 * row['floor']:.2f}"]
        cells += [f"{row['over_floor']:.1f}", f"{goal}: {verdict}"]
    return f"| {' | '.join(map(str, cells))} |"
