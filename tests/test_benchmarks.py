"""The benchmark against other libraries: its arithmetic on planted numbers, and what is stored."""

import dataclasses
import importlib.util
import json
import math
import statistics
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import vae_lib as vl

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path.insert(0, str(EXPERIMENTS))
from peers import PEERS, keras_layout, plot, race, report, worker  # noqa: E402
from peers.profiles import own_time, shares  # noqa: E402

STORED = EXPERIMENTS / "results" / "peers.json"


def planted(threads=1, **cpu):
    """A run of 100 images a round; cpu: the seconds of each round of each peer."""
    times = {
        peer: {
            "warm_up": {"cpu": 7.0, "wall": 7.0},
            "rounds": [{"cpu": s, "wall": 2 * s} for s in seconds],
        }
        for peer, seconds in cpu.items()
    }
    elbos = {peer: -250.0 - 0.1 * i for i, peer in enumerate(times)}
    seeds = [-250.0, -250.1, -249.9]
    run = {"threads": threads, "images": 100, "times": times, "test_elbo": elbos}
    return run | {"seed_elbos": seeds}


def test_ratio_is_the_median_of_paired_rounds():
    # the machine gets slower by 10 in the last rounds; ours is twice as fast throughout
    run = planted(ours=[1, 1, 1, 10, 10], pythae=[2, 2, 2, 20, 20], pyro=[4, 4, 4, 40, 40])
    summary = report.summarize(run)
    assert summary["fastest_peer"] == "pythae"
    assert summary["ratio"]["pythae"] == {"median": 2.0, "min": 2.0, "max": 2.0}
    assert summary["ratio"]["pyro"]["median"] == 4.0
    assert summary["median"] == {"ours": 100.0, "pythae": 50.0, "pyro": 25.0}


def test_ratio_takes_the_median_not_the_mean():
    summary = report.summarize(planted(ours=[1, 1, 1, 1, 1], pythae=[2, 2, 3, 3, 100]))
    assert summary["ratio"]["pythae"] == {"median": 3.0, "min": 2.0, "max": 100.0}


def test_half_precision_is_compared_with_half_precision():
    run = planted(ours=[4], ours_bf16=[2], keras_tf=[3], keras_tf_bf16=[1], floor=[0.5])
    summary = report.summarize(run)
    assert summary["ratio"]["keras_tf"]["median"] == pytest.approx(3 / 4)
    assert summary["ratio"]["keras_tf_bf16"]["median"] == pytest.approx(1 / 2)
    assert summary["fastest_peer"] == "keras_tf"
    assert "floor" not in summary["ratio"]


def test_two_threads_are_read_from_the_wall_clock():
    assert report.rates(planted(threads=2, ours=[5]))["ours"] == [10.0]
    assert report.rates(planted(threads=1, ours=[5]))["ours"] == [20.0]


@pytest.mark.parametrize("wrong", [-251.6, -248.4, math.nan, -math.inf])
def test_unequal_models_are_refused(wrong):
    run = planted(ours=[1], pythae=[2])
    run["test_elbo"] = {"ours": -250.0, "pythae": wrong}
    with pytest.raises(ValueError, match="does not train the same model"):
        report.summarize(run)
    run["test_elbo"]["pythae"] = -251.4
    assert report.summarize(run)["ratio"]["pythae"]["median"] == 2.0


def test_seed_noise_widens_the_tolerance():
    noisy, elbos = [-249.0, -250.0, -251.0], {"pythae": -252.9}  # three times a sd of 1
    report.check_equal(elbos, noisy)
    with pytest.raises(ValueError, match="pythae"):
        report.check_equal({"pythae": -253.1}, noisy)
    with pytest.raises(ValueError, match=r"within 1\.50 nats"):
        report.check_equal(elbos, [-250.0, -250.1, -249.9])


def test_nothing_to_compare_is_refused():
    with pytest.raises(ValueError, match="needs ours and a peer"):
        report.summarize(planted(ours=[1], floor=[1]))


def planted_quality():
    def way(peer, seconds, bounds):
        recipe = {"schedule": "constant", "lr": 1e-3, "batch_size": 128}
        return {"peer": peer, **recipe, "epoch_seconds": seconds, "bounds": bounds}

    runs = [
        way("ours", [5, 1, 1], [-250, -240, -238]),
        way("ours", [5, 2, 2], [-250, -240, -238]),
        way("pyro", [30, 10, 10, 10], [-250, -244, -240, -238.4]),
        way("pythae", [9, 9, 9], [-250, -249, -248]),
    ]
    return {"target": 238.5, "cap": 25, "runs": runs}


def test_seconds_to_quality():
    part = planted_quality()
    assert report.seconds_to(part["runs"][0], 238.5) == 3  # the first epoch as the usual one
    assert report.seconds_to(part["runs"][0], 240) == 2
    assert report.seconds_to(part["runs"][3], 238.5) is None
    summary = report.summarize_quality(part)
    assert summary["mean"] == {"ours": 4.5, "pyro": 40, "pythae": None}
    assert summary["best_peer"] == "pyro"
    assert summary["ratio"]["ours"] == pytest.approx(40 / 4.5)


def test_a_seed_that_does_not_arrive_leaves_no_mean():
    part = planted_quality()
    part["runs"][1]["bounds"][-1] = -239
    summary = report.summarize_quality(part)
    assert summary["mean"]["ours"] is None
    assert summary["ratio"] == {}


def planted_result():
    runs = {}
    for net in report.NETS:
        for threads in report.CLOCKS:
            run = planted(threads, ours=[4, 4], keras_tf=[2, 1], floor=[1, 1])
            runs[f"{net}_{threads}"] = run | {"net": net}
    profiles = {"mlp": {"shares": {"ours": {"small": 0.1, "mm": 0.6, "adam": 0.3}}}}
    return {"throughput": runs, "time_to_quality": planted_quality(), "profiles": profiles}


def test_tables_report_a_ratio_below_one_and_a_target_not_reached():
    text = report.tables(planted_result())
    row = "| Keras 3, tensorflow | 75 | 0.38 | 0.25 to 0.50 | 5.5 | −250.10 |"
    assert text.count(row) == 2  # both nets on one thread
    assert text.count("| vae_lib, `fit` | 25 |  |  | 3.0 | −250.00 |") == 2
    assert text.count("| vae_lib, `fit` | 12 |") == 2  # on two threads, from the wall clock
    assert "not reached in 27 (−248.00)" in text
    assert "| mlp | vae_lib, `fit` | `mm` 60%, `adam` 30%, `small` 10% |" in text
    assert {line.count("|") for line in text.splitlines() if line} == {7, 4}


def test_tables_are_refused_when_models_differ():
    result = planted_result()
    result["throughput"]["conv_1"]["test_elbo"]["keras_tf"] = -260.0
    with pytest.raises(ValueError, match="keras_tf"):
        report.tables(result)


def test_plots_draw_what_is_stored():
    ax = plot.plot_peers(planted_result(), "mlp")
    assert [bar.get_width() for bar in ax.patches] == [25, 75, 100]
    assert ax.get_yticklabels()[0].get_text() == PEERS["ours"][1].replace("`", "")
    lines = plot.plot_quality(planted_result()).get_lines()
    assert lines[2].get_xdata().tolist() == [30, 40, 50, 60]
    assert lines[2].get_ydata()[-1] == 238.4


@dataclasses.dataclass
class Event:
    start_ns: float
    duration_ns: float

    @property
    def end_ns(self):
        return self.start_ns + self.duration_ns


def test_time_inside_another_event_is_counted_once():
    outer, inner, deep, later = Event(0, 10), Event(2, 5), Event(3, 1), Event(12, 4)
    alone = {id(event): ns for event, ns in own_time([later, deep, outer, inner])}
    assert [alone[id(e)] for e in (outer, inner, deep, later)] == [5, 4, 1, 4]
    assert shares({"mm": 3.0, "add": 1.0}, top=1) == {"mm": 0.75}


class Layer:
    def set_weights(self, weights):
        self.kernel, self.bias = weights

    def get_weights(self):
        return [self.kernel, self.bias]


@pytest.mark.parametrize("net", ["mlp", "conv"])
def test_weights_cross_to_keras_and_back(net):
    class Vae:
        encoder = decoder = None

    vae = Vae()
    vae.encoder, vae.decoder, vae.mu, vae.logvar = Vae(), Vae(), Layer(), Layer()
    vae.encoder.layers, vae.decoder.layers = ([Layer() for _ in range(5)] for _ in range(2))
    state = vl.make_model("vae", net, latent_dim=20).state_dict()
    arrays = {name: w.numpy() for name, w in state.items()}
    keras_layout.set_weights(vae, net, arrays)
    back = keras_layout.get_weights(vae, net)
    assert back.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
    if net == "conv":  # a dense layer on features sees the same features in either order
        features = np.random.default_rng(0).normal(size=(7, 7, 64))
        ours = arrays["encoder.features.5.weight"] @ features.transpose(2, 0, 1).reshape(-1)
        theirs = features.reshape(-1) @ vae.encoder.layers[3].kernel
        np.testing.assert_allclose(theirs, ours, atol=1e-4)


def test_race_trains_in_processes_of_their_own(tmp_path):
    torch.manual_seed(0)
    state = vl.make_model("vae", "mlp", latent_dim=20).state_dict()
    np.savez(tmp_path / "initial.npz", **{name: w.numpy() for name, w in state.items()})
    images = vl.load_fashion_mnist("train").images[:300, 0].numpy()
    np.save(tmp_path / "images.npy", images)
    initial, data = str(tmp_path / "initial.npz"), str(tmp_path / "images.npy")
    task = worker.Task("ours", "mlp", data, initial, str(tmp_path / "out.npz"), epochs=3)
    with race.Racer(task) as racer:
        times = race.race([racer], rounds=2)["ours"]
    assert len(times["rounds"]) == 2
    assert all(r["cpu"] > 0 and r["wall"] > 0 for r in times["rounds"])
    trained = np.load(tmp_path / "out.npz")
    assert {name: trained[name].shape for name in trained.files} == {
        name: tuple(w.shape) for name, w in state.items()
    }
    moved = np.abs(trained["decoder.net.2.bias"] - state["decoder.net.2.bias"].numpy()).max()
    assert 1e-3 < moved < 1e-2  # nine steps of Adam at 1e-3 move a weight by about that each
    broken = dataclasses.replace(task, images=str(tmp_path / "none.npy"))
    with race.Racer(broken) as racer, pytest.raises(RuntimeError, match="No such file"):
        racer.epoch()


def load_script():
    path = EXPERIMENTS / "benchmark_peers.py"
    spec = importlib.util.spec_from_file_location("benchmark_peers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stored_result_is_whole():
    result, script = json.loads(STORED.read_text()), load_script()
    assert result["throughput"].keys() >= {"mlp_1", "conv_1"}
    for name, run in result["throughput"].items():
        assert name == f"{run['net']}_{run['threads']}"
        assert run["times"].keys() == PEERS.keys()
        assert {len(t["rounds"]) for t in run["times"].values()} == {script.ROUNDS}
        assert script.ROUNDS >= 5
    seeds = [run["seed"] for run in result["time_to_quality"]["runs"] if run["peer"] == "ours"]
    assert seeds == list(range(script.SEEDS)) and script.SEEDS >= 3
    assert result["machine"]["shared"] is True
    assert result["versions"].keys() >= {"torch", "keras", "pythae", "pyro-ppl", "lightning"}


def test_stored_summary_follows_from_the_rounds():
    result = json.loads(STORED.read_text())
    for part, run in result["throughput"].items():
        assert result["summary"][part] == report.summarize(run)
        ratio = statistics.median(
            theirs[report.CLOCKS[run["threads"]]] / ours[report.CLOCKS[run["threads"]]]
            for ours, theirs in zip(
                run["times"]["ours"]["rounds"], run["times"]["keras_tf"]["rounds"], strict=True
            )
        )
        assert result["summary"][part]["ratio"]["keras_tf"]["median"] == pytest.approx(ratio)
    assert result["summary"]["quality"] == report.summarize_quality(result["time_to_quality"])


def test_a_missed_target_has_its_profile():
    result = json.loads(STORED.read_text())
    for net, target in (("mlp", 2.0), ("conv", 1.5)):
        summary = result["summary"][f"{net}_1"]
        if summary["ratio"][summary["fastest_peer"]]["median"] < target:
            of = result["profiles"][net]["shares"]
            assert {"ours", "keras_tf"} <= of.keys()
            assert all(0.3 < sum(each.values()) <= 1.001 for each in of.values())


def test_requirements_pin_what_was_measured():
    pins = (EXPERIMENTS / "requirements_peers.txt").read_text().splitlines()
    versions = dict(line.split("==") for line in pins if line and not line.startswith("#"))
    result = json.loads(STORED.read_text())
    for package, version in result["versions"].items():
        assert version.split("+")[0] == versions[package]
