"""Every displayed equation that states a result has a label and a test of the same name.

    python book/tools/equations.py      check; exit 1 where something is missing

A result is labelled `eq-name` and tested by `test_eq_name` in tests/equations; a definition is
labelled `def-name` and needs no test.
"""

import ast
import re
import sys
from pathlib import Path

import yaml
from check_site import toc_pages
from nb_text import read_notebook

ROOT = Path(__file__).resolve().parents[2]
TESTS = Path("tests/equations")
DISPLAY = re.compile(r"\$\$(.+?)\$\$(?:[ \t]*\(([^)\s]+)\))?", re.DOTALL)
OTHER_DISPLAY = re.compile(
    r"(?m)^\s*(?:[`:~]{3,}\{math\}|\\begin\{(?:align|equation|gather|eqnarray|multline)\*?\}|\\\[)"
)
INLINE_CODE = re.compile(r"(`+)(?!`)[^`\n]+?(?<!`)\1(?!`)")
LABEL = re.compile(r"(?:eq|def)-[a-z0-9]+(?:-[a-z0-9]+)*")


def display_findings(text):
    """What is wrong with the displayed equations of one piece of Markdown."""
    found = []
    for tex, label in displays(text):
        short = " ".join(tex.split())[:40]
        if not label:
            found.append(
                f"'{short}' has no label: `(eq-name)` for a result, `(def-name)` for a definition"
            )
        elif not LABEL.fullmatch(label):
            found.append(f"the label '{label}' is neither eq-name nor def-name, in small letters")
    if other := OTHER_DISPLAY.search(text):
        found.append(f"'{other[0].strip()}': display equations as `$$ ... $$ (label)`")
    return found


def displays(text):
    """(TeX, label or '') of each displayed equation of a piece of Markdown."""
    return DISPLAY.findall(INLINE_CODE.sub("", text))


def pages(root):
    """{page: its pieces of Markdown} of the whole book, in the order of its contents."""
    root, found = Path(root), {}
    for name in toc_pages(yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))):
        notebook, page = root / f"{name}.ipynb", root / f"{name}.md"
        if notebook.exists():
            cells = read_notebook(notebook).cells
            found[name] = [cell.source for cell in cells if cell.cell_type == "markdown"]
        elif page.exists():
            found[name] = [page.read_text(encoding="utf-8")]
    return found


def labels(book):
    """(label, page) of every labelled equation of a book, as `pages` returns it, in order."""
    return [
        (label, page)
        for page, texts in book.items()
        for text in texts
        for _, label in displays(text)
        if label
    ]


def described_tests(root):
    """{label: (by, within, what is compared, file)} as the files of tests/equations say it."""
    found = {}
    for file in sorted((Path(root) / TESTS).glob("test_*.py")):
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                label = node.name.removeprefix("test_").replace("_", "-")
                words = " ".join((ast.get_docstring(node) or "").split())
                if label in found:
                    raise ValueError(f"{file.name}: {node.name} is a second test of that name")
                found[label] = (*_marker(node), words, file.name)
    return found


def _marker(function):
    """(by, within) of a test's `equation` marker, (None, None) without one."""
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func).endswith(".equation"):
            given = {k.arg: ast.literal_eval(k.value) for k in decorator.keywords}
            return given.get("by"), given.get("within")
    return None, None


def findings(root):
    """Everything by which the equations of the book and their tests do not match."""
    book, tests = pages(root), described_tests(root)
    found = [
        f"{page}: {finding}"
        for page, texts in book.items()
        for text in texts
        for finding in display_findings(text)
    ]
    seen = {}
    for label, page in labels(book):
        if label in seen:
            found.append(f"{page}: the label {label} was given before, in {seen[label]}")
        seen[label] = page
        if label.startswith("eq-") and label not in tests:
            found.append(
                f"{page}: {label} has no test: write {_test_name(label)} in {TESTS}, "
                "or label it def-... if it states no result"
            )
    for label, (by, _, words, file) in tests.items():
        if label not in seen:
            found.append(f"{file}: {_test_name(label)} tests no equation of the book")
        elif file != _test_file(seen[label]):
            found.append(f"{file}: {_test_name(label)} belongs to {_test_file(seen[label])}")
        if by is None:
            found.append(f"{file}: {_test_name(label)} lacks @pytest.mark.equation(by, within)")
        if not words:
            found.append(f"{file}: {_test_name(label)} needs a line that says what is compared")
    return found


def _test_name(label):
    return "test_" + label.replace("-", "_")


def _test_file(page):
    chapter = re.match(r"notebooks/(\d+)_", page)
    return f"test_chapter_{chapter[1]}.py" if chapter else f"test_{Path(page).name}.py"


def main():
    found = findings(ROOT)
    print("\n".join(found) or f"{len(described_tests(ROOT))} equations, each with its test")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
