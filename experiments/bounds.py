"""How good the bound is on the stored VAEs, image by image (chapter 13).

    python experiments/bounds.py [--images N] [--threads N]

For vae_j2 and vae_j20, and for N embedded training and test images, binarised once: log p(x) by
5,000 importance samples, by annealed importance sampling and, with 2 latents, on a grid; the ELBO
of the encoder's q and that of the best diagonal Gaussian.  And for N images that the model has
drawn itself: log p(x) from below and, by reverse annealing, from above.  What is done is kept in
_runs/bounds; a run that is cut off goes on.  Writes vae_lib/assets/bounds.json, one number for
each image.
"""

import argparse
import json
import time

import torch
from speed.timing import write
from train_all import CHECKPOINTS

import vae_lib as vl
from vae_lib.artifacts import RUNS, versions

OUT = CHECKPOINTS / "bounds"
NAMES = ("vae_j2", "vae_j20")
SPLITS = ("train", "test", "simulated")
SAMPLES, DRAWS, BATCH = 5000, 1000, 16
CHAINS, STEPS = 8, 200
GRID = dict(points=801, radius=5.0)


def images_of(model, split, n):
    """n binary images, and the codes that they were drawn with, if the model drew them."""
    generator = torch.Generator().manual_seed(0)
    if split == "simulated":
        z = torch.randn(n, model.decoder.latent_dim, generator=generator)
        return model.likelihood.draw(model.decode(z), generator), z
    images, _ = vl.load_fashion_mnist(split)
    return vl.binarize(images, generator)[:n], None


def measure(model, x, z):
    """{name: (B,) nats} of some images, but for the grid; z: the codes that made them, or None."""
    annealed = vl.ais(model, x, CHAINS, STEPS)
    found = {
        "samples": vl.log_likelihood(model, x, SAMPLES),
        "annealed": annealed.log_px,
        "accepted": annealed.accepted,
    }
    if z is not None:
        return found | {"annealed_back": vl.reverse_ais(model, x, z, CHAINS, STEPS).log_px}
    q = model.encode(x)
    # climb from the encoder's place and from where a chain ended, which may be another mode
    climbs = [vl.optimal_posterior(model, x, start=s) for s in (q, (annealed.z[0], q[1]))]
    near, far = (vl.elbo_of(model, x, *climb, draws=DRAWS) for climb in climbs)
    own = vl.elbo_of(model, x, *q, draws=DRAWS)
    return found | {"elbo": own, "best_elbo": torch.maximum(near, far), "best_elbo_near": near}


def run(name, split, n):
    """Every number of one model on one set, BATCH images at a time, kept as they come."""
    model, _ = vl.load_run(name)
    model.requires_grad_(False)
    x, z = images_of(model, split, n)
    path = OUT / f"{name}_{split}_{n}.json"
    done = json.loads(path.read_text()) if path.exists() else {"seconds": 0.0, "parts": []}
    for first in range(BATCH * len(done["parts"]), n, BATCH):
        start, rows = time.perf_counter(), slice(first, first + BATCH)
        numbers = measure(model, x[rows], z if z is None else z[rows])
        done["parts"].append({key: value.tolist() for key, value in numbers.items()})
        done["seconds"] += time.perf_counter() - start
        write(done, path)
        print(name, split, first + BATCH, f"{done['seconds']:.0f} s", flush=True)
    if model.decoder.latent_dim == 2 and "grid" not in done:
        start = time.perf_counter()
        cells = vl.latent_grid(2, **GRID, dtype=torch.float32)
        done["grid"] = vl.bernoulli_evidence_on_grid(model, x, *cells, chunk=5000).tolist()
        done["seconds"] += time.perf_counter() - start
        write(done, path)
    columns = {k: [v for part in done["parts"] for v in part[k]] for k in done["parts"][0]}
    return columns | ({"grid": done["grid"]} if "grid" in done else {}), done["seconds"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    runs = {(name, split): run(name, split, args.images) for name in NAMES for split in SPLITS}
    config = dict(samples=SAMPLES, elbo_draws=DRAWS, chains=CHAINS, steps=STEPS, leaps=3, grid=GRID)
    record = {
        "versions": versions(),
        "device": "cpu",
        "seconds": round(sum(seconds for _, seconds in runs.values())),
        "config": config | {"images": args.images},
        "runs": {name: {split: runs[name, split][0] for split in SPLITS} for name in NAMES},
    }
    write(record, RUNS / "bounds.json")


if __name__ == "__main__":
    main()
