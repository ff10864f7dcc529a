"""Training and judging the models of a block of the table: see ../iwae_table.py."""

import dataclasses
import math
import statistics
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch

import vae_lib as vl
from vae_lib.likelihoods import Bernoulli, ContinuousBernoulli, Gaussian

from .nets import NETS, Stack, pixel_bias


class Data(NamedTuple):
    """load(split, root): uint8 images; prepare: from pixels in [0, 1] to what is modelled."""

    load: Callable
    prepare: Callable
    likelihood: Callable


def dequantize(x):
    """Pixels i / 255 to (i + u) / 256: a density of these bounds log P of the 256 grey levels.

    log P(x) is at least the density's expected logarithm minus 784 ln 256.  Theis et al. 2016.
    """
    return (255 * x + torch.rand_like(x)) / 256


full_fashion = partial(vl.load_fashion_mnist, size="full")
DATA = {
    "stochastic": Data(vl.load_mnist, vl.binarize, Bernoulli),
    "fixed": Data(vl.load_binarized_mnist, torch.clone, Bernoulli),
    "fashion": Data(full_fashion, vl.binarize, Bernoulli),
    "grey": Data(full_fashion, dequantize, ContinuousBernoulli),
    "gaussian": Data(full_fashion, dequantize, partial(Gaussian, sigma=0.2, learned=True)),
}


class Block(NamedTuple):
    """A kind of data, the number of stochastic layers, the objectives, and k: trained as one."""

    kind: str
    layers: int
    objectives: tuple
    k: int

    @property
    def name(self):
        """Its key in a stored table."""
        return f"{self.kind}_{self.layers}_k{self.k}"


class Plan(NamedTuple):
    """How long, on how much, and how the models are judged."""

    start_epochs: int = 0  # trained with k = 1 before, as one start for every objective
    epochs: int = 300
    batch_size: int = 100
    lr: float = 2e-3  # the peak of one cycle
    seeds: int = 3
    train_images: int | None = None  # the first so many; None: all
    test_images: int = 10_000  # evenly spread
    test_k: int = 5000


def stacked_bound(stack, x, kind, k):
    """The sum of the bounds of the models of a stack, as `fit` takes it.

    What `fit` prints is that sum: no bound of any one model.
    """
    copies = x.expand(len(stack.tight), *x.shape)
    value = stack(DATA[kind].prepare(copies), k).sum(0)
    return vl.Bound(value, value, torch.zeros_like(value))


def train(block, plan, data, folder, progress=True):
    """Train every objective and seed of a block, with checkpoints in a folder.

    Returns {objective: its models, one for each seed}, on the CPU, and the seconds of training: of
    the common start, and of what followed.
    """
    images = DATA[block.kind].load("train", root=data).images[: plan.train_images]
    models = []
    for seed in range(plan.seeds):
        vl.set_seed(seed)
        likelihood = DATA[block.kind].likelihood()
        models.append(NETS[block.layers](likelihood, pixel_bias(images, likelihood)))
    config = vl.TrainConfig(
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        lr=plan.lr,
        cuda_graph=vl.pick_device().type == "cuda",
        progress=progress,
    )
    path = f"{folder}/{block.kind}_{block.layers}_{plan.epochs}x{plan.batch_size}_{plan.seeds}seeds"
    start_seconds = 0.0
    if plan.start_epochs:
        first = dataclasses.replace(
            config, epochs=plan.start_epochs, checkpoint=f"{path}_start{plan.start_epochs}.pt"
        )
        models, start_seconds = _fit(models, [True] * plan.seeds, block.kind, 1, images, first)
        path += f"_from{plan.start_epochs}"
    tight = [o == "iwae" for o in block.objectives for _ in range(plan.seeds)]
    config = dataclasses.replace(config, checkpoint=f"{path}_k{block.k}.pt")
    trained, seconds = _fit(
        models * len(block.objectives), tight, block.kind, block.k, images, config
    )
    groups = {
        o: trained[i * plan.seeds : (i + 1) * plan.seeds] for i, o in enumerate(block.objectives)
    }
    return groups, start_seconds, seconds


def _fit(models, tight, kind, k, images, config):
    """Train models as one stack: the trained models and the seconds of their epochs."""
    stack = Stack(models, tight)
    history = vl.fit(stack, partial(stacked_bound, kind=kind, k=k), images, config)
    return stack.models(), sum(history["seconds"])


@torch.no_grad()
def log_evidence(model, images, k, chunk=None):
    """log p(x) by k importance samples: (N,) nats.  `vl.log_likelihood`, for any of the nets."""
    device = next(model.parameters()).device
    chunk = chunk or (1000 if device.type == "cpu" else 16_384)
    sizes = [min(chunk, k - done) for done in range(0, k, chunk)]
    rows = []
    for x in images.split(max(1, chunk // k)):
        parts = [torch.logsumexp(model(x.to(device), n), 0) for n in sizes]
        rows.append(torch.logsumexp(torch.stack(parts).cpu().double(), 0))
    return torch.cat(rows) - math.log(k)


@torch.no_grad()
def judge(models, block, plan, data):
    """log p(x) on test images, its spread over the models, and their active units, by layer.

    All models see one draw of the test images and the same noise, so their differences are paired:
    "images" has the mean over the models for each of the first thousand.  A unit is active where
    the variance over x of E_q[z] is above 0.01 (Burda et al. 2016).
    """
    images = DATA[block.kind].load("test", root=data).images
    images = images[:: len(images) // plan.test_images][: plan.test_images].float() / 255
    vl.set_seed(0)
    images, device = DATA[block.kind].prepare(images), vl.pick_device()
    values, active = [], []
    for model in models:
        vl.set_seed(0)
        model.to(device).eval()
        values.append(log_evidence(model, images, plan.test_k))
        codes = model.code_means(images.to(device))
        active.append([int((code.var(0) > 0.01).sum()) for code in codes])
    means = [value.mean().item() for value in values]
    log_px = {
        "mean": statistics.mean(means),
        "sd": statistics.stdev(means) if len(means) > 1 else None,
        "values": means,
        "images": [round(v, 3) for v in torch.stack(values).mean(0)[:1000].tolist()],
    }
    return {"log_px": log_px, "active": active}
