"""Train the small VAEs of chapter 4's beta slider, one for each beta, on all 60,000 images.

    python experiments/train_beta.py [NAME ...] [--data FOLDER] [--epochs N] [--threads N]

NAME is a key of RUNS; without one, all of them.  Each has two latents and is trained on
stochastically binarised Fashion-MNIST with `beta_elbo`.  Writes NAME.safetensors and its manifest
entry as `train_all.py` does; the entry's test values are those of the plain ELBO, that is its
distortion and rate.
"""

import argparse
from functools import partial

from train_all import train

import vae_lib as vl

BETAS = (0.25, 1, 4, 16, 40, 100)
RUNS = {f"beta_{beta:g}": beta for beta in BETAS}
SPEC = {"kind": "vae", "net": "mlp", "latent_dim": 2, "hidden": [64, 16]}


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
        beta = RUNS[name]
        objective = partial(vl.beta_elbo, beta=beta)
        train(name, SPEC, objective, args, objective={"name": "beta_elbo", "beta": beta})


if __name__ == "__main__":
    main()
