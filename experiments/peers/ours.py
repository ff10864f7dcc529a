"""vae_lib: `fit`."""

import torch

import vae_lib as vl

from .torch_net import make_model, weights_of


def train(task, tick):
    images = torch.from_numpy(task.load_images()).unsqueeze(1)
    vl.set_seed(task.seed)
    model = make_model(task)
    n_batches, calls = -(-len(images) // task.batch_size), 0

    def objective(model, x):
        """The ELBO; `fit` calls it once a step, and so it knows when an epoch is over."""
        nonlocal calls
        if calls and calls % n_batches == 0:
            tick(weights_of(model))
        calls += 1
        return vl.elbo(model, x)

    config = vl.TrainConfig(
        epochs=task.epochs,
        batch_size=task.batch_size,
        lr=task.lr,
        schedule=task.schedule,
        binarize=task.binarize,
        seed=task.seed,
        precision="bfloat16" if task.bfloat16 else "float32",
        device="cpu",
        progress=False,
    )
    vl.fit(model, objective, images, config)
    tick(weights_of(model))
