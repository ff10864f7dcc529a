"""vae_lib against pythae, Keras, Lightning, Pyro and the canonical PyTorch loop, in one run.

    python experiments/benchmark_peers.py [PART ...] [--data FOLDER] [--rehearse | --done]

PART: mlp_1 conv_1 mlp_2 conv_2 (net, threads), quality, profiles; default all.  What is done is
kept in _runs/peers, so that a run that is cut off goes on; delete that to measure anew.
Same net, same initial weights, same loss, Adam, batch 128, grey targets (what every one of these
libraries has in its example).  Every peer is a process of its own; the rounds are interleaved.
Needs requirements_peers.txt and vae_lib.  Two threads need a machine with nothing else to do.
Writes results/peers.json and results/peers.svg.  --rehearse: few images, nothing is written.
--done: measure nothing, write what there is.
"""

import argparse
import importlib.metadata
import json
import os
import platform
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import torch
from peers import PEERS
from peers.files import Files, NotMeasured
from peers.plot import draw
from peers.profiles import N_IMAGES, shares
from peers.race import Racer, race
from peers.report import is_peer, summarize, summarize_quality, tables

import vae_lib as vl

HERE = Path(__file__).parent
RESULT = HERE / "results" / "peers.json"
ROUNDS = 5
IMAGES = {"mlp": 25_600, "conv": 9_600}  # of one epoch: some seconds
PACKAGES = ("torch", "keras", "tensorflow", "jax", "lightning", "pyro-ppl", "pythae", "numpy")
TARGET, CAP, SEEDS = 238.5, 300, 3  # nats per image; CPU-seconds of a peer; ours
RECIPE = {"epochs": 17, "lr": 6e-3, "batch_size": 128, "schedule": "one_cycle"}
# what a peer's own VAE example uses; where it has none, what the canonical one does
BATCH = {"keras_jax": 128, "keras_tf": 128, "pythae": 64, "pyro": 256}


def throughput(files, net, threads):
    """One table: every peer and the floor, interleaved."""
    n_images = IMAGES[net] // (3 if files.few else 1)
    settings = {"net": net, "threads": threads, "images": n_images, "rounds": ROUNDS}

    def measure():
        tasks = [
            files.task(peer, net, n_images, epochs=ROUNDS + 1, threads=threads) for peer in PEERS
        ]
        with ExitStack() as stack:
            times = race([stack.enter_context(Racer(task)) for task in tasks], ROUNDS)
        # the clock stopped at the last tick, when the weights were written
        elbos = {t.peer: files.test_elbo(t, files.test / 255) for t in tasks if t.peer != "floor"}
        return {**settings, "times": times, "test_elbo": elbos, "load": os.getloadavg()[1]}

    run = files.once(f"{net}_{threads}", measure, settings)
    return run | {"seed_elbos": seed_elbos(files, net, n_images)}


def seed_elbos(files, net, n_images):
    """The test ELBO of ours after as many epochs, from the same initial weights, over seeds."""

    def measure():
        elbos = []
        for seed in range(1, 6):
            task = files.task("ours", net, n_images, epochs=ROUNDS + 1)
            with Racer(replace(task, seed=seed)) as racer:
                for _ in range(ROUNDS + 1):
                    racer.epoch()
            elbos.append(files.test_elbo(task, files.test / 255))
        return {"elbos": elbos}

    settings = {"net": net, "images": n_images, "epochs": ROUNDS + 1}
    return files.once(f"seeds_{net}", measure, settings)["elbos"]


def to_quality(files, peer, seed):
    """One run towards the target: CPU-seconds and test ELBO of every epoch."""
    recipe = {"epochs": 1000, "lr": 1e-3, "batch_size": BATCH.get(peer, 128)}
    recipe = {"schedule": "constant", **recipe} if is_peer(peer) else dict(RECIPE)
    n_images, cap = (6_400, 5) if files.few else (len(files.train), CAP)
    settings = {"peer": peer, "seed": seed, "images": n_images, **recipe}
    limits = {"target": TARGET, "cap": cap}
    binary = vl.binarize(files.test, torch.Generator().manual_seed(0))

    def measure():
        task = files.task(peer, "mlp", n_images, seed, binarize=True, **recipe)
        seconds, bounds = [], []
        with Racer(task) as racer:
            while len(seconds) < recipe["epochs"] and sum(seconds) < cap:
                seconds.append(racer.epoch()["cpu"])
                bounds.append(files.test_elbo(task, binary))
                if is_peer(peer) and -bounds[-1] <= TARGET:
                    break
        return {**settings, "epoch_seconds": seconds, "bounds": bounds}

    return files.once(f"quality_{peer}_s{seed}", measure, settings | limits)


def quality(files):
    """All runs; the seeds of ours stand between the peers, so that the machine is the same."""
    order = [(peer, 0) for peer in PEERS if is_peer(peer) and not peer.endswith("_bf16")]
    for seed in range(SEEDS):
        order[4 * seed : 4 * seed] = [("ours", seed), ("ours_bf16", seed)]
    runs = []
    for peer, seed in order:
        try:
            run = to_quality(files, peer, seed)
        except NotMeasured:
            continue
        print(f"{peer} s{seed}: {sum(run['epoch_seconds']):.0f} s, {run['bounds'][-1]:.2f}")
        runs.append(run)
    return {"target": TARGET, "cap": CAP, "runs": runs}


def profiles(files, net):
    """{peer: {operator: share}} of ours and the peers that have been the fastest."""

    def measure():
        result = {}
        for peer in ("ours", "keras_tf", "keras_jax", "pythae"):
            task = files.task(peer, net, N_IMAGES, epochs=2, profile=True)
            with Racer(task) as racer:
                racer.epoch()
                result[peer] = shares(racer.epoch()["operators"])
        return {"shares": result}

    return files.once(f"profile_{net}", measure, {"net": net, "images": N_IMAGES})


def machine():
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return {
        "cpu": next(line.split(":")[1].strip() for line in lines if line.startswith("model name")),
        "cores": os.cpu_count(),
        "shared": True,
        "platform": platform.platform(),
        "python": platform.python_version(),
    }


def collect(files, parts):
    """Measure what is asked, and put it together with its summary."""
    result = {
        "machine": machine(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "throughput": {},
        "summary": {},
    }
    for part in parts:
        if part == "quality":
            result["time_to_quality"] = quality(files)
            result["summary"][part] = summarize_quality(result["time_to_quality"])
        elif part == "profiles":
            result["profiles"] = {net: profiles(files, net) for net in IMAGES}
        else:
            net, threads = part.split("_")
            try:
                run = throughput(files, net, int(threads))
            except NotMeasured:
                continue
            result["throughput"][part], result["summary"][part] = run, summarize(run)
        print(part, json.dumps(result["summary"].get(part), indent=1), flush=True)
    return result


def main():
    every = ["mlp_1", "conv_1", "mlp_2", "conv_2", "quality", "profiles"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=[*every, []], metavar="PART")
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--rehearse", action="store_true", help="few images, write nothing")
    parser.add_argument("--done", action="store_true", help="write what is measured, no more")
    args = parser.parse_args()
    torch.set_num_threads(1)
    result = collect(Files(args.data, args.rehearse, args.done), args.parts or every)
    if not args.parts and not args.rehearse:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
        draw(result).savefig(RESULT.with_suffix(".svg"))
        print(tables(result))


if __name__ == "__main__":
    main()
