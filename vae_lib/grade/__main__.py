"""python -m vae_lib.grade SET SUBMISSIONS --roster R.csv --out grades.csv"""

import argparse
import os
import signal
import sys
from pathlib import Path

import torch

from .bubblewrap import NoSandbox
from .exam import Unusable
from .grading import ReferenceFails, grade
from .sandbox import ChildFailed, Limits

EPILOG = """\
submissions: a folder of notebooks (or of folders with one notebook each), named after the
student's id: 4711.ipynb, 4711_anything.ipynb, name_4711_123_anything.ipynb (the first part
between underscores that is an id).  Where a student has several, the notebook modified last
counts.  Whatever cannot be read gets 0 points and a remark.

roster: a CSV file with the header student,name.

interrupted: the same command goes on where it stopped (grades.csv.partial).

exit status: 0 every submission has its row; 2 something given cannot be used; 3 bubblewrap does
not work; 4 the reference answers do not earn full marks; 130 interrupted."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="python -m vae_lib.grade",
        description="Grade a folder of notebooks in a sandbox.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("set", help="the problem set (set_a), a chapter (chapter_03), or a file of questions")
    add("submissions", type=Path, help="the folder of what was handed in")
    add("--roster", type=Path, required=True, help="CSV with the header student,name")
    add("--out", type=Path, required=True, help="the CSV file to write")
    add("--gradescope", type=Path, help="results.json of one submission, or a folder for all")
    add("--seed", type=int, default=0, help="of the random inputs; keep it secret (default 0)")
    add("--private", type=Path, help="a folder with hidden questions under the set's file name")
    add("--reference", type=Path, help="the reference notebook (default: the repository's)")
    add("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="default: one a core")
    add(
        "--seconds",
        type=float,
        default=Limits.seconds,
        help="for a question; three times as many for a notebook (default 10)",
    )
    add("--unsandboxed", action="store_true", help="no bubblewrap: only what you trust yourself")
    return parser.parse_args(arguments)


def _say(text):
    print(text, file=sys.stderr, flush=True)


def main(arguments=None):
    """Grade; returns the exit status."""
    given = parse(arguments)
    torch.set_num_threads(1)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if given.unsandboxed:
        _say("warning: --unsandboxed, the submissions' code runs with all your rights")
    try:
        grade(given, _say)
    except (Unusable, ChildFailed, OSError) as error:
        _say(f"error: {error}")
        return 2
    except NoSandbox as error:
        _say(f"error: {error}")
        return 3
    except ReferenceFails as error:
        _say(f"error: {error}")
        return 4
    except KeyboardInterrupt:
        _say("interrupted; the same command goes on from here")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
