"""The files of a benchmark: what the peers read and write, and the measurements that are done."""

import json
from pathlib import Path

import numpy as np
import torch

import vae_lib as vl

from .worker import Task

WORK = Path(__file__).parents[2] / "_runs" / "peers"


class NotMeasured(Exception):
    """Asked only for what is done, and this is not."""


class Files:
    """The images and initial weights that the peers read, and what is done."""

    def __init__(self, data, few, only_done=False):
        suffix = "_rehearsal" if few else ""
        self.folder = Path(f"{WORK}{suffix}")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.few, self.only_done = few, only_done
        self.train, _ = vl.load_fashion_mnist("train", size="full", root=data)
        self.test, _ = vl.load_fashion_mnist("test", size="full", root=data)

    def task(self, peer, net, n_images, seed=0, **settings):
        images, initial = self.folder / f"{n_images}.npy", self.folder / f"{net}_s{seed}.npz"
        if not images.exists():
            np.save(images, self.train[:n_images, 0].numpy())
        if not initial.exists():
            vl.set_seed(seed)
            state = vl.make_model("vae", net, latent_dim=20).state_dict()
            np.savez(initial, **{name: w.numpy() for name, w in state.items()})
        weights = self.folder / f"{peer}_{net}.npz"
        return Task(peer, net, str(images), str(initial), str(weights), seed=seed, **settings)

    def once(self, name, measure, settings):
        """measure(), or what it gave before with the same settings."""
        path = self.folder / f"{name}.json"
        if path.exists():
            done = json.loads(path.read_text())
            if done["settings"] == settings:
                return done
        if self.only_done:
            raise NotMeasured(name)
        done = {"settings": settings, **measure()}
        path.write_text(json.dumps(done, indent=1))
        return done

    def test_elbo(self, task, images):
        """The test ELBO of the weights that a peer has left, by one evaluator for all."""
        model = vl.make_model("vae", task.net, latent_dim=20)
        arrays = np.load(task.weights)
        model.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
        return vl.evaluate_elbo(model, images).value
