"""Train the small VAE of chapter 13 with importance weights, on all 60,000 images.

    python experiments/train_iwae.py [--data FOLDER] [--epochs N] [--threads N]

It is beta_1 of chapter 4's slider in all but the objective: net, data, schedule and seed are the
same, and `iwae_bound` with k = 10 stands for the ELBO.  Writes iwae_j2.safetensors and its
manifest entry as `train_all.py` does; the entry's test values are those of the ELBO.
"""

import argparse
from functools import partial

from train_all import train
from train_beta import SPEC

import vae_lib as vl

K = 10
RUNS = {"iwae_j2": "chapter 13: an encoder trained with ten weights"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    objective = partial(vl.iwae_bound, k=K)
    train("iwae_j2", SPEC, objective, args, objective={"name": "iwae_bound", "k": K})


if __name__ == "__main__":
    main()
