"""The speedrun: what its clock sees, what a cut leaves behind, who is told that a target is met."""

import json
import sys
import time
from pathlib import Path

import pytest
import torch
from scipy import stats

import vae_lib as vl

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
import speedrun
from speed import epochs, floor, race, timing

MLP = {"net": "mlp", "hidden": [8]}
TINY = race.Recipe(238.0, 3.0, MLP, {"epochs": 2, "batch_size": 32})


@pytest.fixture
def bench(tmp_path):
    images, _ = vl.load_fashion_mnist("train")
    test = vl.binarize(images[:20])
    return timing.Bench(images[:80], test, tmp_path / "parts", {"code": "a"})


# --- the clock ---------------------------------------------------------------------------------


def sleeps(seconds, when):
    """The ELBO, asleep for some seconds whenever when(model) is true."""

    def objective(model, x):
        if when(model):
            time.sleep(seconds)
        return elbo(model, x)

    elbo = vl.elbo
    return objective


def first_call():
    calls = iter([True])
    return lambda model: next(calls, False)


SLOW = {  # planted: what is slow, by how much, and which of the three clocks must show it
    "compiling in the first step of the process": (0.5, first_call, "warm_up"),
    "evaluation": (0.25, lambda: lambda model: not model.training, "other"),  # twice
    "training": (0.1, lambda: lambda model: model.training, "seconds"),  # six steps
}


@pytest.mark.parametrize("planted", SLOW)
def test_clock_sees_training_and_nothing_else(bench, monkeypatch, planted):
    delay, when, where = SLOW[planted]
    usual = timing.timed_fit(MLP, bench.images, TINY.config, bench.test)[2]
    monkeypatch.setattr(vl, "elbo", sleeps(delay, when()))
    _, history, outside = timing.timed_fit(MLP, bench.images, TINY.config, bench.test)
    seen = outside | {"seconds": sum(history["seconds"])}
    assert seen[where] >= 0.5
    assert all(seen[k] < 0.5 for k in seen if k not in (where, "warm_up")), (seen, usual)


def test_clock_does_not_see_graph_capture(bench, monkeypatch):
    """What `fit` does before its first epoch is outside."""
    fit = vl.fit

    def slow_fit(*args, **kwargs):
        time.sleep(0.5)
        return fit(*args, **kwargs)

    monkeypatch.setattr(vl, "fit", slow_fit)
    _, history, outside = timing.timed_fit(MLP, bench.images, TINY.config)
    assert sum(history["seconds"]) < 0.5 <= min(outside.values())


def test_warm_up_meets_every_batch_shape_and_no_more(bench, monkeypatch):
    """Compiled code is made for a shape; 80 images in batches of 32 end with one of 16."""
    seen, fit = [], vl.fit
    elbo = vl.elbo

    def note(model, x):
        seen[-1].append(len(x))
        return elbo(model, x)

    monkeypatch.setattr(vl, "elbo", note)
    monkeypatch.setattr(vl, "fit", lambda *a, **k: (seen.append([]), fit(*a, **k))[1])
    many = bench.images.repeat(10, 1, 1, 1)[:336]  # 10 batches of 32 and one of 16
    timing.timed_fit(MLP, many, TINY.config)
    warm_up, run = seen
    assert {32, 16} == set(warm_up) == set(run)
    assert len(warm_up) < len(run) / 4


def test_warm_up_trains_a_model_of_its_own(bench):
    """The seed's run is what `fit` alone would give."""
    config = TINY.config | {"seed": 3}
    model, history, _ = timing.timed_fit(MLP, bench.images, config, bench.test)
    alone = timing.fresh_model(MLP, seed=3)
    wanted = vl.fit(alone, vl.elbo, bench.images, vl.TrainConfig(binarize=True, **config))
    assert history["value"] == pytest.approx(wanted["value"], abs=1e-3)
    for ours, theirs in zip(model.parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_compiled_runs_start_from_nothing(bench, monkeypatch):
    calls = []
    monkeypatch.setattr(torch.compiler, "reset", lambda: calls.append("reset"))
    fit = vl.fit

    def fake_fit(model, objective, data, config, valid=None):
        calls.append("fit")
        plain = timing.dataclasses.replace(config, compile=False)
        return fit(model, objective, data, plain, valid)

    monkeypatch.setattr(vl, "fit", fake_fit)
    timing.timed_fit(MLP, bench.images, TINY.config | {"compile": True})
    assert calls == ["reset", "fit", "fit"]


# --- the -ELBO that counts ---------------------------------------------------------------------


def test_every_seed_is_judged_on_the_same_draw(bench, monkeypatch):
    """`fit` does not binarise the test draw anew, and its curve ends where the final value lies."""
    seen, elbo = [], vl.elbo

    def note(model, x):
        if not model.training:
            seen.append(x)
        return elbo(model, x)

    monkeypatch.setattr(vl, "elbo", note)
    for seed in (0, 1):
        run = race.run_seed(TINY, seed, bench)
        assert len(run["curve"]) == len(run["seconds"]) == 2
        # the two differ by their draws of z alone
        assert run["curve"][-1] == pytest.approx(run["neg_elbo"], rel=0.02)
    assert len(seen) == 4 and all(torch.equal(x.cpu(), bench.test) for x in seen)


def test_test_draw_is_fixed_and_full(tmp_path):
    small = speedrun.load_bench(None, True, tmp_path)
    images, _ = vl.load_fashion_mnist("test")
    wanted = vl.binarize(images[:100], torch.Generator().manual_seed(0))
    assert torch.equal(small.test, wanted) and len(small.images) == 300


def planted(neg_elbos, seconds=(0.5, 0.3)):
    outside = {"warm_up": 5.0, "other": 1.0}
    return [
        {"neg_elbo": v, "seconds": [s + 0.01 * i for s in seconds], "outside": outside, "curve": []}
        for i, v in enumerate(neg_elbos)
    ]


UNDER = [237.9, 237.8, 238.1, 237.9, 237.7, 237.9, 238.0, 237.8, 237.9, 237.6]


def test_score_is_the_mean_of_all_seeds():
    entry = race.summary(TINY, planted(UNDER))
    assert entry["neg_elbo"]["mean"] == pytest.approx(237.86)
    assert entry["score"] == pytest.approx(0.8 + 2 * 0.045) and entry["goal_met"]
    assert entry["seconds"]["sd"] == pytest.approx(stats.tstd(entry["seconds"]["values"]))
    wanted = stats.ttest_1samp(UNDER, TINY.target).statistic
    assert entry["t"] == pytest.approx(-wanted)


def test_best_seed_does_not_make_up_for_the_mean():
    """Nine seeds just over the target and one far under it, but not far enough."""
    entry = race.summary(TINY, planted([238.1] * 9 + [237.2]))
    assert min(entry["neg_elbo"]["values"]) < TINY.target < entry["neg_elbo"]["mean"]
    assert entry["score"] is None and not entry["goal_met"] and entry["t"] < 0


def test_reached_but_slow_has_a_score_and_misses_the_goal():
    entry = race.summary(TINY, planted(UNDER, seconds=(2.0, 2.0)))
    assert entry["score"] == pytest.approx(4.09) and not entry["goal_met"]


def test_compiling_inside_the_clock_would_show():
    assert race.summary(TINY, planted(UNDER, (20.0, 0.3, 0.3)))["first_epoch"] > 30
    assert race.summary(TINY, planted(UNDER, (0.3, 0.3, 0.3)))["first_epoch"] == pytest.approx(1)


# --- cut and resumed ---------------------------------------------------------------------------


def counted(monkeypatch, cut_at=None):
    """Count the seeds that are trained; a cut comes in the middle of one."""
    calls, run_seed = [], race.run_seed

    def wrapper(recipe, seed, bench):
        calls.append(seed)
        if seed == cut_at and calls.count(seed) == 1:
            raise KeyboardInterrupt
        return run_seed(recipe, seed, bench)

    monkeypatch.setattr(race, "run_seed", wrapper)
    return calls


def test_cut_run_goes_on_and_repeats_nothing(bench, monkeypatch, tmp_path):
    whole = race.race("a", TINY, 4, bench._replace(parts=tmp_path / "whole"))
    calls = counted(monkeypatch, cut_at=2)
    with pytest.raises(KeyboardInterrupt):
        race.race("a", TINY, 4, bench)
    assert sorted(p.name for p in bench.parts.iterdir()) == ["a_s0.json", "a_s1.json"]
    entry = race.race("a", TINY, 4, bench)
    assert calls == [0, 1, 2, 2, 3]
    assert entry["neg_elbo"] == whole["neg_elbo"]
    race.race("a", TINY, 4, bench)
    assert calls == [0, 1, 2, 2, 3]


def test_cut_while_writing_leaves_no_half_file(bench, monkeypatch):
    calls = counted(monkeypatch)

    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(timing.os, "replace", cut)
        with pytest.raises(KeyboardInterrupt):
            race.race("a", TINY, 1, bench)
    assert not list(bench.parts.glob("*.json"))
    race.race("a", TINY, 1, bench)
    assert calls == [0, 0]
    assert [p.name for p in bench.parts.iterdir()] == ["a_s0.json"]


@pytest.mark.parametrize("change", ["recipe", "code"])
def test_what_was_measured_otherwise_is_measured_again(bench, monkeypatch, change):
    calls, recipe = counted(monkeypatch), TINY
    race.race("a", recipe, 1, bench)
    if change == "recipe":
        recipe = TINY._replace(config=TINY.config | {"lr": 2e-3})
    else:
        bench = bench._replace(settings={"code": "b"})
    race.race("a", recipe, 1, bench)
    assert calls == [0, 0]


def test_code_version_is_that_of_the_library(tmp_path, monkeypatch):
    (tmp_path / "__init__.py").write_text("a = 1\n")
    monkeypatch.setattr(vl, "__file__", str(tmp_path / "__init__.py"))
    before = timing.code_version()
    assert before == timing.code_version()
    (tmp_path / "train.py").write_text("b = 1\n")
    assert timing.code_version() != before


# --- the floor and the epochs ------------------------------------------------------------------


def test_flops_and_bytes_of_an_mlp_are_those_counted_by_hand():
    h, j = 400, 20
    model = vl.make_model("vae", net="mlp", latent_dim=j)
    work = floor.work_per_image(model, torch.rand(64, 1, 28, 28), "float32")
    products = 784 * h + 2 * h * j + j * h + h * 784
    # forward, weights' gradients, and inputs' gradients but for the first layer's
    assert work["flops"] == 2 * (3 * products - 784 * h)
    # images, logits and both hidden layers, and a few latents, written and read in float32
    least = 2 * 4 * (2 * 784 + 2 * h)
    assert least + 2 * 4 * 2 * j <= work["bytes"] <= least + 2 * 4 * 8 * j
    half = floor.work_per_image(model, torch.rand(64, 1, 28, 28), "bfloat16")
    assert half["flops"] == work["flops"] and half["bytes"] < work["bytes"]


def test_floor_is_arithmetic_plus_bytes():
    rates = {"float32": 2e12, "bfloat16": 8e12, "copy": 1e12}
    work = {"flops": 4e6, "bytes": 1e6}
    assert floor.floor_seconds(work, rates, "float32", 1000) == pytest.approx(3e-3)
    assert floor.floor_seconds(work, rates, "bfloat16", 1000) == pytest.approx(1.5e-3)


def test_median_leaves_out_the_first_calls():
    slow = iter([True] * 3)

    def work():
        end = time.process_time() + (0.2 if next(slow, False) else 0.001)
        while time.process_time() < end:
            pass

    assert 0.001 <= floor.median_seconds(work, torch.device("cpu"), repeats=3) < 0.1


def test_goals_of_an_epoch():
    rates = {"float32": 1e12, "bfloat16": 1e12, "copy": 1e12}
    row = {"precision": "float32", "per_image": {"flops": 1e6, "bytes": 1e6}}  # floor: 0.12 s
    cases = [(128, 0.09, True), (128, 0.11, False), (4096, 0.35, True), (4096, 0.37, False)]
    for batch_size, seconds, met in cases:
        times = [9.0, seconds, 8.0, seconds, 8.0, seconds]  # the median of all six would differ
        given = row | {"batch_size": batch_size, "seconds": times}
        found = epochs.against_goals(given, rates, 60_000)
        assert found["median"] == seconds and found["goal_met"] == met
        assert found["over_floor"] == pytest.approx(seconds / 0.12)


def test_a_variant_that_fails_is_a_row_and_stops_nothing(bench, monkeypatch):
    monkeypatch.setattr(epochs, "NETS", ("mlp",))
    variants = {"eager": {}, "too much": {"cuda_graph": True}}
    if torch.cuda.is_available():
        pytest.skip("planted with an option that a CPU refuses")
    rates = {"float32": 1e12, "copy": 1e12}
    rows = epochs.epoch_rows(variants, rates, bench)
    assert [("failed" in row) for row in rows] == [False, True, False, True]
    assert "cuda_graph" in rows[1]["failed"]
    assert "failed: ValueError" in epochs.epoch_table(rows, "")
    assert len(list(bench.parts.iterdir())) == 2  # a failure is tried again
    assert all(len(row["seconds"]) == epochs.EPOCHS for row in rows[::2])


# --- the script --------------------------------------------------------------------------------


def test_recipes_and_variants_are_words_that_the_library_knows():
    for recipe in speedrun.RECIPES.values():
        vl.TrainConfig(binarize=True, **recipe.config)
        timing.fresh_model(recipe.model, 0)
        assert json.loads(json.dumps(recipe._asdict())) == recipe._asdict()
    for options in epochs.VARIANTS.values():
        vl.TrainConfig(**options)


def test_only_a_whole_run_on_a_gpu_goes_into_the_repository():
    to = speedrun.destination
    assert to(cuda=True, seeds=10, rehearse=False) == speedrun.RESULT
    for cuda, seeds, rehearse in [(False, 10, False), (True, 9, False), (True, 10, True)]:
        assert to(cuda, seeds, rehearse).parent == speedrun.RUNS


@pytest.fixture
def small_script(monkeypatch, tmp_path):
    """The script with small nets, writing into tmp_path."""
    monkeypatch.setattr(speedrun, "RUNS", tmp_path)
    monkeypatch.setattr(speedrun, "RESULT", tmp_path / "results" / "speedrun.json")
    monkeypatch.setattr(speedrun, "RECIPES", {"a": TINY, "b": TINY._replace(target=900.0)})
    monkeypatch.setattr(epochs, "NETS", ("mlp",))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    return tmp_path


def test_rehearsal(small_script, capsys):
    speedrun.main(["--rehearse"])
    assert [p.name for p in small_script.iterdir()] == ["speedrun_rehearsal.json"]
    result = json.loads((small_script / "speedrun_rehearsal.json").read_text())
    assert result["rehearsal"] and result["seeds"] == 2
    assert result["races"]["a"]["score"] is None and result["races"]["b"]["score"] > 0
    assert [len(entry["runs"]) for entry in result["races"].values()] == [2, 2]
    assert len(result["epochs"]) == 2 and not any("failed" in row for row in result["epochs"])
    assert {"code", "versions", "images", "rates"} <= result.keys()
    printed = capsys.readouterr().out
    assert "warm-up and compiling" in printed and speedrun.table(result) in printed


def test_without_a_gpu_nothing_is_claimed(small_script):
    with pytest.raises(SystemExit):
        speedrun.main([])
    assert list(small_script.iterdir()) == [] and not speedrun.RESULT.exists()


def planted_result():
    work = {"flops": 3.28e6, "bytes": 2e4}
    rates = {"float32": 4e14, "bfloat16": 8e14, "copy": 4e12}
    rows = [
        {"net": "mlp", "batch_size": batch, "variant": "eager", "precision": "float32",
         "per_image": work, "seconds": [9.0, 0.15, 0.15, 0.15, 0.15, 0.15]}
        for batch in (128, 4096)
    ]  # fmt: skip
    rows = [row | epochs.against_goals(row, rates, 60_000) for row in rows]
    rows.append({"net": "conv", "batch_size": 128, "variant": "compile", "failed": "E: a|b"})
    missed = TINY._replace(target=234.0, goal=20.0)
    return {
        "races": {
            "238": race.summary(TINY, planted(UNDER)),
            "234": race.summary(missed, planted([234.5] * 10)),
        },
        "epochs": rows,
        "rates": rates,
        "versions": {"accelerator": "a card", "torch": "2.99"},
        "seeds": 10,
        "rehearsal": False,
    }


def test_table_says_what_was_met_and_what_was_missed():
    table = speedrun.table(planted_result())
    lines = [
        [c.strip() for c in line.split("|")[1:-1]] for line in table.split("\n") if "|" in line
    ]
    races, times = lines[2:4], lines[6:9]
    assert races[0][2:] == ["237.86 ± 0.14", "0.89 ± 0.06", "< 3 s: met"]
    assert races[1][2:] == ["234.50 ± 0.00", "–", "< 20 s: missed by 0.50 nats"]
    assert times[0] == ["mlp", "128", "eager", "150.0", "0.79", "189.4", "< 100 ms: missed"]
    assert times[1][-1] == "≤ 3 floors: missed"
    assert times[2][3:] == ["–", "–", "–", "failed: E: a/b"]
    assert "10 seeds on a card, torch 2.99" in table and "rehearsal" not in table
    assert {len(line) for line in lines[:4]} == {5} and {len(line) for line in lines[4:]} == {7}
    waived = speedrun.table(planted_result() | {"rehearsal": True})
    assert waived.count("waived, a rehearsal") == 2 and "missed by" not in waived


def test_table_without_a_result_is_empty_and_names_the_command():
    table = speedrun.table(None)
    rows = [[c.strip() for c in line.split("|")[1:-1]] for line in table.split("\n") if "|" in line]
    assert [row[0] for row in rows[2:4]] == ["238.0", "234.0"]
    for row in rows[2:4] + rows[6:]:
        empty = row[1:-1] if len(row) == 5 else row[2:-1]
        assert set(empty) == {""} and row[-1] == "`python experiments/speedrun.py`"
    assert len(rows) == 2 + 2 + 2 + 4


def test_stored_result_is_whole():
    result = json.loads(speedrun.RESULT.read_text()) if speedrun.RESULT.exists() else None
    if result is None:
        pytest.skip("no GPU has run it yet")
    assert result["seeds"] >= speedrun.MIN_SEEDS and not result["rehearsal"]
    assert result["images"] == 60_000 and result["versions"]["accelerator"] != "cpu"
    for entry in result["races"].values():
        again = race.summary(race.Recipe(**entry["recipe"]), entry["runs"])
        assert again == entry and len(entry["runs"]) == result["seeds"]
    assert len(result["epochs"]) == len(epochs.NETS) * 2 * len(epochs.VARIANTS)
