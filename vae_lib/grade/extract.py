"""What of a notebook belongs to an answer: read with `ast`, nothing is executed.

A submission may train models, plot and print.  Of all this the grader runs only the imports,
definitions and assignments that the asked functions use, directly or through others.
"""

import ast
import builtins
import json
import symtable
import warnings
from pathlib import Path

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
TOO_MUCH = (SyntaxError, ValueError, RecursionError, MemoryError)


def cell_sources(path):
    """The code cells of a notebook file, as text.  Raises ValueError where it is no notebook."""
    try:
        return cells_of(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"{Path(path).name} is not a notebook that can be read") from error


def cells_of(text):
    """The code cells of a notebook, given its JSON.  Raises ValueError where it is none."""
    try:
        cells = json.loads(text)["cells"]
        code = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
        return ["".join(source) for source in code]
    except (KeyError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError("not a notebook") from error


def statements(sources):
    """The top-level statements of code cells; a cell that does not parse is left out."""
    found = []
    for source in sources:
        try:
            found += _parse(source)
        except TOO_MUCH:
            continue
    return found


def faulty(sources, name):
    """Why no definition of `name` was found: the fault of a cell that holds one, or ""."""
    for source in sources:
        try:
            _parse(source)
        except SyntaxError as error:
            if f"def {name}(" in source:
                return f"its cell has a syntax error in line {error.lineno}: {error.msg}"
        except TOO_MUCH as error:
            if f"def {name}(" in source:
                return f"its cell cannot be parsed ({type(error).__name__})"
    return ""


def _parse(source):
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.split("\n")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape sequence is no business of ours
        return ast.parse("\n".join(lines)).body


def needed(body, names):
    """Source of what `names` need: their definitions and, of the names these use, every
    top-level import, definition and assignment, in order.  "" where none of `names` is bound.

    body: the statements of a notebook, from `statements`.  Of a function that is defined more
    than once the last definition counts, as after running the notebook from its top.
    """
    last = {node.name: node for node in body if isinstance(node, DEFINITIONS)}
    live = [node for node in body if not isinstance(node, DEFINITIONS) or last[node.name] is node]
    by_name = {}
    for node in live:
        for name in binds(node):
            by_name.setdefault(name, []).append(node)
    wanted, kept = set(), {node for node in live if _always(node)}
    waiting = {name for name in names if name in by_name}
    if not waiting:
        return ""
    while waiting:
        name = waiting.pop()
        wanted.add(name)
        for node in by_name.get(name, ()):
            if node not in kept:
                kept.add(node)
                waiting |= uses(node) - wanted
    first = [node for node in live if _future(node)]
    rest = [node for node in live if node in kept and not _future(node)]
    return "\n".join(ast.unparse(node) for node in first + rest)


def binds(node):
    """The names that an import, definition or assignment binds at the top level."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, IMPORTS):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    if not isinstance(node, ASSIGNMENTS):
        return set()
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return {n.id for target in targets for n in ast.walk(target) if isinstance(n, ast.Name)}


def bound(source):
    """The names that a source text binds at the top level."""
    return {name for node in statements([source]) for name in binds(node)}


def uses(node):
    """The global names that a statement, or a body of them, reads; Python's own are left out.

    Arguments and variables of a function are its own, whatever else the notebook calls so.
    """
    try:
        top = symtable.symtable(ast.unparse(node), "<answer>", "exec")
    except TOO_MUCH:
        return set()
    return _globals(top, top=True) - set(dir(builtins))


def _globals(table, top=False):
    """The global names that a scope and the scopes inside it read or write."""
    symbols = table.get_symbols()
    own = {s.get_name() for s in symbols if s.is_global() or (top and s.is_referenced())}
    return own.union(*(_globals(child) for child in table.get_children()))


def without(body, names):
    """The statements that bind none of `names`."""
    return [node for node in body if not binds(node) & set(names)]


def _future(node):
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _always(node):
    """Star imports: nobody can see which names they bind."""
    return isinstance(node, IMPORTS) and any(alias.name == "*" for alias in node.names)
