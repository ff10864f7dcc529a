"""Stamps: hashes of all that a notebook's stored outputs depend on, kept in its metadata.

A stamp has four parts: `code` (the code cells and their tags), `outputs` (what is stored),
`modules` (each vae_lib module the code uses, also through other modules) and `artifacts` (each
stored file it reads). Comments and docstrings of the library do not count, nor does the set-up
cell, whose text `address.py` owns. Nothing in a stamp names the machine.
"""

import ast
import hashlib
import json
from pathlib import Path

from nb_source import PACKAGE, canonical, code_cells, code_tree, tags, used_modules

KEY = "vae_book"
RERUN = "run `make notebooks`, or `notebooks.py update` from its text"
EMBEDDED = {"load_fashion_mnist": "fashion_mnist_small.npz"}  # loader -> the file it reads
NAMED = {"load_run": ".safetensors", "load_result": ".json"}  # loader of a name -> the ending


def sha256(data):
    """Hex digest of bytes or text."""
    return hashlib.sha256(data.encode("utf-8") if isinstance(data, str) else data).hexdigest()


# -- the stamp ------------------------------------------------------------------------------------


def make_stamp(nb, root):
    """The stamp that `nb` should carry, given the library and the artifacts under `root`."""
    package = Path(root) / PACKAGE
    tree = code_tree(nb)
    modules = used_modules(tree, package)
    artifacts = set().union(*(read_artifacts(t) for t in [tree, *modules.values()]))
    return {
        "code": code_hash(nb),
        "outputs": outputs_hash(nb),
        "modules": {name: sha256(canonical(tree)) for name, tree in sorted(modules.items())},
        "artifacts": {name: _file_hash(package / "assets" / name) for name in sorted(artifacts)},
    }


def stamp(nb, root):
    """Write the stamp into the notebook's metadata. Returns `nb`."""
    nb.metadata[KEY] = make_stamp(nb, root)
    return nb


def stamp_findings(nb, root):
    """Which parts of the stored stamp no longer agree with what is there."""
    stored, now = nb.metadata.get(KEY), make_stamp(nb, root)
    gone = [name for name, digest in now["artifacts"].items() if digest == "missing"]
    found = [f"reads {PACKAGE}/assets/{name}, which does not exist" for name in gone]
    if stored is None:
        return [*found, f"has no stamp: {RERUN}"]
    for part in ("code", "outputs"):
        if stored.get(part) != now[part]:
            found.append(f"the stored {part} changed since it was last executed: {RERUN}")
    for part, kind in (("modules", "module"), ("artifacts", "artifact")):
        before, after = stored.get(part, {}), now[part]
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name):
                found.append(f"{kind} {name} changed since it was last executed: {RERUN}")
    return found


def code_hash(nb):
    """Hash of all code-cell sources with their tags, in order, the set-up cell left out."""
    cells = [(c.source.strip(), sorted(tags(c))) for c in code_cells(nb) if "setup" not in tags(c)]
    return sha256(json.dumps(cells))


def outputs_hash(nb):
    """Hash of the stored outputs, so that a swapped picture or an edited number shows."""
    outputs = [c.outputs for c in code_cells(nb) if "setup" not in tags(c)]
    return sha256(json.dumps(outputs, sort_keys=True))


def _file_hash(path):
    return sha256(path.read_bytes()) if path.is_file() else "missing"


def read_artifacts(tree):
    """The files under `vae_lib/assets` that the code of a tree reads by name."""
    found = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "id", getattr(node.func, "attr", None))
        if name in EMBEDDED:
            found.add(EMBEDDED[name])
        elif name in NAMED:
            values = [*node.args[:1], *(k.value for k in node.keywords if k.arg == "name")]
            texts = [v.value for v in values if isinstance(v, ast.Constant)]
            found.update(text + NAMED[name] for text in texts)
        elif name == "page" and node.args and isinstance(node.args[0], ast.Constant):
            pieces = ("explorer_core", node.args[0].value)  # an interactive piece and its core
            found.update(f"{piece}.{kind}" for piece in pieces for kind in ("css", "js"))
    return found
