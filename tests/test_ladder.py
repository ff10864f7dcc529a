"""The ladder of chapter 11: its cells stand on their own, its script runs them, what is stored."""

import ast
import builtins
import json
import sys
from pathlib import Path

import pytest
import torch

import vae_lib as vl

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import ladder

RUNGS = ["images on the device", "logits", "fused Adam", "no .item()", "channels_last", "bfloat16"]


def test_the_tagged_cells_use_nothing_that_others_define():
    """A name read at the top level of a tagged cell comes from a tagged cell or the script."""
    known = {*dir(builtins), "ROUNDS", "SLOW_TOO"}
    for number, source in ladder.cells().items():
        tree = ast.parse(source)
        names = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
        made = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                made.add(node.name)
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                made |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
            elif isinstance(node, ast.arg):
                made.add(node.arg)
        known |= made
        unknown = {node.id for node in names} - known
        assert not unknown, f"cell {number} needs {unknown}: tag the cell that defines it"


def test_only_the_tagged_cells_are_taken_in_their_order(tmp_path):
    def cell(source, *tags, kind="code"):
        return {"cell_type": kind, "metadata": {"tags": list(tags)}, "source": source}

    notebook = {"cells": [cell(["a = 1\n", "b = 2"], "ladder"), cell("a = 3"), cell("c", "ladder")]}
    notebook["cells"].append(cell("# d", "ladder", kind="markdown"))
    path = tmp_path / "n.ipynb"
    path.write_text(json.dumps(notebook))
    assert ladder.cells(path) == {1: "a = 1\nb = 2", 3: "c"}


def test_the_script_hands_over_its_rounds_and_stores_what_was_measured():
    filled = "\n".join(f"{name} = (ROUNDS, SLOW_TOO)" for name in ladder.MEASURED)
    assert ladder.measure(4, True, {1: filled}) == dict.fromkeys(ladder.MEASURED, (4, True))
    with pytest.raises(KeyError):
        ladder.measure(4, True, {1: "ladder = 1"})


@pytest.mark.parametrize(
    "name, short",
    [("NVIDIA H200", "h200"), ("Tesla T4", "t4"), ("NVIDIA A100-SXM4-80GB", "a100")],
)
def test_a_gpu_is_named(monkeypatch, name, short):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: name)
    assert ladder.machine() == (name, short)


def test_the_stored_ladder_is_whole():
    stored = vl.load_result("ladder_cpu")
    assert stored["device"] == "cpu" and stored["rounds"] >= 5 and stored["machine"]
    for net in ("mlp", "conv"):
        rungs = stored["ladder"][net]
        assert {*RUNGS, "the first five", "memory kept", "compile"} <= rungs.keys()
        assert all(r["before"] > 0 and r["after"] > 0 for r in rungs.values())
        roof = stored["roofs"][net]
        assert 0 < max(roof["arithmetic"], roof["memory"]) / roof["step"] <= 1.1
        assert stored["operators"][net]["tutorial"] > stored["operators"][net]["no .item()"]
