"""Bring an executed notebook into one form, so that equal content gives equal bytes."""

import hashlib
import re
from pathlib import Path

import nbformat

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"}
KEPT_NOTEBOOK_METADATA = ("mystnb", "vae_book")
KEPT_CELL_METADATA = ("tags", "mystnb")
WIDGET = "application/vnd.jupyter.widget-view+json"
ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
INSTALLED = re.compile(r"[^\s\"']*/(?:site-packages|dist-packages|lib/python3\.\d+)/")


def normalise(nb, root):
    """Change `nb` in place: ids, metadata and outputs in their one form. Returns `nb`.

    root: the repository's folder; its path is cut from tracebacks.
    """
    nb.nbformat, nb.nbformat_minor = 4, 5
    kept = {key: nb.metadata[key] for key in KEPT_NOTEBOOK_METADATA if key in nb.metadata}
    nb.metadata = nbformat.from_dict(
        {"kernelspec": dict(KERNELSPEC), "language_info": dict(LANGUAGE), **kept}
    )
    _derive_ids(nb)
    for cell in nb.cells:
        cell.source = cell.source.strip("\n")
        cell.metadata = nbformat.from_dict(
            {key: cell.metadata[key] for key in KEPT_CELL_METADATA if cell.metadata.get(key)}
        )
        if cell.cell_type == "code":
            cell.outputs = _normalise_outputs(cell.outputs, root)
    return nb


def _derive_ids(nb):
    """Name each cell by a hash of its source: the same cell has the same id for everyone."""
    seen = {}
    for cell in nb.cells:
        text = f"{cell.cell_type}\n{cell.source.strip()}"
        name = hashlib.sha256(text.encode()).hexdigest()[:12]
        if "setup" in cell.metadata.get("tags", []):
            name = "setup"  # its text follows the repository's address, its id should not
        seen[name] = seen.get(name, 0) + 1
        cell.id = name if seen[name] == 1 else f"{name}-{seen[name]}"


def _normalise_outputs(outputs, root):
    outputs = _merge_streams(outputs)
    for output in outputs:
        if "image/png" in output.get("data", {}):
            output.data.pop(WIDGET, None)  # stored, a widget is dead: its still picture stays
        if output.output_type == "error":
            output.traceback = [_clean_traceback(line, root) for line in output.traceback]
        elif output.output_type == "stream" and output.name == "stderr":
            output.text = _without_progress(output.text)
    # once more: a progress bar that is gone may have stood between two prints
    return _merge_streams(o for o in outputs if o.output_type != "stream" or o.text)


def _merge_streams(outputs):
    merged = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and last.output_type == output.output_type == "stream" and last.name == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def _without_progress(text):
    """Drop the lines that a progress bar has drawn over and over (they hold carriage returns)."""
    kept = "\n".join(line for line in text.split("\n") if "\r" not in line)
    return kept if kept.strip() else ""


def _clean_traceback(line, root):
    """Without colours, and with paths that do not name the machine."""
    line = ANSI.sub("", line)
    root, home = str(Path(root).resolve()), str(Path.home())
    line = line.replace(root + "/", "")
    if root.startswith(home + "/"):
        line = line.replace("~" + root[len(home) :] + "/", "")
    return INSTALLED.sub("", line)
