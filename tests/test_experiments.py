"""The queue of measured runs: its tables, its commands and the README's claim."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

import vae_lib as vl

ROOT = Path(__file__).parents[1]


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run_queue, train_all, claim = load("run_queue"), load("train_all"), load("claim")


def test_generated_tables_are_up_to_date():
    for path, text in run_queue.pages().items():
        assert path.read_text(encoding="utf-8") == text, (
            f"{path.name} is stale: python experiments/run_queue.py --write"
        )


def test_every_run_of_the_queue_has_a_script_that_knows_it():
    for run in run_queue.QUEUE:
        script, name = run.command.split()
        assert (ROOT / script).is_file()
        assert name in train_all.RUNS
    assert max(max(run.minutes.values()) for run in run_queue.QUEUE) <= 10


@pytest.mark.parametrize("name", sorted(vl.manifest()))
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
