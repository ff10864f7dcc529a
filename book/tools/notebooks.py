"""Author's tool for the notebooks: edit as text, execute, normalise, stamp, check.

    python book/tools/notebooks.py text 05      notebooks/05_*.ipynb -> _text/05_*.py
    python book/tools/notebooks.py update 05    _text/05_*.py -> executed notebooks/05_*.ipynb
    python book/tools/notebooks.py update --prose 05    the same without executing, code unchanged
    python book/tools/notebooks.py run          execute the committed notebooks again
    python book/tools/notebooks.py check        the static checks; exit 1 where one finds something

A NAME is the start of a file's name; none means all.
"""

import argparse
import sys
import time
from pathlib import Path

from address import place_setup_cell
from nb_checks import findings
from nb_normalise import normalise
from nb_run import CellFailed, execute
from nb_stamp import code_hash, stamp, stamp_findings
from nb_text import (
    dump_notebook,
    from_text,
    notebook_files,
    read_notebook,
    text_files,
    to_text,
    write_whole,
)

ROOT = Path(__file__).resolve().parents[2]
SLOW_SECONDS = 60


def text(root, names=(), force=False):
    """Write the text form of each notebook; keeps a text that is newer and says something else."""
    for path in notebook_files(root, names):
        target = Path(root) / "_text" / f"{path.stem}.py"
        content = to_text(read_notebook(path)).encode("utf-8")
        newer = target.exists() and target.stat().st_mtime > path.stat().st_mtime
        if newer and target.read_bytes() != content and not force:
            raise FileExistsError(
                f"_text/{target.name} is newer than the notebook and differs: "
                "run `update` to take it over, or `text --force` to discard it"
            )
        write_whole(target, content)
        print(f"_text/{target.name}")


def update(root, names=()):
    """Make each notebook from its text: execute, normalise, stamp, and only then write."""
    for path in text_files(root, names):
        _execute_and_write(from_text(path.read_text(encoding="utf-8")), root, path.stem)


def update_prose(root, names=()):
    """Make each notebook from its text with the outputs that are stored; only prose may differ."""
    for path in text_files(root, names):
        target = Path(root) / "notebooks" / f"{path.stem}.ipynb"
        new = place_setup_cell(from_text(path.read_text(encoding="utf-8")), root)
        old = read_notebook(target)
        if code_hash(new) != code_hash(old) or stamp_findings(old, root):
            raise ValueError(f"{path.stem}: code or library changed: run `update` without --prose")
        before = [cell for cell in old.cells if cell.cell_type == "code"]
        after = [cell for cell in new.cells if cell.cell_type == "code"]
        for was, now in zip(before, after, strict=True):
            now.outputs, now.execution_count = was.outputs, was.execution_count
        write_whole(target, dump_notebook(stamp(normalise(new, root), root)))
        print(f"{path.stem}: outputs kept")


def run(root, names=()):
    """Execute each committed notebook again, normalise, stamp and write it."""
    for path in notebook_files(root, names):
        _execute_and_write(read_notebook(path), root, path.stem)


def _execute_and_write(nb, root, stem):
    place_setup_cell(nb, root)
    start = time.perf_counter()
    execute(nb, root, stem)
    seconds = time.perf_counter() - start
    content = dump_notebook(stamp(normalise(nb, root), root))
    write_whole(Path(root) / "notebooks" / f"{stem}.ipynb", content)
    slow = f"  WARNING: over {SLOW_SECONDS} s" if seconds > SLOW_SECONDS else ""
    print(f"{stem}: {seconds:.1f} s{slow}", flush=True)


def check(root, names=()):
    """Print what the static checks find; returns how many findings there are."""
    total = 0
    for path in notebook_files(root, names):
        for finding in findings(path, root):
            print(f"{path.stem}: {finding}")
            total += 1
    return total


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=["text", "update", "run", "check"])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--force", action="store_true", help="text: discard a newer text")
    parser.add_argument("--prose", action="store_true", help="update: keep the stored outputs")
    options = parser.parse_intermixed_args(arguments)
    try:
        if options.command == "text":
            text(ROOT, options.names, options.force)
        elif options.command == "check":
            return 1 if check(ROOT, options.names) else 0
        else:
            make = update_prose if options.prose else update
            (run if options.command == "run" else make)(ROOT, options.names)
    except (CellFailed, FileNotFoundError, FileExistsError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
