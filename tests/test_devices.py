"""Devices, several processes under torchrun, and what is said when memory or a process is gone."""

import json
import statistics
import subprocess
import sys

import pytest
import torch
import torchrun_script
from test_train import small_fit

from vae_lib import TrainConfig, elbo, pick_device, reconstruction_log_prob
from vae_lib.devices import World, clear_errors, mixed_precision


def test_pick_device():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device().type in ("cuda", "mps", "cpu")


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_has_a_gpu_of_its_own(monkeypatch, name):
    """Under torchrun the local rank names it, as it names nothing on a CPU."""
    chosen = []
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    assert pick_device(name) == torch.device("cuda", 3) == chosen[0]
    assert pick_device("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match="device='cuda:1' under torchrun: write 'cuda'"):
        pick_device("cuda:1")
    monkeypatch.delenv("LOCAL_RANK")
    assert pick_device("cuda:1") == torch.device("cuda", 1) == chosen[-1]


@pytest.mark.parametrize(
    "device, capability, expected",
    [("cuda", (7, 5), "float16"), ("cuda", (8, 0), "bfloat16"), ("cuda", (9, 0), "bfloat16"),
     ("mps", None, "float32"), ("cpu", None, "bfloat16")],
)  # fmt: skip
def test_mixed_precision_suits_the_device(monkeypatch, device, capability, expected):
    """T4 (7.5), A100 (8.0), H200 (9.0)."""
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert mixed_precision(torch.device(device)) == expected


def test_mixed_means_one_of_the_others():
    mixed, history = small_fit(precision="mixed", epochs=1)
    named, named_history = small_fit(precision="bfloat16", epochs=1)
    assert history["value"] == named_history["value"]
    for a, b in zip(mixed.parameters(), named.parameters(), strict=True):
        assert torch.equal(a, b)


def too_large_for_this_machine(model, x):
    torch.empty(2**60)


def too_large_for_a_gpu(model, x):
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


@pytest.mark.parametrize("objective", [too_large_for_this_machine, too_large_for_a_gpu])
def test_out_of_memory_names_the_knob(objective):
    with pytest.raises(MemoryError, match="batch_size=16, precision='float32': lower batch_size"):
        small_fit(objective=objective)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="shape '\\[7\\]' is invalid"):
        small_fit(objective=lambda model, x: x.view(7))


FAULTS = """
import resource, statistics, torch
from vae_lib.devices import keep_freed_memory
{call}
torch.set_num_threads(1)
faults = []
for step in range(20):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(10_000_000) + 1  # two activations of 40 MB
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(int(statistics.median(faults[10:])))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_freed_memory_is_kept():
    """Page faults are counted: without the call a step fetches its 80 MB anew, page by page.

    The median step is judged: where the heap happens to lie, it may grow late, once or twice.
    """
    count = []
    for call in ("", "keep_freed_memory()"):
        run = [sys.executable, "-c", FAULTS.format(call=call)]
        count.append(int(subprocess.run(run, capture_output=True, check=True).stdout))
    assert count[0] > 1_000 and count[1] < count[0] / 20


def torchrun(*arguments):
    """The reader's script in two processes; returns its result."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", "2", torchrun_script.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def reports(folder):
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank_*.json"))]


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run = torchrun(folder)
    assert run.returncode == 0, run.stderr
    return run, reports(folder)


def test_two_processes_share_the_images(shared_run):
    """Each epoch shows every image once, to one of them; one process speaks."""
    run, (first, second) = shared_run
    assert run.stdout.count("6 epochs of 10 batches of 64 (625 images) on 2 x cpu") == 2
    for epoch in range(torchrun_script.EPOCHS):
        steps = slice(10 * epoch, 10 * epoch + 10)
        names = [[image for x in part["seen"][steps] for image in x] for part in (first, second)]
        numbers = [{int(low + 256 * high) for low, high in part} for part in names]
        assert numbers[0] | numbers[1] == set(range(625)) and not numbers[0] & numbers[1]
        assert [len(part) for part in names] == [9 * 32 + 25, 9 * 32 + 24]


def test_two_processes_learn_what_one_learns(shared_run):
    """One model in both, bit for bit.  Without noise it is that of one process within rounding;
    with noise, which the processes draw each for itself, its bound is within three sd of seeds."""
    _, (first, second) = shared_run
    assert first["weights"] == second["weights"]
    assert [r["value"] for r in first["rows"]] == [r["value"] for r in second["rows"]]
    alone, _ = torchrun_script.train("autoencoder", reconstruction_log_prob)
    for ours, theirs in zip(first["without_noise"], alone, strict=True):
        assert ours["value"] == pytest.approx(theirs["value"], abs=0.02)
    runs = [torchrun_script.train("vae", elbo, seed)[0] for seed in range(1, 6)]
    values = [rows[-1]["value"] for rows in runs]
    spread = statistics.stdev(values)
    assert abs(first["rows"][-1]["value"] - statistics.mean(values)) < 3 * spread < 40
    assert alone[-1]["value"] - alone[0]["value"] > 100, "nothing was learned"


def test_a_killed_process_ends_the_run(shared_run, tmp_path):
    """It says so; the checkpoint is whole; the same command repeats the run that was not cut."""
    run = torchrun(tmp_path, 2)
    assert run.returncode != 0 and reports(tmp_path) == []
    assert "rank      : 1" in run.stderr and "SIGKILL" in run.stderr
    assert len(torch.load(tmp_path / "checkpoint.pt", weights_only=True)["rows"]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.pt"]
    assert torchrun(tmp_path).returncode == 0
    assert reports(tmp_path)[0]["weights"] == shared_run[1][0]["weights"]


def test_the_survivor_says_what_to_do():
    """torchrun may stop it before it can speak, so its words are tested by themselves."""
    gone = RuntimeError("[third_party/gloo/gloo/transport/tcp/pair.cc:545] Connection reset")
    for checkpoint, words in (("c.pt", "c.pt is whole"), (None, "with checkpoint=")):
        config = TrainConfig(checkpoint=checkpoint)
        with (
            pytest.raises(ConnectionError, match=f"process 0 of 2 lost another.*{words}"),
            clear_errors(config, World(0, 2)),
        ):
            raise gone
    with pytest.raises(RuntimeError, match="Connection reset"), clear_errors(config, World(0, 1)):
        raise gone
