"""The exercises of a notebook: task, stub, folded solution, check, in that order.

    markdown    ```{exercise} Title (2 points, 15 minutes)    with `:label: ex-03-name`
    code        tag `exercise`: one function, its docstring, `raise NotImplementedError`
    markdown    ````{solution-start} ex-03-name
    code        tag `solution`: the function; any further cells of the solution
    markdown    ````{solution-end}
    code        tag `check`: check("ex-03-name", function)

The questions behind the checks stand in `vae_lib.checks`; a problem set's are named set-a-name.
"""

import ast
import re
from dataclasses import dataclass

from nb_source import tags

TASK = re.compile(r"(?m)^[`~:]{3,}\{exercise\}[ \t]*(.*)$")
LABEL = re.compile(r"(?m)^:label:[ \t]*(\S+)[ \t]*$")
START = re.compile(r"(?m)^[`~:]{3,}\{solution-start\}[ \t]*(\S*)")
END = re.compile(r"(?m)^[`~:]{3,}\{solution-end\}")
OWN_TAGS = {"exercise", "solution", "check"}


@dataclass(frozen=True)
class Exercise:
    """One exercise; task, stub, first, last (of the solution) and check are indices of cells."""

    label: str
    title: str
    function: str
    task: int
    stub: int
    first: int
    last: int
    check: int

    @property
    def solution(self):
        """The indices of the cells that a student copy lacks."""
        return range(self.first, self.last + 1)


# -- reading --------------------------------------------------------------------------------------


def read_exercises(nb):
    """(exercises, findings): what is laid out as it must be, and what is not."""
    cells, found, wrong, taken = nb.cells, [], [], set()
    for index, cell in enumerate(cells):
        if cell.cell_type != "markdown" or not (task := TASK.search(cell.source)):
            continue
        try:
            found.append(_read_one(cells, index, task))
            taken.update(range(index, found[-1].check + 1))
        except ValueError as error:
            wrong.append(f"cell {index + 1}: {error}")
    for index, cell in enumerate(cells) if not wrong else ():
        mine = OWN_TAGS & set(tags(cell))
        gate = cell.cell_type == "markdown" and (
            START.search(cell.source) or END.search(cell.source)
        )
        if (mine or gate) and index not in taken:
            what = f"tagged `{min(mine)}`" if mine else "a solution"
            wrong.append(f"cell {index + 1}: {what}, but part of no exercise")
    return found, wrong


def _read_one(cells, at, task):
    label = LABEL.search(cells[at].source)
    if label is None or len(TASK.findall(cells[at].source)) > 1:
        raise ValueError("a task cell holds one {exercise} with a `:label:` line")
    label = label[1]
    stub = _expect(cells, at + 1, "exercise", f"{label}: the stub, a code cell tagged `exercise`,")
    function = _stub_function(stub.source, label)
    first = last = at + 2
    gate = START.search(_markdown(cells, first))
    if gate is None or gate[1] != label:
        raise ValueError(f"{label}: {{solution-start}} {label} must follow the stub")
    while not END.search(_markdown(cells, last)):
        last += 1
        if last == len(cells) or TASK.search(_markdown(cells, last)):
            raise ValueError(f"{label}: {{solution-end}} is missing")
        if cells[last].cell_type == "code" and "solution" not in tags(cells[last]):
            raise ValueError(f"{label}: cell {last + 1} stands in the solution without its tag")
    answers = [c for c in cells[first:last] if c.cell_type == "code"]
    if not answers or not _defines(answers[0].source, function):
        raise ValueError(
            f"{label}: the first cell of the solution must define "
            f"{function.name}({_signature(function)})"
        )
    check = _expect(cells, last + 1, "check", f"{label}: a code cell tagged `check`")
    call = f'check("{label}", {function.name})'
    if check.source.strip() != call:
        raise ValueError(f"{label}: cell {last + 2} must be exactly {call}")
    return Exercise(label, task[1].strip(), function.name, at, at + 1, first, last, last + 1)


def _expect(cells, at, tag, what):
    here = cells[at] if at < len(cells) else None
    if here is None or here.cell_type != "code" or tag not in tags(here):
        raise ValueError(f"{what} must stand in cell {at + 1}")
    return here


def _markdown(cells, at):
    return cells[at].source if at < len(cells) and cells[at].cell_type == "markdown" else ""


def _stub_function(source, label):
    """The function of a stub. Raises ValueError where the cell holds anything else."""
    body = _parsed(source)
    function = body[0] if len(body) == 1 and isinstance(body[0], ast.FunctionDef) else None
    rest = function.body[1:] if function and ast.get_docstring(function) else []
    if [ast.unparse(node) for node in rest] != ["raise NotImplementedError"]:
        raise ValueError(
            f"{label}: a stub is one function with a docstring and `raise NotImplementedError`"
        )
    return function


def _defines(source, stub):
    same = [n for n in _parsed(source) if isinstance(n, ast.FunctionDef) and n.name == stub.name]
    return len(same) == 1 and _signature(same[0]) == _signature(stub)


def _signature(function):
    """The arguments as text, annotations left out."""
    arguments = ast.parse(ast.unparse(function)).body[0].args
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(arguments)


def _parsed(source):
    try:
        return ast.parse(source).body
    except SyntaxError:
        return []
