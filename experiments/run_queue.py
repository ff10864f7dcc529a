"""The queue of measured runs: what is outstanding, and `make gpu`, which does it.

    python experiments/run_queue.py            run all that is outstanding, shortest first
    python experiments/run_queue.py --list     show the queue
    python experiments/run_queue.py --write    write the tables of README.md and book/results.md

Each run is resumable and takes at most 10 minutes on a GPU.  A failed run is reported and the
next one goes on.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import tables
import torch

from vae_lib import manifest
from vae_lib.artifacts import RUNS

HERE = Path(__file__).parent
README = HERE / "README.md"
RESULTS = HERE / "results"
PAGE = HERE.parent / "book" / "results.md"
BEGIN, END = "<!-- queue: begin -->", "<!-- queue: end -->"


class Run(NamedTuple):
    """One row of the queue.  minutes: {device: an estimate}, for the devices that can do it."""

    name: str
    command: str
    feeds: str
    minutes: dict
    takes_data: bool = True  # --data, the folder of the full set; else the embedded images do


def trainings(script, names, minutes):
    """A queue row for each {name: what it feeds} that a training script takes as its argument."""
    return [Run(n, f"experiments/{script} {n}", feeds, minutes) for n, feeds in names.items()]


IWAE_TABLES = {
    "mnist_1": "chapter 13: the published table",
    "mnist_2": "chapter 13: the published table",
    "fashion_1": "chapter 13: its Fashion-MNIST table",
    "fashion_2": "results: Fashion-MNIST, two layers",
    "fashion_grey_1": "results: grey pixels",
    "fashion_gaussian_1": "results: grey pixels",
}
QUEUE = [
    *trainings(
        "train_all.py",
        {
            "cae_j2": "chapters 7, 9: its latent plane",
            "cae_j20": "chapters 7, 9: against PCA and VAE",
            "vae_j2": "chapters 8 to 10: its latent plane",
            "vae_j20": "chapters 8 to 10",
            "cae_plane": "the explorer",
            "vae_plane": "the explorer",
        },
        {"cpu": 8, "cuda": 1},
    ),
    *trainings(
        "train_beta.py",
        {f"beta_{beta}": "chapter 4: the slider" for beta in ("0.25", "1", "4", "16", "40", "100")},
        {"cpu": 1, "cuda": 1},
    ),
    Run(
        "classifier",
        "experiments/train_classifier.py",
        "chapters 9, 10: the scores of images",
        {"cpu": 10, "cuda": 1},
    ),
    Run("comparison", "experiments/compare.py", "chapter 9: its table", {"cpu": 90, "cuda": 10}),
    Run("seeds", "experiments/seeds.py", "results: spread over seeds", {"cpu": 60, "cuda": 10}),
    Run("ladder_cpu", "experiments/ladder.py", "chapter 11: its CPU column", {"cpu": 10}, False),
    Run("ladder_h200", "experiments/ladder.py", "chapter 11: its GPU column", {"cuda": 10}, False),
    *trainings(
        "sweeps.py",
        {
            "beta_sweep": "chapter 12: its rate-distortion curve",
            "latent_sweep": "chapter 12: how many latents",
        },
        {"cpu": 30, "cuda": 5},
    ),
    Run("iwae_j2", "experiments/train_iwae.py", "chapter 13: ten weights", {"cpu": 5, "cuda": 1}),
    Run("bounds", "experiments/bounds.py", "chapter 13: its gaps", {"cpu": 60, "cuda": 10}, False),
    *[
        Run(
            f"iwae_{table}_reduced",
            f"experiments/iwae_table.py {table} --reduced",
            "chapter 13: the ordering of its table",
            {"cpu": 15},
        )
        for table in ("mnist_1", "mnist_2", "fashion_1")
    ],
    *[
        Run(f"iwae_{table}", f"experiments/iwae_table.py {table}", feeds, {"cuda": 10})
        for table, feeds in IWAE_TABLES.items()
    ],
    Run("speedrun", "experiments/speedrun.py", "results, chapter 11: the race", {"cuda": 10}),
]


def status(run):
    """'in, on DEVICE, SECONDS' where the result is stored, else 'outstanding'.

    A result of several parts names those that are missing under "outstanding".
    """
    entry = manifest().get(run.name) or stored(run.name)
    if not entry or entry.get("outstanding"):
        return "outstanding"
    return f"in, on {entry['device']}, {entry['seconds']:.0f} s"


def stored(name):
    """The JSON that a run left beside the library, if a chapter loads it, or in results/."""
    paths = [folder / f"{name}.json" for folder in (RUNS, RESULTS)]
    return next((json.loads(path.read_text()) for path in paths if path.exists()), None)


def table():
    """The queue as a Markdown table."""
    rows = ["| run | command | feeds | minutes (cpu / cuda) | result |", "|---|---|---|---|---|"]
    for run in QUEUE:
        minutes = " / ".join(str(run.minutes.get(device, "–")) for device in ("cpu", "cuda"))
        rows.append(
            f"| {run.name} | `python {run.command}` | {run.feeds} | {minutes} | {status(run)} |"
        )
    return "\n".join(rows)


def pages():
    """The files that hold generated tables, and their text as it should be now."""
    result = {}
    parts = {README: [table()], PAGE: tables.of_the_results_page(stored)}
    for path, texts in parts.items():
        pieces = path.read_text(encoding="utf-8").split(BEGIN)
        for i, text in enumerate(texts, start=1):
            pieces[i] = f"\n\n{text}\n\n{END}{pieces[i].split(END)[1]}"
        result[path] = BEGIN.join(pieces)
    return result


def write_tables():
    """Bring the generated tables up to date."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def run_all(extra):
    """Run what is outstanding, shortest first; returns the number that failed."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    outstanding = [run for run in QUEUE if status(run) == "outstanding"]
    possible = [run for run in outstanding if device in run.minutes]
    failed = 0
    for run in sorted(possible, key=lambda r: r.minutes[device]):
        print(f"== {run.name}: python {run.command}", flush=True)
        command = [sys.executable, *run.command.split(), *(extra if run.takes_data else [])]
        failed += subprocess.run(command, cwd=HERE.parent).returncode != 0
    write_tables()
    for run in outstanding:
        if run not in possible:
            print(f"{run.name}: needs {' or '.join(run.minutes)}, left out")
    print(f"{len(possible)} run on {device}, {failed} failed")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="show the queue and stop")
    parser.add_argument("--write", action="store_true", help="write the tables and stop")
    args, extra = parser.parse_known_args()
    if args.list:
        print(table())
    elif args.write:
        write_tables()
    else:
        sys.exit(run_all(extra) > 0)


if __name__ == "__main__":
    main()
