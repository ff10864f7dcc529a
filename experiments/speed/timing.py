"""Train on a clock, and keep what is measured: part of speedrun.py."""

import dataclasses
import hashlib
import json
import os
import time
from pathlib import Path
from typing import NamedTuple

import torch

import vae_lib as vl

LATENT_DIM = 20


class Bench(NamedTuple):
    """What every measurement needs.

    test: the fixed binary draw.  settings: plain JSON with which a stored part must agree.
    """

    images: torch.Tensor
    test: torch.Tensor
    parts: Path
    settings: dict

    def kept(self, name, settings, work):
        """What this very work gave before, if it is stored; else work(), stored."""
        path, settings = self.parts / f"{name}.json", self.settings | settings
        if path.exists():
            stored = json.loads(path.read_text())
            if stored["settings"] == settings:
                return stored["result"]
        result = work()
        write({"settings": settings, "result": result}, path)
        return result


def write(value, path):
    """Write JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=1) + "\n")
    os.replace(partial, path)


def code_version():
    """A hash of vae_lib's code: seconds measured with other code are not to be mixed with these."""
    files = sorted(Path(vl.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def timed_fit(spec, images, options, test=None):
    """Warm up with a throwaway model, then train a fresh one.

    Returns the model, its History, whose seconds are the clock, and the seconds outside of it.
    """
    config = vl.TrainConfig(binarize=True, progress=False, **options)
    start = time.perf_counter()
    if options.get("compile"):  # compiled code stays with the process: all runs start from none
        torch.compiler.reset()
    few = images[: 2 * config.batch_size + len(images) % config.batch_size]
    vl.fit(fresh_model(spec, config.seed), vl.elbo, few, dataclasses.replace(config, epochs=1))
    warm_up = time.perf_counter() - start
    model = fresh_model(spec, config.seed)
    history = vl.fit(model, vl.elbo, images, config, valid=test)
    rest = time.perf_counter() - start - warm_up - sum(history["seconds"])
    return model, history, {"warm_up": warm_up, "other": rest}


def fresh_model(spec, seed):
    """A VAE with the weights of this seed."""
    vl.set_seed(seed)
    return vl.make_model("vae", latent_dim=LATENT_DIM, **spec)
