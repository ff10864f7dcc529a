"""The README's claim: train the chapter 8 model on the embedded data and measure it.

    python experiments/claim.py [--seeds 3] [--store]

Prints seconds and test ELBO, mean and sd over seeds.  --store keeps them in results/claim.json,
which a test compares with the README.
"""

import argparse
import json
import os
import statistics
from pathlib import Path

import torch

import vae_lib as vl
from vae_lib.artifacts import versions

RESULT = Path(__file__).parent / "results" / "claim.json"


def one_run(seed):
    """Train and evaluate as chapter 8 does: seconds of wall time, test ELBO."""
    images, _ = vl.load_fashion_mnist("train")
    test_images, _ = vl.load_fashion_mnist("test")
    x_test = vl.binarize(test_images, torch.Generator().manual_seed(0))
    vl.set_seed(seed)
    model = vl.make_model("vae", net="conv", latent_dim=20)
    config = vl.TrainConfig(epochs=8, lr=4e-3, binarize=True, seed=seed, device="cpu")
    history = vl.fit(model, vl.elbo, images, config)
    return sum(history["seconds"]), vl.evaluate_elbo(model, x_test).value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--store", action="store_true", help="keep the result for the README")
    args = parser.parse_args()
    seconds, elbos = zip(*[one_run(seed) for seed in range(args.seeds)], strict=True)
    result = {
        "seconds": round(statistics.median(seconds)),
        "elbo_mean": round(statistics.mean(elbos), 1),
        "elbo_sd": round(statistics.stdev(elbos), 1) if len(elbos) > 1 else None,
        "seeds": len(elbos),
        "cores": os.cpu_count(),
        "versions": versions(),
    }
    if args.store:
        RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(
        f"{result['seconds']} s on {result['cores']} CPU cores (median), "
        f"test ELBO {result['elbo_mean']} +- {result['elbo_sd']} nats per image (mean, sd of "
        f"{result['seeds']} seeds)"
    )


if __name__ == "__main__":
    main()
