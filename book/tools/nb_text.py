"""Notebook files: find them, read them, write them whole, and turn them into text and back.

The committed source is `notebooks/NN_name.ipynb`. For editing, `_text/NN_name.py` holds the same
cells in the py:percent form of jupytext. The two are never paired: each direction is a command.
"""

import os
from pathlib import Path

import jupytext
import nbformat

HEADERLESS = {"notebook_metadata_filter": "-all", "cell_metadata_filter": "all"}


def notebook_files(root, names=()):
    """The notebooks of the book whose names start with one of `names` (all where empty)."""
    return _matching(Path(root) / "notebooks", ".ipynb", names)


def text_files(root, names=()):
    """The text forms in `_text/` whose names start with one of `names` (all where empty)."""
    return _matching(Path(root) / "_text", ".py", names)


def _matching(folder, suffix, names):
    stems = [Path(name).stem for name in names]
    files = sorted(folder.glob(f"*{suffix}"))
    for stem in stems:
        if not any(file.stem.startswith(stem) for file in files):
            raise FileNotFoundError(f"no {suffix} file in {folder.name}/ starts with '{stem}'")
    return [f for f in files if not stems or any(f.stem.startswith(s) for s in stems)]


def read_notebook(path):
    """Read a notebook as nbformat 4.5 or later."""
    return nbformat.read(path, as_version=4)


def dump_notebook(nb):
    """The bytes that are committed: indent 1, sorted keys, one newline at the end."""
    return (nbformat.writes(nb).rstrip("\n") + "\n").encode("utf-8")


def write_whole(path, content):
    """Write bytes to `path` so that a reader sees the old file or the new one, never a part."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def to_text(nb):
    """The notebook as py:percent text: sources and cell metadata, no outputs, no header."""
    bare = nbformat.v4.new_notebook(metadata={"jupytext": dict(HEADERLESS)})
    for cell in nb.cells:
        cell = nbformat.from_dict(cell)
        cell.metadata = nbformat.from_dict(dict(cell.metadata))
        bare.cells.append(cell)
    return jupytext.writes(bare, fmt="py:percent")


def from_text(text):
    """The notebook that a py:percent text describes, not yet executed."""
    nb = jupytext.reads(text, fmt="py:percent")
    nb.metadata = nbformat.from_dict({})
    return nb
