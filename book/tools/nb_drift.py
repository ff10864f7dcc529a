"""The notebook is the lesson, the library is the result, and they cannot drift.

A code cell whose first line is `# lib: vae_lib.module:Name, Other` shows the library's own
definitions: equal code, docstrings and annotations apart, and the next code cell asserts it.
Any other cell must not define a name that `vae_lib` makes public.
"""

import ast
import difflib
import re
from pathlib import Path

from nb_source import PACKAGE, canonical, code_cells, python_source, tags, without_docstring

MARKER = re.compile(r"# lib:\s*(vae_lib\.\w+)\s*:\s*(\w+(?:\s*,\s*\w+)*)\s*$")
OWN_WORK = {"exercise", "solution"}


def is_lib_cell(cell):
    """Whether the cell shows a library definition."""
    return cell.source.startswith("# lib:")


def drift_findings(nb, root):
    """Definitions that differ from the library's, unproved ones, and redefined public names."""
    package = Path(root) / PACKAGE
    public = public_names(package)
    numbers = {id(cell): number for number, cell in enumerate(nb.cells, 1)}
    cells = code_cells(nb)
    found = []
    for position, cell in enumerate(cells):
        where = f"cell {numbers[id(cell)]}"
        if is_lib_cell(cell):
            following = cells[position + 1] if position + 1 < len(cells) else None
            here = _lib_cell_findings(cell, package) + _redefinitions(cell, public - shown(cell))
            if following is None or not _asserts(following):
                here.append("the next code cell must prove it with an `assert` against the import")
        elif not OWN_WORK & set(tags(cell)):
            here = _redefinitions(cell, public)
            if re.search(r"(?m)^\s*# lib:", cell.source):
                here.append("the `# lib:` marker must be the cell's first line")
        else:
            here = []
        found += [f"{where}: {finding}" for finding in here]
    return found


def shown(cell):
    """The names that the cell's marker says it shows."""
    marker = MARKER.match(cell.source.splitlines()[0])
    return {name.strip() for name in marker[2].split(",")} if marker else set()


def _lib_cell_findings(cell, package):
    marker = MARKER.match(cell.source.splitlines()[0])
    if marker is None:
        return ["the marker is not of the form `# lib: vae_lib.module:Name, Other`"]
    module = marker[1]
    file = package / f"{module.split('.')[1]}.py"
    if not file.is_file():
        return [f"there is no module {module}"]
    library, notebook = definitions(file.read_text(encoding="utf-8")), definitions(cell.source)
    found = []
    for name in sorted(shown(cell)):
        if name not in library:
            found.append(f"{module} defines no {name}")
        elif name not in notebook:
            found.append(f"the cell does not define {name}, which its marker names")
        elif canonical(library[name], False) != canonical(notebook[name], False):
            diff = unified_diff(library[name], notebook[name], module)
            found.append(f"{name} differs from {module}: make both the same\n{diff}")
    return found


def definitions(source):
    """{name: tree} of what a source defines at its top level."""
    found = {}
    for node in ast.parse(python_source(source)).body:
        for name in _bound_names(node):
            found[name] = node
    return found


def public_names(package):
    """`vae_lib.__all__`, read without importing."""
    init = definitions((package / "__init__.py").read_text(encoding="utf-8"))
    return set(ast.literal_eval(init["__all__"].value)) if "__all__" in init else set()


def _redefinitions(cell, public):
    found = []
    try:
        tree = ast.parse(python_source(cell.source))
    except SyntaxError:
        return found
    names = {name for node in _top_level(tree) for name in _bound_names(node)}
    for name in sorted(names & public):
        found.append(
            f"redefines {name}, a public name of {PACKAGE}: import it, choose another name, "
            f"or mark the cell `# lib: {PACKAGE}.module:{name}`"
        )
    return found


def _top_level(tree):
    """The nodes that bind names in the notebook itself, not inside a function or class."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        yield node
        inner = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
        comprehensions = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
        if not isinstance(node, inner + comprehensions):
            waiting.extend(ast.iter_child_nodes(node))


def _bound_names(node):
    """The names that one node defines, imports (from elsewhere than vae_lib) or assigns."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Import):
        return [a.asname or a.name.split(".")[0] for a in node.names]
    if isinstance(node, ast.ImportFrom):
        same = (node.module or "").split(".")[0] == PACKAGE
        own = [a for a in node.names if same and a.asname in (None, a.name)]
        return [a.asname or a.name for a in node.names if a not in own]
    single = [getattr(node, "target", None), getattr(node, "optional_vars", None)]
    targets = getattr(node, "targets", single)
    names = [n for target in targets if target is not None for n in ast.walk(target)]
    return [n.id for n in names if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]


def _asserts(cell):
    try:
        tree = ast.parse(python_source(cell.source))
    except SyntaxError:
        return False
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    named = [getattr(f, "attr", getattr(f, "id", "")).startswith("assert_") for f in calls]
    return any(named) or any(isinstance(node, ast.Assert) for node in ast.walk(tree))


# -- showing a difference -------------------------------------------------------------------------


def unified_diff(library, notebook, module):
    """A diff of the two definitions without docstrings, annotations and comments."""
    texts = [ast.unparse(_bare(tree)).splitlines() for tree in (library, notebook)]
    lines = difflib.unified_diff(*texts, fromfile=module, tofile="notebook", lineterm="")
    return "\n".join(f"    {line}" for line in lines)


class _Strip(ast.NodeTransformer):
    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(getattr(node, "body", None), list):
            node.body = without_docstring(node.body)
        if hasattr(node, "returns"):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        return node


def _bare(tree):
    return _Strip().visit(ast.parse(ast.unparse(tree)))
