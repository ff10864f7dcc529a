"""How much another training seed changes the stored runs of chapters 7 to 10.

    python experiments/seeds.py [--data FOLDER] [--seeds N]

Trains the autoencoder and the VAE with 2 and 20 latents, or takes them up again, for each seed
(`train_all.of_seed`), and measures each on the 10,000 test images.  Writes results/seeds.json.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from train_all import RUNS, bound_of, of_seed, summary, test_bounds

import vae_lib as vl
from vae_lib.artifacts import versions

RESULT = Path(__file__).parent / "results" / "seeds.json"
NAMES = ("cae_j2", "cae_j20", "vae_j2", "vae_j20")


def measure(name, seeds, images, data):
    """The mean test value of each seed, their mean and sd, and the seconds of each training."""
    models, seconds = zip(*[of_seed(name, seed, data) for seed in range(seeds)], strict=True)
    objective = bound_of(RUNS[name])
    values = [summary(test_bounds(m, objective, images))["value"]["mean"] for m in models]
    spread = {"mean": statistics.mean(values), "sd": statistics.stdev(values)}
    return spread | {"values": values, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    images, _ = vl.load_fashion_mnist("test", size="full", root=args.data)
    start = time.perf_counter()
    runs = {name: measure(name, args.seeds, images, args.data) for name in NAMES}
    result = {
        "runs": runs,
        "seeds": args.seeds,
        "device": vl.pick_device().type,
        "seconds": time.perf_counter() - start,
        "versions": versions(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, run in runs.items():
        print(f"{name}: {run['mean']:.2f} +- {run['sd']:.2f} nats over {args.seeds} seeds")


if __name__ == "__main__":
    main()
