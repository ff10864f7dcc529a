"""The student copies: every notebook with exercises, without the solutions, as plain Markdown.

    python book/tools/student.py            write notebooks/student/
    python book/tools/student.py 03 set_a   only these
    python book/tools/student.py --check    compare without writing; exit 1 where one differs

A copy is generated, never edited: task, stub and check stay, everything from the start of a
solution to its end goes, and so do outputs, execution counts and stamps.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from address import place_setup_cell
from equations import displays
from nb_coursework import CHAPTER, intro, orphan_findings
from nb_exercises import LABEL, TASK, read_exercises
from nb_normalise import normalise
from nb_source import tags
from nb_text import dump_notebook, notebook_files, read_notebook, write_whole
from plain_book import Book, prefix_of
from plain_inline import left_over
from plain_markdown import plain_markdown

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path("notebooks") / "student"
KEPT_TAGS = ("setup", "exercise", "check", "raises-exception")
HEADER = (
    "*Student copy of [{name}]({page}), without its solutions. Write your work in place of each "
    "`raise NotImplementedError`; the check below it says how far you are. In Colab, first save "
    "a copy of your own (File, Save a copy in Drive). This file is generated: it is replaced "
    "whenever the book changes.*"
)


def copies(root, names=()):
    """{path: bytes} of the student copies of the notebooks that have exercises.

    Raises ValueError, which names notebook and cell, for anything that cannot be copied.
    """
    book, made = Book(root), {}
    for path in notebook_files(root, names):
        nb = read_notebook(path)
        if any("exercise" in tags(cell) for cell in nb.cells):
            target = Path(root) / FOLDER / path.name
            made[target] = dump_notebook(student_copy(nb, book, path.stem))
    return made


def student_copy(nb, book, stem):
    """The student copy of one notebook."""
    exercises, found = read_exercises(nb)
    found += orphan_findings(nb, exercises)
    if found:
        raise ValueError(f"{stem}: {found[0]}")
    removed = {index for one in exercises for index in one.solution}
    kept = [(i, cell) for i, cell in enumerate(nb.cells) if i not in removed]
    held = held_labels(cell for _, cell in kept)
    copy = nbformat.v4.new_notebook()
    for index, cell in kept:
        try:
            new = _code(cell) if cell.cell_type == "code" else _text(cell, book, held, stem)
        except ValueError as error:
            raise ValueError(f"{stem}: cell {index + 1}: {error}") from None
        if new.source:
            copy.cells.append(new)
    _place_header(copy, book, stem)
    return normalise(place_setup_cell(copy, book.root), book.root)


def held_labels(cells):
    """The labels of the equations and exercises that stand in some cells."""
    texts = [cell.source for cell in cells if cell.cell_type == "markdown"]
    equations = {label for text in texts for _, label in displays(text) if label}
    return equations | {LABEL.search(text)[1] for text in texts if TASK.search(text)}


def _code(cell):
    kept = [tag for tag in KEPT_TAGS if tag in tags(cell)]
    return nbformat.v4.new_code_cell(cell.source, metadata={"tags": kept} if kept else {})


def _text(cell, book, held, stem):
    """A Markdown cell without MyST; the pointer to this very copy goes."""
    words = intro(book.address, stem)
    source = cell.source.replace(words, words[: words.index(" The [student copy]")])
    text = plain_markdown(source, book, held)
    if left := left_over(text):
        raise ValueError(f"no rule turns '{left}' into Markdown")
    return nbformat.v4.new_markdown_cell(text)


def _place_header(copy, book, stem):
    """Say under the title what this is."""
    kind = "chapter" if CHAPTER.match(stem) else "problem set"
    page = book.page(f"notebooks/{stem}")
    words = HEADER.format(name=f"{kind} {prefix_of(stem)}", page=page)
    title, _, rest = copy.cells[0].source.partition("\n")
    if not re.match(r"# \S", title):
        raise ValueError(f"{stem}: cell 1: the first line must be the title")
    copy.cells[0].source = f"{title}\n\n{words}\n\n{rest.strip()}".rstrip()


# -- the command ----------------------------------------------------------------------------------


def differences(root, names=()):
    """Which committed copies are not what would be made, and which have no notebook."""
    made, folder = copies(root, names), Path(root) / FOLDER
    found = [
        f"{path.relative_to(root)} is out of step: run `make student`"
        for path, content in made.items()
        if not path.is_file() or path.read_bytes() != content
    ]
    strange = set(folder.glob("*")) - made.keys() if not names else set()
    return found + [
        f"{path.relative_to(root)} belongs to no notebook with exercises: delete it"
        for path in sorted(strange)
        if path.name != ".ipynb_checkpoints"
    ]


def write(root, names=()):
    """Write the copies that changed; all are made before the first is written."""
    for path, content in copies(root, names).items():
        if not path.is_file() or path.read_bytes() != content:
            write_whole(path, content)
            print(path.relative_to(root))


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="the start of a file's name")
    parser.add_argument("--check", action="store_true", help="compare without writing")
    options = parser.parse_args(arguments)
    try:
        if not options.check:
            write(ROOT, options.names)
        found = differences(ROOT, options.names)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for finding in found:
        print(finding, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
