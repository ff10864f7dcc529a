"""The queue of measured runs: its tables, its commands and the README's claim."""

import importlib.util
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import vae_lib as vl

ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sys.path.insert(0, str(ROOT / "experiments"))  # the scripts import one another
run_queue, train_all, claim = load("run_queue"), load("train_all"), load("claim")
train_beta, compare, sweeps = load("train_beta"), load("compare"), load("sweeps")
TESTED = sorted(name for name, entry in vl.manifest().items() if "test" in entry["metrics"])


def test_generated_tables_are_up_to_date():
    for path, text in run_queue.pages().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is stale: python experiments/run_queue.py --write"
        )


def test_every_run_of_the_queue_has_a_script_that_knows_it():
    known = {"train_all.py": train_all.RUNS, "train_beta.py": train_beta.RUNS}
    known |= {"sweeps.py": sweeps.SWEEPS, "iwae_table.py": run_queue.tables.iwae_table.TABLES}
    for run in run_queue.QUEUE:
        script, *name = run.command.split()
        assert (ROOT / script).is_file()
        assert name == [] or name[0] in known[Path(script).name]
    assert max(run.minutes.get("cuda", 0) for run in run_queue.QUEUE) <= 10


@pytest.mark.parametrize("cuda, expected", [(True, ["short", "long"]), (False, ["short", "slow"])])
def test_the_queue_runs_what_this_device_can_do(monkeypatch, capsys, cuda, expected):
    """Shortest first; what needs another device is named and left out, and stays outstanding."""
    minutes = {"short": {"cpu": 1, "cuda": 1}, "long": {"cuda": 9}, "slow": {"cpu": 9}}
    queue = [run_queue.Run(n, n, "", minutes[n], n == "short") for n in ("slow", "long", "short")]
    started = []

    def run(command, cwd):
        started.append(command[1])
        assert command[2:] == (["--data", "there"] if command[1] == "short" else [])
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(run_queue, "QUEUE", queue)
    monkeypatch.setattr(run_queue.subprocess, "run", run)
    monkeypatch.setattr(run_queue, "write_tables", lambda: None)
    monkeypatch.setattr(run_queue.torch.cuda, "is_available", lambda: cuda)
    assert run_queue.run_all(["--data", "there"]) == 0
    assert started == expected
    left_out = ({"short", "long", "slow"} - set(expected)).pop()
    assert f"{left_out}: needs " in capsys.readouterr().out


def test_seeds_are_those_of_the_stored_runs():
    """Seed 0 is the run that ships; the three values give the mean and the sd of the table."""
    result = run_queue.stored("seeds")
    for name, run in result["runs"].items():
        shipped = vl.manifest()[name]["metrics"]["test"]["value"]["mean"]
        assert run["values"][0] == pytest.approx(shipped, abs=0.01)
        assert len(set(run["values"])) == len(run["seconds"]) == result["seeds"] >= 3
        assert run["mean"] == pytest.approx(statistics.mean(run["values"]))
        assert run["sd"] == pytest.approx(statistics.stdev(run["values"]))


@pytest.mark.parametrize("name", TESTED)
def test_stored_run_is_as_good_as_its_manifest_says(name):
    """On the embedded test set, 2,000 of the 10,000 images, within four standard errors."""
    import torch

    model, entry = vl.load_run(name)
    objective = vl.elbo if entry["model"]["kind"] == "vae" else vl.reconstruction_log_prob
    images, _ = vl.load_fashion_mnist("test")
    x = vl.binarize(images, torch.Generator().manual_seed(0))
    with torch.no_grad():
        values = torch.cat([objective(model, batch).value for batch in x.split(500)])
    standard_error = values.std().item() / len(values) ** 0.5
    assert (
        abs(values.mean().item() - entry["metrics"]["test"]["value"]["mean"]) < 4 * standard_error
    )


def test_summary_has_the_mean_and_the_spread():
    bounds = [vl.Bound(1.0, 3.0, 2.0), vl.Bound(2.0, 4.0, 2.0)]
    assert train_all.summary(bounds)["value"] == {"mean": 1.5, "sd": pytest.approx(0.5**0.5)}
    assert train_all.summary(bounds)["kl"]["sd"] == 0


def test_comparison_is_summed_up_over_seeds():
    runs = [{"probe": {"linear": value}} for value in (0.25, 0.5, 0.75)]
    expected = {"mean": 0.5, "sd": 0.25, "values": [0.25, 0.5, 0.75]}
    assert compare.summary(runs) == {"probe": {"linear": expected}}


def test_stored_comparison_is_whole():
    """Four models, every score with one finite value for each seed, in its possible range."""
    result = vl.load_result("comparison")
    assert sorted(result["models"]) == ["cae_j2", "cae_j20", "vae_j2", "vae_j20"]
    shares = {"precision", "recall", "coverage", "holes", "linear", "neighbours", "realism"}
    for groups in result["models"].values():
        assert {"standard", "gaussian", "mixture", "reconstruction"} <= groups.keys()
        for group, scores in groups.items():
            for score, entry in scores.items():
                assert len(entry["values"]) == result["settings"]["seeds"] >= 3
                low, high = (0, 1) if score in shares else (-300, 600)
                assert all(low <= value <= high for value in entry["values"]), score
                same = (group, score) in (("denoising", "input"), ("standard", "holes"))
                assert entry["sd"] > 0 or same  # other weights, other values


@pytest.mark.parametrize("name", ["cae_j2", "vae_j2"])
def test_stored_comparison_is_that_of_the_stored_run(name):
    """The scores of seed 0 that cost little, measured again."""
    kit, stored = compare.make_kit(), vl.load_result("comparison")["models"][name]
    model, _ = vl.load_run(name)
    again = {
        "reconstruction": vl.compare.reconstruction_scores(model, kit.x_test, kit.clean),
        "denoising": vl.compare.denoising_scores(model, kit.x_test, kit.clean),
    }
    for group, scores in again.items():
        for score, value in scores.items():
            assert value == pytest.approx(stored[group][score]["values"][0], rel=1e-3)


def test_readme_claims_what_was_measured():
    result = json.loads(claim.RESULT.read_text())
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(
        r"(\d+) seconds on (\d+) CPU cores.*?ELBO.*?−([\d.]+) ± ([\d.]+) nats", text, re.S
    )
    assert found, (
        "README.md has no claim of the form 'N seconds on C CPU cores ... ELBO −X ± Y nats'"
    )
    seconds, cores, elbo, sd = (float(group) for group in found.groups())
    assert (seconds, cores) == (result["seconds"], result["cores"])
    assert (-elbo, sd) == (result["elbo_mean"], result["elbo_sd"])
