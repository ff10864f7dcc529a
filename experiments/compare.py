"""Autoencoder and VAE, measured alike (chapter 9): every score of vae_lib.compare, several seeds.

    python experiments/compare.py [--data FOLDER] [--seeds N] [--threads N] [--only NAME]

Seed 0 is the stored run; the others are trained here with its settings (`train_all.py`), on all
60,000 images, and only their scores are kept.  Scores use the embedded images, so that a reader
can repeat those of seed 0.  What is done is kept in _runs/compare; a run that is cut off goes on.
Writes vae_lib/assets/comparison.json: mean and sd over seeds, and each value.  Needs scikit-learn.
"""

import argparse
import json
import statistics
import time
from typing import NamedTuple

import torch
from train_all import CHECKPOINTS, of_seed

import vae_lib as vl
from vae_lib import compare, quality
from vae_lib.artifacts import RUNS as ASSETS
from vae_lib.artifacts import versions
from vae_lib.evidence import laplace_evidence

OUT = CHECKPOINTS / "compare"
NAMES = ("cae_j2", "vae_j2", "cae_j20", "vae_j20")
DRAWS, PAIRS, EVIDENCE_IMAGES, EVIDENCE_DRAWS = 10_000, 400, 200, 300


class Kit(NamedTuple):
    """What every model is measured with."""

    x_train: torch.Tensor
    train_labels: torch.Tensor
    x_test: torch.Tensor
    test_labels: torch.Tensor
    clean: torch.Tensor
    pairs: tuple
    classifier: torch.nn.Module
    real: torch.Tensor


def make_kit():
    """The embedded images, binarised once, and the features of the test images."""
    images, labels = vl.load_fashion_mnist("train")
    test_images, test_labels = vl.load_fashion_mnist("test")
    classifier, _ = quality.load_classifier()
    order = torch.randperm(len(test_images), generator=torch.Generator().manual_seed(3))
    return Kit(
        x_train=vl.binarize(images, torch.Generator().manual_seed(1)),
        train_labels=labels,
        x_test=vl.binarize(test_images, torch.Generator().manual_seed(0)),
        test_labels=test_labels,
        clean=test_images / 255,
        pairs=(order[:PAIRS], order[PAIRS : 2 * PAIRS]),
        classifier=classifier,
        real=quality.image_features(classifier, test_images),
    )


def measure(model, kit):
    """Every score of one model: {group: {score: value}}."""
    train, test = (compare.codes_of(model, x) for x in (kit.x_train, kit.x_test))
    start, end = (test.point[rows] for rows in kit.pairs)
    scores = {
        "reconstruction": compare.reconstruction_scores(model, kit.x_test, kit.clean),
        "denoising": compare.denoising_scores(model, kit.x_test, kit.clean),
        "probe": compare.probe_scores(train.point, kit.train_labels, test.point, kit.test_labels),
        "interpolation": compare.interpolation_scores(model, start, end, kit.classifier, kit.real),
        "images from codes": compare.sample_scores(
            compare.decode_means(model, train.drawn), kit.classifier, kit.real
        ),
    }
    for name, density in compare.fit_densities(train.drawn).items():
        scores[name] = density_scores(model, density, train.drawn, test, kit)
    return scores


def density_scores(model, density, codes, test, kit):
    """The scores of one density of codes: of its images, its holes and its log p(x)."""
    torch.manual_seed(5)
    z = density.sample((DRAWS,)).float()
    few = slice(EVIDENCE_IMAGES)
    evidence = laplace_evidence(model, kit.x_test[few], density, test.point[few], k=EVIDENCE_DRAWS)
    draws = z[: len(test.drawn)]
    return compare.sample_scores(compare.decode_means(model, z), kit.classifier, kit.real) | {
        "holes": quality.hole_score(codes, test.drawn, draws),
        "sliced": quality.sliced_distance(test.drawn, draws),
        "log_px": evidence.mean().item(),
    }


def references(kit):
    """What the scores are read against: other real images, and walks that blend pixels."""
    images, _ = vl.load_fashion_mnist("train")
    start, end = (kit.clean[rows] for rows in kit.pairs)
    blend = torch.stack([(1 - t) * start + t * end for t in torch.linspace(0, 1, 9)])
    path = quality.image_features(kit.classifier, blend.flatten(0, 1)).view(9, PAIRS, -1)
    return {
        "training images": compare.sample_scores(images, kit.classifier, kit.real),
        "blended pixels": compare.walk_scores(path, kit.real),
    }


def summary(runs):
    """[{group: {score: value}}, one for each seed] -> the same with mean, sd and values."""
    return {
        group: {
            score: {
                "mean": statistics.mean(values),
                "sd": statistics.stdev(values) if len(values) > 1 else None,
                "values": values,
            }
            for score in runs[0][group]
            for values in [[run[group][score] for run in runs]]
        }
        for group in runs[0]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    parser.add_argument("--only", help="do one model, such as vae_j2, and write no table")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    OUT.mkdir(parents=True, exist_ok=True)
    kit = make_kit()
    for seed in range(args.seeds):
        for name in NAMES if args.only is None else [args.only]:
            path = OUT / f"{name}_s{seed}.json"
            if not path.exists():
                (model, _), start = of_seed(name, seed, args.data), time.perf_counter()
                done = {"scores": measure(model, kit), "seconds": time.perf_counter() - start}
                path.write_text(json.dumps(done))
                print(f"{path.stem}: {done['seconds']:.0f} s", flush=True)
    if args.only is None:
        store(args.seeds, references(kit))


def store(seeds, references):
    """Write the table that ships with the library."""
    runs = {
        name: [json.loads((OUT / f"{name}_s{seed}.json").read_text()) for seed in range(seeds)]
        for name in NAMES
    }
    result = {
        "models": {name: summary([run["scores"] for run in of]) for name, of in runs.items()},
        "references": references,
        "settings": {
            "seeds": seeds,
            "epochs": 10,
            "draws": DRAWS,
            "real images": 2000,
            "walks": PAIRS,
            "components of the mixture": 20,
            "images of log_px": EVIDENCE_IMAGES,
            "importance samples": EVIDENCE_DRAWS,
        },
        "seconds": sum(run["seconds"] for of in runs.values() for run in of),
        "device": "cpu",
        "versions": versions(),
    }
    (ASSETS / "comparison.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
