"""Training: one loop for every model, objective and device."""

import dataclasses
import random
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
from tqdm import tqdm

from .checkpoint import TrainingState
from .data import batches, binarize, check_images, to_unit
from .devices import clear_errors, join_world, keep_freed_memory, mixed_precision, pick_device
from .objectives import mean_bound
from .step import PRECISIONS, TrainingStep

SCHEDULES = ("one_cycle", "constant")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How to train.  Raises ValueError on values that cannot be meant.

    binarize: draw fresh binary images at every step.  lr: the peak of the schedule.
    precision: of the nets; "mixed" is the half precision that suits the device.
    compile: fuse operations by torch.compile.  cuda_graph: record a step once and replay it, for
    nets so small that the host is slower than the GPU; the objective must not branch on numbers.
    checkpoint: a file written after every epoch; a run that finds it goes on from there.
    """

    epochs: int = 10
    batch_size: int = 128
    lr: float = 1e-3
    schedule: str = "one_cycle"
    binarize: bool = False
    seed: int = 0
    device: str = "auto"
    precision: str = "float32"
    compile: bool = False
    cuda_graph: bool = False
    grad_clip: float | None = None
    checkpoint: str | None = None
    progress: bool = True

    def __post_init__(self):
        for name in ("epochs", "batch_size", "lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.grad_clip is not None and not self.grad_clip > 0:
            raise ValueError(f"grad_clip must be positive or None, got {self.grad_clip}")
        for name in ("epochs", "batch_size"):
            if not isinstance(getattr(self, name), int):
                raise ValueError(f"{name} must be a whole number, got {getattr(self, name)}")
        precisions = (*PRECISIONS, "mixed")
        for name, allowed in (("schedule", SCHEDULES), ("precision", precisions)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")


@dataclasses.dataclass
class History:
    """One row per epoch: epoch, value, log_px_z, kl (nats per image), seconds, valid_* if asked."""

    rows: list = dataclasses.field(default_factory=list)

    def __getitem__(self, name):
        return [row[name] for row in self.rows]


def set_seed(seed):
    """Seed Python, NumPy and torch on every device."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def fit(model, objective, data, config=None, valid=None):
    """Maximise the mean of objective(model, x).value over the images; returns a History.

    data, valid: (N, C, H, W), uint8 in 0..255 or float in [0, 1].  Every epoch e reseeds the
    global random streams by (seed, e), so a resumed run repeats an uninterrupted one, on a CPU bit
    for bit.  Under `torchrun --nproc-per-node N script.py` N processes share every batch, one GPU
    each; the objective must then use every parameter.
    A checkpoint knows the objective by its name: write partial(beta_elbo, beta=4), not a lambda.
    Raises ValueError on data or settings that cannot be trained with, FloatingPointError on
    divergence, MemoryError when memory is short, ConnectionError when another process died.
    """
    config, device, world = _find_place(config or TrainConfig())
    data = check_images(data, "data", model)
    if valid is not None:
        valid = _validation_set(check_images(valid, "valid", model), config)
    with clear_errors(config, world):
        return _run(model, objective, data, config, valid, device, world)


def _run(model, objective, data, config, valid, device, world):
    data = data.to(device)
    model.to(device).train()
    model.to(memory_format=torch.channels_last)  # the order that convolutions work in
    state = TrainingState(model, objective, data, config, world)
    step = TrainingStep(model, objective, config, state.scaler, world)
    history = History(state.resume())
    first = len(history.rows)
    with _announce(state, len(data), first) as bar:
        if first < config.epochs:
            n_last = (len(data) - 1) % config.batch_size + 1
            step.prepare(*next(_shares(data, config, world)), n_last)
        for epoch in range(first, config.epochs):
            row = _train_epoch(state, step, data, epoch, bar)
            if valid is not None:
                bound = mean_bound(model.eval(), objective, batches(valid.to(device), 500))
                model.train()
                row |= {f"valid_{k}": v for k, v in bound._asdict().items()}
            history.rows.append(row)
            bar.set_postfix_str(f"{row['value']:.1f} nats", refresh=False)
            state.save(history.rows)
    model.to(memory_format=torch.contiguous_format)
    if world.rank == 0:
        print(f"{sum(history['seconds']):.0f} s, last epoch {history.rows[-1]['value']:.1f} nats")
    return history


def _find_place(config):
    """The settings with no "mixed" left, the device, and the processes that share the work."""
    device = pick_device(config.device)
    world = join_world(device)
    if config.cuda_graph and (device.type != "cuda" or world.size > 1):
        raise ValueError(
            f"cuda_graph=True needs one process on cuda, got {world.size} on {device.type}: "
            "leave it out"
        )
    if config.precision == "mixed":
        config = dataclasses.replace(config, precision=mixed_precision(device))
    if device.type == "cpu":
        keep_freed_memory()
    return config, device, world


def _announce(state, n_images, first):
    """Say what is about to run, before the first step; returns the progress bar."""
    config, n_batches, world = state.config, state.n_batches, state.world
    if world.rank == 0:
        print(
            f"{config.epochs - first} epochs of {n_batches} batches of {config.batch_size} "
            f"({n_images:,} images) on {f'{world.size} x ' * (world.size > 1)}{state.device.type}"
            + (f", resumed after {first} epochs" if first else "")
        )
    return tqdm(
        total=n_batches * config.epochs,
        initial=n_batches * first,
        disable=not config.progress or world.rank > 0,
        mininterval=0.5,
        file=sys.stderr,
    )


def _validation_set(images, config):
    """Validation images in [0, 1]; where training binarises, one fixed draw for all epochs."""
    generator = torch.Generator().manual_seed(config.seed)
    return binarize(images.cpu(), generator) if config.binarize else to_unit(images)


def _shares(data, config, world, order=None):
    """This process's share of every batch, and how many images the whole batch has."""
    size, shuffle = config.batch_size, order is not None
    mine = batches(data, size, shuffle=shuffle, generator=order, share=world)
    for i, x in enumerate(mine):
        yield x, min(size, len(data) - i * size)


def _train_epoch(state, step, data, epoch, bar):
    config, world = state.config, state.world
    # two streams with seeds of their own: one orders the images, the same in every process, the
    # other makes the noise, its own in each
    order = torch.Generator().manual_seed(_epoch_seed(config, epoch) + 500_000)
    set_seed(_epoch_seed(config, epoch) + 10_000 * world.rank)
    start = time.perf_counter()
    step.total.zero_()
    for x, n_images in _shares(data, config, world, order):
        step(x, n_images)
        state.update()
        bar.update()
    if world.size > 1:
        dist.all_reduce(step.total)
    value, log_px_z, kl = (step.total / len(data)).tolist()
    finite = torch.stack([p.isfinite().all() for p in state.parameters]).all()
    if not (np.isfinite(value) and finite):
        raise FloatingPointError(
            f"training diverged in epoch {epoch} (objective {value}, weights "
            f"{'finite' if finite else 'not finite'}): lower lr={config.lr} or set grad_clip"
        )
    seconds = time.perf_counter() - start
    return dict(epoch=epoch, value=value, log_px_z=log_px_z, kl=kl, seconds=seconds)


def _epoch_seed(config, epoch):
    return config.seed * 1_000_003 + epoch + 1  # + 1: seed 0 has drawn the weights
