"""The sweeps of chapter 12: what the script measures, that it resumes, and what is stored."""

import json
import math
import statistics
import sys
from pathlib import Path

import pytest
import torch
from torch import distributions as td

import vae_lib as vl

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import sweeps
import tables

POINTS = [sweeps.Point(0.25, 3), sweeps.Point(4, 3)]
SETTINGS = sweeps.Settings(epochs=30, lr=1e-2, hidden=(16,), draws=20, few=10, few_draws=100, k=50)
SCORES = {
    "rate", "distortion", "elbo", "log_px", "gap", "mutual_information", "aggregate_kl",
    "information_upper", "active",
}  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The script run on 256 images, its files, and the test images that it measured with."""
    folder = tmp_path_factory.mktemp("sweep")
    train, test = (vl.load_fashion_mnist(split).images for split in ("train", "test"))

    def load(split, size, root):
        assert (size, root) == ("full", "there")
        return vl.data.Images({"train": train[:256], "test": test[:30]}[split], None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sweeps.py", "beta_sweep", "--data", "there"])
        patch.setattr(sweeps.vl, "load_fashion_mnist", load)
        for name, value in {
            "SWEEPS": {"beta_sweep": POINTS},
            "SEEDS": (0, 1),
            "Settings": lambda: SETTINGS,
            "CHECKPOINTS": folder,
            "ASSETS": folder,
        }.items():
            patch.setattr(sweeps, name, value)
        sweeps.main()
    x = vl.binarize(test[:30], torch.Generator().manual_seed(0))
    return folder, train[:256], x, json.loads((folder / "beta_sweep.json").read_text())


def model_of(folder, point, seed):
    """The model that the script trained, from its checkpoint."""
    model = vl.make_model("vae", "mlp", point.latents, hidden=SETTINGS.hidden)
    path = folder / "sweeps" / f"beta_{point.beta:g}_j{point.latents}_s{seed}.pt"
    model.load_state_dict(torch.load(path, weights_only=True)["model"])
    return model.eval()


@torch.no_grad()
def directly(model, x, draws=1000):
    """{score: (value, error)} by plain sampling, and the KL per dimension, from td alone.

    error: the standard deviation of the script's estimate, which has fewer draws than this one.
    """
    mu, logvar = model.encode(x)
    q, prior = td.Normal(mu, torch.exp(0.5 * logvar)), td.Normal(0.0, 1.0)
    rates = td.kl_divergence(q, prior)
    z = q.sample((draws,))
    logits = model.decode(z.flatten(0, 1)).view(draws, *x.shape)
    log_px_z = td.Bernoulli(logits=logits).log_prob(x).flatten(2).sum(2)
    log_w = (log_px_z + (prior.log_prob(z) - q.log_prob(z)).sum(2))[:, : SETTINGS.few]
    log_px = torch.logsumexp(log_w.unflatten(0, (-1, SETTINGS.k)), 1) - math.log(SETTINGS.k)
    # log q_n of every image n at every draw of every image
    log_q = td.Normal(mu, q.stddev).log_prob(z.unsqueeze(2)).sum(3)
    own = log_q.diagonal(dim1=1, dim2=2)
    others = log_q.masked_fill(torch.eye(len(x), dtype=torch.bool), -math.inf)
    information = own - torch.logsumexp(log_q, 2) + math.log(len(x))
    upper = own - torch.logsumexp(others, 2) + math.log(len(x) - 1)

    def over(rounds, times=1):
        """The mean, and the sd of one round (draws of all images) over the root of `times`."""
        each = rounds.mean(1)
        return each.mean().item(), each.std().item() / math.sqrt(times)

    rate = rates.sum(1).mean().item()
    (evidence, error), (shared, share_error) = over(log_px), over(information)
    return {
        "rate": (rate, 1e-4),
        "distortion": over(-log_px_z, SETTINGS.draws),
        "elbo": over(log_px_z - rates.sum(1), SETTINGS.draws),
        "log_px": (evidence, error),
        "gap": (evidence - log_w.mean().item(), error + over(log_w, SETTINGS.few_draws)[1]),
        "mutual_information": (shared, share_error),
        "aggregate_kl": (rate - shared, share_error),
        "information_upper": over(upper),
        "active": ((mu.var(0) > 0.01).sum().item(), 0),
    }, rates.mean(0)


def test_every_score_is_what_sampling_from_torch_gives(tiny):
    """Every model and score, within four standard deviations of one estimate."""
    folder, _, x, result = tiny
    for point, stored in zip(POINTS, result["points"], strict=True):
        assert (stored["beta"], stored["latents"]) == point
        for i, seed in enumerate(result["seeds"]):
            expected, per_dimension = directly(model_of(folder, point, seed), x)
            assert expected.keys() == SCORES
            for score, (value, error) in expected.items():
                assert stored[score]["values"][i] == pytest.approx(value, abs=4 * error), score
            assert stored["kl_per_dimension"][i] == pytest.approx(per_dimension.tolist(), abs=1e-3)


def test_each_model_is_trained_with_its_beta_and_its_seed(tiny):
    """The weights of the checkpoint are those of a training written out here."""
    folder, images, _, result = tiny
    low, high = (point["rate"]["values"] for point in result["points"])
    assert min(low) > 2 * max(high) and len({*low, *high}) == 4
    vl.set_seed(1)
    model = vl.make_model("vae", "mlp", 3, hidden=[16])
    config = vl.TrainConfig(epochs=30, lr=1e-2, binarize=True, seed=1, progress=False)
    vl.fit(model, lambda model, x: vl.beta_elbo(model, x, 4), images, config)
    expected = model_of(folder, POINTS[1], 1).state_dict()
    for name, weights in model.state_dict().items():
        assert torch.allclose(weights, expected[name], atol=1e-6), name


def test_a_run_that_is_cut_off_goes_on(tiny, tmp_path, monkeypatch):
    """Cut off while it measures the second model: the first is kept, and the result is the same."""
    _, images, x, result = tiny
    run = (POINTS, (0, 1), images, x, SETTINGS, tmp_path)
    measured = []

    def measure(model, x, settings, stop_at=2):
        measured.append(model)
        if len(measured) == stop_at:
            raise KeyboardInterrupt
        return original(model, x, settings)

    original = sweeps.measure
    monkeypatch.setattr(sweeps, "measure", measure)
    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(*run)
    assert len(list(tmp_path.glob("*.json"))) == 1 and len(list(tmp_path.glob("*.pt"))) == 2
    trained = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*.pt")}
    assert sweeps.sweep(*run)["points"] == result["points"]
    assert len(measured) == 2 + 3
    assert {path: path.stat().st_mtime_ns for path in trained} == trained
    assert not list(tmp_path.glob("*.partial"))
    sweeps.sweep(*run)
    assert len(measured) == 5


def test_scores_of_other_settings_are_not_taken_for_these(tiny, monkeypatch):
    folder, images, x, _ = tiny
    monkeypatch.setattr(sweeps, "measure", lambda *of: dict(rate=7, distortion=0))
    again = (POINTS[0], 0, images, x)
    path = folder / "sweeps" / "beta_0.25_j3_s0.json"
    before = path.read_text()
    done = sweeps.one_model(*again, SETTINGS._replace(draws=7), folder / "sweeps")
    path.write_text(before)
    assert done["scores"]["rate"] == 7
    assert sweeps.one_model(*again, SETTINGS, folder / "sweeps") == json.loads(before)


@pytest.mark.parametrize("name", sweeps.SWEEPS)
def test_the_stored_sweep_is_whole(name):
    """Every point with three seeds, finite scores, and the sums that hold whatever was learnt."""
    result = vl.load_result(name)
    assert result["seeds"] == list(sweeps.SEEDS) and len(result["seeds"]) >= 3
    images = {"training_images": 60_000, "test_images": 10_000}
    assert result["config"] == sweeps.Settings()._asdict() | images | {"hidden": [400]}
    assert [(p["beta"], p["latents"]) for p in result["points"]] == sweeps.SWEEPS[name]
    for point in result["points"]:
        values = {score: point[score]["values"] for score in SCORES}
        for score, of_seeds in values.items():
            assert len(of_seeds) == 3 and all(map(math.isfinite, of_seeds)), score
            assert point[score]["mean"] == pytest.approx(statistics.mean(of_seeds), abs=1e-3)
            assert point[score]["sd"] == pytest.approx(statistics.stdev(of_seeds), abs=1e-3)
        assert len(set(values["distortion"])) == 3  # other weights, other values
        for i in range(3):
            seed = {score: of_seeds[i] for score, of_seeds in values.items()}
            parts = point["kl_per_dimension"][i]
            assert len(parts) == point["latents"] >= seed["active"] >= 0
            assert sum(parts) == pytest.approx(seed["rate"], abs=0.01)
            split = seed["mutual_information"] + seed["aggregate_kl"]
            assert split == pytest.approx(seed["rate"], abs=0.01)
            assert seed["elbo"] == pytest.approx(-seed["distortion"] - seed["rate"], abs=1e-3)
            assert -0.01 < seed["mutual_information"] < math.log(10_000) + 0.01
            assert 150 < seed["distortion"] < 784 * math.log(2)


def test_the_table_has_a_row_for_each_point(tiny):
    result = tiny[-1]
    head, _, *rows = tables.sweep_table(result).split("\n")
    assert head.startswith("| beta | latents | rate | distortion |")
    assert len(rows) == len(POINTS)
    for row, point in zip(rows, result["points"], strict=True):
        cells = row.split(" | ")
        assert cells[0].strip("| ") == f"{point['beta']:g}" and cells[1] == "3"
        assert cells[2] == tables.number(point["rate"])
        assert cells[3] == tables.number(point["distortion"])
        assert row.count("|") == head.count("|")
