"""The reference answers: the solution cells of the committed notebooks, as readers see them."""

import ast
import functools
from pathlib import Path

import nbformat
from planting import load

from vae_lib.checks import find_question
from vae_lib.grade.extract import needed, statements
from vae_lib.grade.marking import reference_source

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def notebook_of(name):
    """The master notebook in which the exercise of that name stands."""
    parts = name.split("-")
    pattern = f"{parts[1]}_*.ipynb" if parts[0] == "ex" else f"{'_'.join(parts[:2])}_*.ipynb"
    (path,) = NOTEBOOKS.glob(pattern)
    return path


@functools.cache
def _read(path):
    return nbformat.read(path, as_version=4)


def solution_source(name):
    """The source of the reference answer: its solution cells, what they import, and `uses`."""
    cells = _read(notebook_of(name)).cells
    here = next(
        i
        for i, c in enumerate(cells)
        if c.cell_type == "markdown" and f":label: {name}\n" in c.source
    )
    own = []
    for cell in cells[here:]:
        if "check" in cell.metadata.get("tags", []):
            break
        if "solution" in cell.metadata.get("tags", []):
            own.append(cell.source)
    everything = [cell.source for cell in cells if cell.cell_type == "code"]
    question = find_question(name)
    given = [reference_source(where) for where in question.uses.values()]
    imports = [n for n in statements(everything) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return "\n".join([*given, needed(imports + statements(own), [question.function])])


@functools.cache
def reference(name):
    """The reference answer, as a function."""
    return load(solution_source(name), find_question(name).function)


@functools.cache
def stub(name):
    """The stub of an exercise, as a function."""
    cells = _read(notebook_of(name)).cells
    function = find_question(name).function
    for cell in cells:
        if "exercise" in cell.metadata.get("tags", []) and f"def {function}(" in cell.source:
            return load(cell.source, function)
    raise LookupError(f"{name} has no stub")
