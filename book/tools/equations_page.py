"""The appendix that lists every equation with what checks it, and how far both sides differ.

python book/tools/equations_page.py      run the tests and write the tables of book/equations.md
"""

import importlib.util
import inspect
import re
import sys
from pathlib import Path

from equations import ROOT, TESTS, described_tests, findings, labels, pages

PAGE = Path("book/equations.md")
BEGIN, END = "<!-- equations: begin -->", "<!-- equations: end -->"


def load_tests(root):
    """{label: function} of all equation tests; imports torch."""
    folder = str(Path(root) / TESTS)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    found = {}
    for file in sorted(Path(folder).glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(f"equations_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                found[name.removeprefix("test_").replace("_", "-")] = function
    return found


def run_test(function, fault=0.0):
    """Run one equation test as pytest does, and return its Check."""
    import torch
    from sides import Check

    (marker,) = (m for m in function.pytestmark if m.name == "equation")
    check = Check(**marker.kwargs, fault=fault)
    torch.manual_seed(0)
    function(check)
    return check


def table(root, deviations):
    """The tables of the page, one a chapter; deviations: {label: text}."""
    book, tests = pages(root), described_tests(root)
    named = labels(book)
    lines = [_summary(tests, deviations), ""]
    for page in dict.fromkeys(page for _, page in named):
        here = [label for label, where in named if where == page]
        results = [label for label in here if label.startswith("eq-")]
        lines += [f"## {_title(page, book[page])}", ""]
        counts = (_count(len(results), "result"), _count(len(here) - len(results), "definition"))
        lines += [", ".join(counts) + ".", ""]
        if results:
            lines += ["| equation | what is compared | by | within | found |"]
            lines += ["|---|---|---|---|---|"]
        for label in results:
            by, within, words, _ = tests[label]
            limit = f"{within:g} s.e." if by == "Monte Carlo" else f"{within:g}"
            anchor = f"[{{eq}}`{label}`]{{#check-{label}}}"
            lines.append(f"| {anchor} | {words} | {by} | {limit} | {deviations[label]} |")
        lines.append("")
    return "\n".join(lines).strip()


def _summary(tests, deviations):
    """How many results there are, and the largest deviation of each kind."""
    sampled = {label for label, (by, *_) in tests.items() if by == "Monte Carlo"}
    errors = [float(deviations[label]) for label in tests if label not in sampled]
    counts = [float(deviations[label].removesuffix(" s.e.")) for label in sampled]
    return (
        f"**{len(tests)} results, each with its test.** Of the {len(errors)} compared by exact "
        f"values, quadrature or autograd, all but {sum(e > 1e-6 for e in errors)} agree to one in "
        f"a million, and the largest difference is {max(errors):.0e}. Of the {len(counts)} "
        f"compared by Monte Carlo, the largest is {max(counts, default=0)} standard errors."
    )


def _count(n, word):
    return f"{n} {word}" + "s" * (n != 1)


def _title(page, texts):
    heading = re.search(r"(?m)^# (.+)$", "\n".join(texts))
    return f"[{heading[1]}](../{page})"


def measured(root):
    """{label: the largest deviation, as text} from running every test."""
    import torch

    torch.set_num_threads(1)  # as under pytest
    found = {}
    for label, function in load_tests(root).items():
        check = run_test(function)
        sampled = check.by == "Monte Carlo"
        found[label] = f"{check.largest:.2g} s.e." if sampled else f"{check.largest:.1g}"
    return found


def written(root):
    """{label: deviation} as the committed page states them."""
    row = re.compile(r"(?m)^\| \[\{eq\}`([\w-]+)`\].*\| ([^|]+) \|$")
    return dict(row.findall((Path(root) / PAGE).read_text(encoding="utf-8")))


def with_table(root, deviations):
    """The text of the page with its tables made afresh."""
    text = (Path(root) / PAGE).read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    return f"{head}{BEGIN}\n\n{table(root, deviations)}\n\n{END}{rest.split(END)[1]}"


def main():
    found = findings(ROOT)
    if not found:
        (ROOT / PAGE).write_text(with_table(ROOT, measured(ROOT)), encoding="utf-8")
    print("\n".join(found) or PAGE)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
