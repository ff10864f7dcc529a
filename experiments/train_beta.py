"""Train the small VAEs of chapter 4's beta slider, one for each beta, on all 60,000 images.

    python experiments/train_beta.py [NAME ...] [--data FOLDER] [--epochs N] [--threads N]

NAME is a key of RUNS; without one, all of them.  Each has two latents and is trained on
stochastically binarised Fashion-MNIST with `beta_elbo`.  Writes NAME.safetensors and its manifest
entry as `train_all.py` does; the entry's test values are those of the plain ELBO, that is its
distortion and rate.
"""

import argparse
import dataclasses
import time
from functools import partial

import torch
from train_all import CHECKPOINTS, DRAWS, summary, test_bounds

import vae_lib as vl
from vae_lib.artifacts import versions

BETAS = (0.25, 1, 4, 16, 40, 100)
RUNS = {f"beta_{beta:g}": beta for beta in BETAS}
SPEC = {"kind": "vae", "net": "mlp", "latent_dim": 2, "hidden": [64, 16]}


def train(name, data, epochs, threads):
    """Train, evaluate and store one run."""
    if threads:
        torch.set_num_threads(threads)
    images, _ = vl.load_fashion_mnist("train", size="full", root=data)
    test_images, _ = vl.load_fashion_mnist("test", size="full", root=data)
    beta = RUNS[name]
    config = vl.TrainConfig(
        epochs=epochs, lr=3e-3, binarize=True, checkpoint=str(CHECKPOINTS / f"{name}.pt")
    )
    vl.set_seed(config.seed)
    model = vl.make_model(**SPEC)
    start = time.process_time()
    history = vl.fit(model, partial(vl.beta_elbo, beta=beta), images, config)
    cpu_seconds = time.process_time() - start
    metrics = {"test": summary(test_bounds(model, vl.elbo, test_images)), "test_draws": DRAWS}
    entry = vl.save_run(
        name,
        model,
        SPEC,
        objective={"name": "beta_elbo", "beta": beta},
        config={k: v for k, v in dataclasses.asdict(config).items() if k != "checkpoint"},
        metrics=metrics,
        seconds=sum(history["seconds"]),
        cpu_seconds=cpu_seconds,
        threads=torch.get_num_threads(),
        device=next(model.parameters()).device.type,
        versions=versions(),
        history=history.rows,
    )
    again = summary(test_bounds(vl.load_run(name)[0], vl.elbo, test_images))
    change = abs(again["value"]["mean"] - metrics["test"]["value"]["mean"])
    parts = {part: f"{value['mean']:.2f}" for part, value in metrics["test"].items()}
    print(f"{name}: test {parts}, {entry['seconds']:.0f} s, half precision {change:.4f} nats")
    if change > 0.05:
        raise SystemExit(f"{name}: half precision costs {change:.3f} nats: use half=False")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(RUNS)}; default: all")
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    unknown = set(args.names) - RUNS.keys()
    if unknown:
        parser.error(f"no run named {sorted(unknown)}; there are {sorted(RUNS)}")
    for name in args.names or RUNS:
        train(name, args.data, args.epochs, args.threads)


if __name__ == "__main__":
    main()
