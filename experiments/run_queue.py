"""The queue of measured runs: what is outstanding, and `make gpu`, which does it.

    python experiments/run_queue.py            run all that is outstanding, shortest first
    python experiments/run_queue.py --list     show the queue
    python experiments/run_queue.py --write    write the tables of README.md and book/results.md

Each run is resumable and takes at most 10 minutes on a GPU.  A failed run is reported and the
next one goes on.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from vae_lib import load_result, manifest
from vae_lib.artifacts import RUNS

HERE = Path(__file__).parent
README = HERE / "README.md"
RESULTS = HERE.parent / "book" / "results.md"
BEGIN, END = "<!-- queue: begin -->", "<!-- queue: end -->"


class Run(NamedTuple):
    """One row of the queue; minutes are an estimate for the device, the manifest has the truth."""

    name: str
    command: str
    feeds: str
    minutes: dict


def trainings(script, names, minutes):
    """A queue row for each {name: what it feeds} that a training script takes as its argument."""
    return [Run(n, f"experiments/{script} {n}", feeds, minutes) for n, feeds in names.items()]


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
]


def status(run):
    """'in, on DEVICE, SECONDS' where the result is stored, else 'outstanding'."""
    entry = manifest().get(run.name)
    if entry is None and (RUNS / f"{run.name}.json").exists():
        entry = load_result(run.name)
    return f"in, on {entry['device']}, {entry['seconds']:.0f} s" if entry else "outstanding"


def table():
    """The queue as a Markdown table."""
    rows = ["| run | command | feeds | minutes (cpu / cuda) | result |", "|---|---|---|---|---|"]
    for run in QUEUE:
        minutes = f"{run.minutes['cpu']} / {run.minutes['cuda']}"
        rows.append(
            f"| {run.name} | `python {run.command}` | {run.feeds} | {minutes} | {status(run)} |"
        )
    return "\n".join(rows)


def number(summary, places=2):
    """Mean and sd with a true minus, kept on one line."""
    mean, sd = summary["mean"], summary["sd"]
    return f"{mean:.{places}f}\u00a0±\u00a0{sd:.{places}f}".replace("-", "−")


def results_table():
    """What the stored runs measured, as a Markdown table for the book."""
    rows = [
        "| run | test ELBO | log p(x given z) | KL | epochs | seconds | on |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in sorted(manifest().items()):
        if "test" not in entry["metrics"]:
            continue  # the classifier
        test = entry["metrics"]["test"]
        cells = [number(test["value"]), number(test["log_px_z"]), f"{test['kl']['mean']:.2f}"]
        if entry["model"]["kind"] == "autoencoder":
            cells[0] = cells[2] = "–"
        threads = f"{entry['threads']} thread{'s' * (entry['threads'] > 1)}"
        rows.append(
            f"| {name} | {' | '.join(cells)} | {entry['config']['epochs']} "
            f"| {entry['seconds']:.0f} | {entry['device']}, {threads} |"
        )
    return "\n".join(rows)


def comparison_table():
    """Every score of chapter 9, mean and sd over seeds, as a Markdown table for the book."""
    models = load_result("comparison")["models"]
    names = ["cae_j2", "vae_j2", "cae_j20", "vae_j20"]
    rows = [f"| score | {' | '.join(names)} |", "|---|---|---|---|---|"]
    for group, scores in models[names[0]].items():
        for score in scores:
            entries = [models[name][group][score] for name in names]
            places = 3 if min(abs(entry["mean"]) for entry in entries) < 1 else 2
            cells = [number(entry, places) for entry in entries]
            label = f"{group}: {score}".replace("_", " ")
            rows.append(f"| {label} | {' | '.join(cells)} |")
    return "\n".join(rows)


def pages():
    """The files that hold generated tables, and their text as it should be now."""
    result = {}
    parts = {README: [table()], RESULTS: [results_table(), comparison_table()]}
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
    outstanding = [run for run in QUEUE if status(run) == "outstanding"]
    failed = 0
    for run in sorted(outstanding, key=lambda r: r.minutes["cuda"]):
        print(f"== {run.name}: python {run.command}", flush=True)
        command = [sys.executable, *run.command.split(), *extra]
        failed += subprocess.run(command, cwd=HERE.parent).returncode != 0
    write_tables()
    print(f"{len(outstanding)} outstanding, {failed} failed")
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
