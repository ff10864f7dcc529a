"""The queue of measured runs: what is outstanding, and `make gpu`, which does it.

    python experiments/run_queue.py            run all that is outstanding, shortest first
    python experiments/run_queue.py --list     show the queue
    python experiments/run_queue.py --write    write the tables of README.md and book/results.md

Each run is resumable and takes at most 10 minutes on the device named.  A failed run is reported
and the next one goes on.
"""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from vae_lib import manifest

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


QUEUE = [
    Run(name, f"experiments/train_all.py {name}", feeds, {"cpu": 8, "cuda": 1})
    for name, feeds in (
        ("cae_j2", "chapter 7, its latent plane"),
        ("cae_j20", "chapter 7, against PCA"),
        ("vae_j2", "chapter 8, its latent plane"),
        ("vae_j20", "chapter 8, its ladder"),
    )
]


def status(run):
    """'in, on DEVICE, SECONDS' where the manifest holds the run, else 'outstanding'."""
    entry = manifest().get(run.name)
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


def number(summary):
    """Mean and sd with a true minus, kept on one line."""
    return f"{summary['mean']:.2f}\u00a0±\u00a0{summary['sd']:.2f}".replace("-", "−")


def results_table():
    """What the stored runs measured, as a Markdown table for the book."""
    rows = [
        "| run | test ELBO | log p(x given z) | KL | epochs | seconds | on |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, entry in sorted(manifest().items()):
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


def pages():
    """The files that hold generated tables, and their text as it should be now."""
    result = {}
    for path, text in ((README, table()), (RESULTS, results_table())):
        before, rest = path.read_text(encoding="utf-8").split(BEGIN)
        after = rest.split(END)[1]
        result[path] = f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
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
