"""Train the models of chapters 7, 8 and the explorer on all 60,000 images; store in vae_lib/assets.

    python experiments/train_all.py NAME [--data FOLDER] [--epochs N] [--threads N]

NAME is a key of RUNS.  Stochastically binarised Fashion-MNIST, one-cycle Adam.  A run that is cut
off goes on from its last epoch (checkpoint in _runs/).  Writes NAME.safetensors and its manifest
entry: settings, versions, device, seconds, test bound with its spread, sha256.
"""

import argparse
import dataclasses
import statistics
import time
from pathlib import Path

import torch

import vae_lib as vl
from vae_lib.artifacts import versions

RUNS = {
    f"{short}_j{latent_dim}": {"kind": kind, "net": "conv", "latent_dim": latent_dim}
    for short, kind in (("cae", "autoencoder"), ("vae", "vae"))
    for latent_dim in (2, 20)
}
# The explorer's: small enough that both decoders travel inside a page.
PLANE = {"net": "conv", "latent_dim": 2, "channels": [64, 8], "hidden": 64}
RUNS |= {"cae_plane": {"kind": "autoencoder", **PLANE}, "vae_plane": {"kind": "vae", **PLANE}}
CHECKPOINTS = Path(__file__).parents[1] / "_runs"
DRAWS = 5  # binarisations of the test set, for the spread


def test_bounds(model, objective, images):
    """The mean bound on DRAWS binarised copies of the test set (seeds 0, 1, ...)."""
    return [
        vl.evaluate_bound(
            model, objective, vl.binarize(images, torch.Generator().manual_seed(s)), seed=s
        )
        for s in range(DRAWS)
    ]


def summary(bounds):
    """Mean and sd over the draws of each part, in nats per image."""
    columns = {name: [getattr(b, name) for b in bounds] for name in vl.Bound._fields}
    return {
        name: {"mean": statistics.mean(column), "sd": statistics.stdev(column)}
        for name, column in columns.items()
    }


def bound_of(spec):
    """What a model is judged by: the ELBO, or the reconstruction of an autoencoder."""
    return vl.elbo if spec["kind"] == "vae" else vl.reconstruction_log_prob


def train(name, spec, objective, args, /, **record):
    """Train, evaluate and store one run; record joins its manifest entry.

    args: data, epochs and threads of the command line.
    """
    if args.threads:
        torch.set_num_threads(args.threads)
    images, _ = vl.load_fashion_mnist("train", size="full", root=args.data)
    checkpoint = str(CHECKPOINTS / f"{name}.pt")
    config = vl.TrainConfig(epochs=args.epochs, lr=3e-3, binarize=True, checkpoint=checkpoint)
    vl.set_seed(config.seed)
    model = vl.make_model(**spec)
    start = time.process_time()
    history = vl.fit(model, objective, images, config)
    record |= {
        "config": {k: v for k, v in dataclasses.asdict(config).items() if k != "checkpoint"},
        "cpu_seconds": time.process_time() - start,
        "seconds": sum(history["seconds"]),
        "history": history.rows,
    }
    store(name, model, spec, args.data, record)


def of_seed(name, seed, data):
    """The model NAME of a seed and its training seconds.

    Seed 0 is the stored run; others are trained with its settings, or taken up again, and kept
    only in _runs/.
    """
    if seed == 0:
        model, entry = vl.load_run(name)
        return model, entry["seconds"]
    checkpoint = str(CHECKPOINTS / f"{name}_s{seed}.pt")
    config = vl.TrainConfig(epochs=10, lr=3e-3, binarize=True, seed=seed, checkpoint=checkpoint)
    images, _ = vl.load_fashion_mnist("train", size="full", root=data)
    vl.set_seed(seed)
    model = vl.make_model(**RUNS[name])
    history = vl.fit(model, bound_of(RUNS[name]), images, config)
    return model.cpu().eval(), sum(history["seconds"])


def store(name, model, spec, data, record):
    """Evaluate on the test set, write the run, and see that half precision costs nothing."""
    images, _ = vl.load_fashion_mnist("test", size="full", root=data)
    test = summary(test_bounds(model, bound_of(spec), images))
    entry = vl.save_run(
        name,
        model,
        spec,
        metrics={"test": test, "test_draws": DRAWS},
        threads=torch.get_num_threads(),
        device=next(model.parameters()).device.type,
        versions=versions(),
        **record,
    )
    again = summary(test_bounds(vl.load_run(name)[0], bound_of(spec), images))
    change = abs(again["value"]["mean"] - test["value"]["mean"])
    print(f"{name}: test {test}, {entry['seconds']:.0f} s, {entry['bytes']:,} bytes")
    print(f"{name}: storing half-precision weights changes the test value by {change:.4f} nats")
    if change > 0.05:
        raise SystemExit(f"{name}: half precision costs {change:.3f} nats: use half=False")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=sorted(RUNS))
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    spec = RUNS[args.name]
    train(args.name, spec, bound_of(spec), args)


if __name__ == "__main__":
    main()
