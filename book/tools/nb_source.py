"""Reading code without running it: notebook cells, the library's modules, one form of a tree."""

import ast
from pathlib import Path

PACKAGE = "vae_lib"


def code_cells(nb):
    """The code cells that hold something."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.source.strip()]


def tags(cell):
    """The tags of a cell."""
    return list(cell.metadata.get("tags", []))


def python_source(source):
    """The cell's source with IPython's magic and shell lines blanked, for `ast.parse`."""
    lines = source.splitlines()
    for i, line in enumerate(lines):
        if line.lstrip().startswith(("%", "!")):
            lines[i] = line[: len(line) - len(line.lstrip())] + "pass"
    return "\n".join(lines)


def code_tree(nb):
    """One syntax tree of all code cells; a cell that does not parse (meant to fail) is left out."""
    body = []
    for cell in code_cells(nb):
        try:
            body += ast.parse(python_source(cell.source)).body
        except SyntaxError:
            continue
    return ast.Module(body=body, type_ignores=[])


# -- which modules --------------------------------------------------------------------------------


def used_modules(tree, package):
    """{dotted name: tree} of the library modules that `tree` uses, directly or through others."""
    package = Path(package)
    waiting = imported_modules(tree, package) | checks_named(tree, package)
    found = {}
    while waiting:
        name = waiting.pop()
        file = module_file(name, package)
        found[name] = ast.parse(file.read_text(encoding="utf-8"))
        home = name if file.name == "__init__.py" else name.rpartition(".")[0]
        waiting |= imported_modules(found[name], package, home) - found.keys()
    return found


def imported_modules(tree, package, home=PACKAGE):
    """The dotted names of the library modules that the import statements of `tree` reach.

    home: the package in which the code of `tree` lies; its relative imports start there.
    """
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == PACKAGE:
                    found |= _reached_through(alias.asname or PACKAGE, tree, package)
                elif alias.name.startswith(f"{PACKAGE}."):
                    found.add(alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, home)
            if base == PACKAGE or base.startswith(f"{PACKAGE}."):
                found.update(_home_of(alias.name, package, base) for alias in node.names)
    return {name for name in found if module_file(name, package).is_file()}


def checks_named(tree, package):
    """The modules of the questions that `check("ex-03-...")`, `check("set-a-...")` name."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    names = [
        call.args[0].value
        for call in calls
        if getattr(call.func, "id", getattr(call.func, "attr", None)) == "check"
        and isinstance(call.args[0], ast.Constant)
    ]
    modules = {f"{PACKAGE}.checks.{question_module(str(name))}" for name in names}
    return {name for name in modules if module_file(name, package).is_file()}


def question_module(label):
    """The module of `vae_lib.checks` that holds a question: chapter_03 for ex-03-..., set_a."""
    kind, _, rest = label.partition("-")
    number = rest.partition("-")[0]
    return f"chapter_{number}" if kind == "ex" else f"{kind}_{number}"


def _absolute(node, home):
    """The dotted name that a `from ... import` names; one dot is `home`, each other one above."""
    if not node.level:
        return node.module
    parts = home.split(".")[: len(home.split(".")) - node.level + 1]
    return ".".join([*parts, *filter(None, [node.module])])


def _reached_through(name, tree, package):
    """The modules reached as `name.attribute`; the whole package where `name` stands alone."""
    attributes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    reached = {_home_of(node.attr, package) for node in attributes if node.value.id == name}
    uses = sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(tree))
    alone = uses != sum(node.value.id == name for node in attributes)
    return reached | {PACKAGE} if alone else reached


def module_file(dotted, package):
    """The file of a library module; that of a package is its `__init__.py`."""
    place = package.joinpath(*dotted.split(".")[1:])
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _home_of(name, package, base=PACKAGE):
    """The module that `from base import name` reaches; `base` itself where unsure."""
    if module_file(f"{base}.{name}", package).is_file():
        return f"{base}.{name}"
    file = module_file(base, package)
    if file.name != "__init__.py" or not file.is_file():
        return base
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [a.asname or a.name for a in node.names] if isinstance(node, ast.ImportFrom) else []
        if name in names and node.module:
            return _absolute(node, base)
    return base


# -- one form of a tree ---------------------------------------------------------------------------


def canonical(node, annotations=True):
    """A text that is equal for equal code, on every Python from 3.11 on.

    Docstrings are left out, and so are empty fields, which come and go between versions
    (`type_params`); `ast.dump` keeps them. annotations=False leaves those out as well.
    """
    if isinstance(node, list):
        return "[" + ",".join(canonical(item, annotations) for item in node) + "]"
    if not isinstance(node, ast.AST):
        return ascii(node)  # repr follows the Unicode tables of each version
    parts = []
    for field in node._fields:
        value = getattr(node, field, None)
        if field == "body" and isinstance(value, list):
            value = without_docstring(value)
        if isinstance(node, ast.JoinedStr):  # 3.12.1 ends a nested format with an empty text
            value = [part for part in value if getattr(part, "value", None) != ""]
        if field in ("annotation", "returns") and not annotations:
            continue
        if value is not None and value != []:
            parts.append(f"{field}={canonical(value, annotations)}")
    return f"{type(node).__name__}({','.join(parts)})"


def without_docstring(body):
    """The statements of a body but for a string that stands first."""
    first = body[0] if body else None
    string = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if string and isinstance(first.value.value, str) else body
