"""Static checks of a notebook: is it executed, presentable, and true to library and address?

Every function returns a list of findings, each a sentence that says what is wrong and what to do.
"""

import re
import statistics
from pathlib import Path

from address import setup_findings
from equations import display_findings
from nb_coursework import coursework_findings
from nb_drift import drift_findings, is_lib_cell
from nb_normalise import WIDGET
from nb_prose import prose, prose_findings
from nb_source import tags
from nb_stamp import stamp_findings
from nb_text import read_notebook

MOST_BYTES = 2_000_000
MOST_LINES, MOST_LIB_LINES, MEDIAN_LINES = 30, 45, 6
LEAST_ALT = 20
ALLOWED_TAGS = {
    "exercise", "solution", "check", "nbval-ignore-output", "raises-exception", "hide-input",
    "hide-output", "hide-cell", "remove-input", "remove-cell", "output_scroll", "setup",
    "ladder",  # experiments/ladder.py runs these cells
}  # fmt: skip
CLAIM_TAG = re.compile(r"claim-[a-z0-9]+(-[a-z0-9]+)*")  # tests/test_claims.py checks these
IMAGES = ("image/png", "image/jpeg", "image/svg+xml")
DEAD_BAR = re.compile(r"HBox\(children=|\d+%\||^\s*\d+it \[", re.MULTILINE)
MACHINE_PATH = re.compile(r"(?<![\w.])(?:/(?:home|root|work|tmp|Users)/|[A-Z]:\\{1,2}\w+\\)")
MEMORY = re.compile(r"\bat 0x[0-9a-fA-F]{6,}")


def findings(path, root):
    """Everything that is wrong with the notebook at `path` of the book at `root`."""
    nb = read_notebook(path)
    return [
        *size_findings(path),
        *setup_findings(nb, root),
        *execution_findings(nb),
        *output_findings(nb),
        *tag_findings(nb),
        *length_findings(nb),
        *figure_findings(nb),
        *path_findings(nb),
        *prose_findings(nb),
        *equation_findings(nb),
        *drift_findings(nb, root),
        *coursework_findings(nb, root, Path(path).stem),
        *stamp_findings(nb, root),
    ]


def size_findings(path):
    size = Path(path).stat().st_size
    if size <= MOST_BYTES:
        return []
    return [f"the file has {size / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:.0f}: smaller pictures"]


def execution_findings(nb):
    """Every code cell was executed, in order, from a fresh kernel, without errors."""
    found, expected = [], 0
    for number, cell in _numbered_code(nb):
        if not cell.source.strip():
            found.append(f"cell {number}: empty code cell: delete it")
            continue
        expected += 1
        if cell.execution_count is None:
            found.append(f"cell {number}: not executed: run `make notebooks`")
        elif cell.execution_count != expected:
            count = cell.execution_count
            found.append(f"cell {number}: execution count {count}, not {expected}: execute afresh")
        raised = any(output.output_type == "error" for output in cell.outputs)
        meant = "raises-exception" in tags(cell)
        if raised and not meant:
            found.append(f"cell {number}: error output: mend it, or tag it `raises-exception`")
        elif meant and not raised and cell.execution_count is not None:
            found.append(f"cell {number}: tagged `raises-exception` but raised nothing")
    return found


def output_findings(nb):
    """No dead widgets or progress bars, nothing that differs from run to run or under nbval."""
    found = []
    for number, cell in _numbered_code(nb):
        if cell.source.rstrip().endswith(";"):
            found.append(f"cell {number}: nbval does not see the last `;`: write `_ = ...` instead")
        if any(WIDGET in output.get("data", {}) for output in cell.outputs):
            found.append(f"cell {number}: a stored widget view shows as dead text: show a picture")
        texts = list(_texts(cell))
        if any(DEAD_BAR.search(text) for text in texts):
            found.append(f"cell {number}: a stored progress bar: use plain `tqdm`, not its widget")
        if any(MEMORY.search(text) for text in texts):
            found.append(f"cell {number}: a memory address in the output differs at every run")
    return found


def tag_findings(nb):
    found = []
    for number, cell in enumerate(nb.cells, 1):
        unknown = {tag for tag in tags(cell) if not CLAIM_TAG.fullmatch(tag)} - ALLOWED_TAGS
        for tag in sorted(unknown):
            found.append(
                f"cell {number}: tag '{tag}' is not one of {', '.join(sorted(ALLOWED_TAGS))}"
            )
    return found


def length_findings(nb):
    """Short cells: none over the limit, and a median that reads as a conversation."""
    found, lengths = [], []
    for number, cell in _numbered_code(nb):
        if "setup" in tags(cell) or not cell.source.strip():
            continue
        lines = cell.source.strip().splitlines()
        limit = MOST_LIB_LINES if is_lib_cell(cell) else MOST_LINES
        if len(lines) > limit:
            found.append(f"cell {number}: {len(lines)} lines, more than {limit}: split it")
        lengths.append(sum(1 for s in map(str.strip, lines) if s and not s.startswith("#")))
    if lengths and statistics.median(lengths) > MEDIAN_LINES:
        median = statistics.median(lengths)
        found.append(f"the median code cell has {median:g} lines, more than {MEDIAN_LINES}")
    return found


def figure_findings(nb):
    """Each picture that code made has alt text and a caption in the cell's metadata."""
    found = []
    for number, cell in _numbered_code(nb):
        count = sum(map(_is_picture, cell.outputs))
        if not count:
            continue
        settings = cell.metadata.get("mystnb", {})
        alt = settings.get("image", {}).get("alt", "")
        if len(alt.strip()) < LEAST_ALT:
            found.append(
                f"cell {number}: a picture needs alt text of {LEAST_ALT} characters or more: "
                "set mystnb.image.alt in the cell's metadata"
            )
        if not settings.get("figure", {}).get("caption", "").strip():
            found.append(f"cell {number}: a picture needs a caption: set mystnb.figure.caption")
        if any(o.output_type == "execute_result" and not _is_picture(o) for o in cell.outputs):
            found.append(f"cell {number}: the last value shows beside the picture: `_ = ...`")
        if count > 1:
            found.append(f"cell {number}: {count} pictures share one alt text: one picture a cell")
    return found


def _is_picture(output):
    return any(kind in output.get("data", {}) for kind in IMAGES)


def equation_findings(nb):
    """Each displayed equation has a label that says whether it is a result or a definition."""
    return [
        f"cell {number}: {finding}"
        for number, cell in enumerate(nb.cells, 1)
        if cell.cell_type == "markdown"
        for finding in display_findings(cell.source)
    ]


def path_findings(nb):
    """No path of one machine, in sources or in outputs."""
    found = []
    for number, cell in enumerate(nb.cells, 1):
        source = cell.source if cell.cell_type == "code" else prose(cell.source)
        texts = [source, *(_texts(cell) if cell.cell_type == "code" else [])]
        named = [match[0] for match in map(MACHINE_PATH.search, texts) if match]
        if named:
            found.append(f"cell {number}: names a path of one machine ({named[0]}...)")
    return found


def _numbered_code(nb):
    """The code cells with their numbers among all cells, from 1."""
    return [(i, cell) for i, cell in enumerate(nb.cells, 1) if cell.cell_type == "code"]


def _texts(cell):
    """All text in the outputs of a code cell."""
    for output in cell.outputs:
        if output.output_type == "stream":
            yield output.text
        elif output.output_type == "error":
            yield "\n".join(output.traceback)
        for kind, data in output.get("data", {}).items():
            if kind.startswith("text/") and isinstance(data, str):
                yield data
