"""The sweeps of chapter 12: VAEs with other weights of the KL, and with other numbers of latents.

    python experiments/sweeps.py beta_sweep|latent_sweep [--data FOLDER] [--threads N]

Each point is an MLP VAE (784-400-J-400-784), trained with three seeds by `beta_elbo` on all 60,000
images of Fashion-MNIST, stochastically binarised, and measured on the 10,000 test images, binarised
once.  Checkpoints and the scores of each model are kept in _runs/sweeps; a run that is cut off goes
on.  Writes vae_lib/assets/NAME.json: every score with mean and sd over seeds, and its values.
"""

import argparse
import json
import statistics
import time
from functools import partial
from typing import NamedTuple

import torch
from speed.timing import write
from train_all import CHECKPOINTS

import vae_lib as vl
from vae_lib.artifacts import RUNS as ASSETS
from vae_lib.artifacts import versions


class Point(NamedTuple):
    """What tells the models of a sweep apart."""

    beta: float
    latents: int


class Settings(NamedTuple):
    """How every model is trained and measured."""

    epochs: int = 6
    lr: float = 3e-3
    hidden: tuple = (400,)
    draws: int = 5  # of z, for each test image
    few: int = 200  # test images, the first ones, whose log p(x) is estimated
    few_draws: int = 100  # of z for each of them, for their ELBO
    k: int = 1000  # importance samples


SWEEPS = {
    "beta_sweep": [Point(beta, 20) for beta in (0.1, 0.25, 0.5, 1, 2, 4, 10, 30, 100)],
    "latent_sweep": [Point(1, latents) for latents in (1, 2, 4, 8, 16, 32, 64, 128)],
}
SEEDS = (0, 1, 2)


def train(point, seed, images, settings, checkpoint):
    """A model and its training seconds, taken up again where its checkpoint stands."""
    config = vl.TrainConfig(
        epochs=settings.epochs,
        lr=settings.lr,
        binarize=True,
        seed=seed,
        checkpoint=str(checkpoint),
        progress=False,
    )
    vl.set_seed(seed)
    model = vl.make_model("vae", "mlp", point.latents, hidden=settings.hidden)
    history = vl.fit(model, partial(vl.beta_elbo, beta=point.beta), images, config)
    return model, sum(history["seconds"])


def measure(model, x, settings):
    """The scores of a model on binary images x, in nats per image; active counts latents.

    The rate is that of these images.  mutual_information is the one between z and the number of
    one of them, so at most the log of their count; information_upper leaves each image out of its
    own mixture.  log_px and gap, log_px minus the ELBO, are means over the first few images.
    """
    bound = vl.evaluate_elbo(model, x, samples=settings.draws)
    few = x[: settings.few]
    log_px = vl.log_likelihood(model, few, k=settings.k).mean().item()
    elbo_of_few = vl.evaluate_elbo(model, few, samples=settings.few_draws).value
    codes = vl.posterior(model, x)
    surgery, left_out = (
        vl.elbo_surgery(*codes, leave_one_out=out, generator=torch.Generator().manual_seed(0))
        for out in (False, True)
    )
    return {
        "rate": bound.kl,
        "distortion": -bound.log_px_z,
        "elbo": bound.value,
        "log_px": log_px,
        "gap": log_px - elbo_of_few,
        "mutual_information": surgery.mutual_information,
        "aggregate_kl": surgery.aggregate_kl,
        "information_upper": left_out.mutual_information,
        "active": vl.active_units(model, x),
        "kl_per_dimension": vl.kl_per_dimension(model, x).tolist(),
    }


def one_model(point, seed, images, x, settings, folder):
    """The scores of one model and its seconds, trained and measured, or read from the folder."""
    stem = f"beta_{point.beta:g}_j{point.latents}_s{seed}"
    path, how = folder / f"{stem}.json", json.loads(json.dumps(settings._asdict()))
    if path.exists():
        done = json.loads(path.read_text())
        if done["settings"] == how:
            return done
    model, seconds = train(point, seed, images, settings, folder / f"{stem}.pt")
    start = time.perf_counter()
    scores = measure(model, x, settings)
    seconds += time.perf_counter() - start
    write(done := {"settings": how, "scores": scores, "seconds": seconds}, path)
    print(f"{stem}: rate {scores['rate']:.2f}, distortion {scores['distortion']:.2f}", flush=True)
    return done


def summary(point, scores):
    """A point and its scores, one dict for each seed -> {score: {mean, sd, values}}.

    The KL per dimension stays a list for each seed: the latents of two models have no common order.
    """
    result = point._asdict()
    for name in scores[0]:
        values = [of_seed[name] for of_seed in scores]
        if name == "kl_per_dimension":
            result[name] = values
        else:
            mean, sd = statistics.mean(values), statistics.stdev(values)
            result[name] = {"mean": mean, "sd": sd, "values": values}
    return result


def sweep(points, seeds, images, x, settings, folder):
    """Do, or take up, all models of a sweep; returns what is stored of it."""
    folder.mkdir(parents=True, exist_ok=True)
    # a seed of all points before the next: a look at the curve after a third of the time
    runs = {
        (seed, point): one_model(point, seed, images, x, settings, folder)
        for seed in seeds
        for point in points
    }
    return {
        "points": [rounded(summary(p, [runs[s, p]["scores"] for s in seeds])) for p in points],
        "seeds": list(seeds),
        "config": settings._asdict() | {"training_images": len(images), "test_images": len(x)},
        "device": vl.pick_device().type,
        "threads": torch.get_num_threads(),
        "seconds": round(sum(run["seconds"] for run in runs.values()), 1),
        "versions": versions(),
    }


def rounded(value):
    """Scores with four decimals, finer than any of them is known."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=SWEEPS)
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    images, test_images = (
        vl.load_fashion_mnist(split, size="full", root=args.data).images
        for split in ("train", "test")
    )
    x = vl.binarize(test_images, torch.Generator().manual_seed(0))
    result = sweep(SWEEPS[args.name], SEEDS, images, x, Settings(), CHECKPOINTS / "sweeps")
    write(result, ASSETS / f"{args.name}.json")
    print(f"{args.name}: {result['seconds']:.0f} s")


if __name__ == "__main__":
    main()
