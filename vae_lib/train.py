"""Training: one loop for every model, objective and device."""

import dataclasses
import random
import sys
import time

import numpy as np
import torch
from tqdm import tqdm

from .checkpoint import PRECISIONS, TrainingState
from .data import batches, binarize, check_images, to_unit
from .objectives import mean_bound

SCHEDULES = ("one_cycle", "constant")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How to train.  Raises ValueError on values that cannot be meant.

    binarize: draw fresh binary images at every step.  lr: the peak of the schedule.
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
        for name, allowed in (("schedule", SCHEDULES), ("precision", tuple(PRECISIONS))):
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


def pick_device(name="auto"):
    """The named device, or the best at hand: cuda, then mps, then cpu."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def fit(model, objective, data, config=None, valid=None):
    """Maximise the mean of objective(model, x).value over the images; returns a History.

    data, valid: (N, C, H, W), uint8 in 0..255 or float in [0, 1].  The randomness of epoch e
    depends on (seed, e) alone, so a resumed run repeats an uninterrupted one exactly on a CPU.
    For that it reseeds the global random streams at the start of every epoch.
    A checkpoint knows the objective by its name: write partial(beta_elbo, beta=4), not a lambda.
    Raises ValueError on data that cannot be trained on, FloatingPointError on divergence.
    """
    config = config or TrainConfig()
    device = pick_device(config.device)
    data = check_images(data, "data", model).to(device)
    if valid is not None:
        valid = _validation_set(check_images(valid, "valid", model), config).to(device)
    model.to(device).train()
    state = TrainingState(model, objective, data, config)
    history = History(state.resume())
    first = len(history.rows)
    with _announce(state, len(data), first) as bar:
        for epoch in range(first, config.epochs):
            row = _train_epoch(state, objective, data, epoch, bar)
            if valid is not None:
                bound = mean_bound(model.eval(), objective, batches(valid, 500))
                model.train()
                row |= {f"valid_{k}": v for k, v in bound._asdict().items()}
            history.rows.append(row)
            bar.set_postfix_str(f"{row['value']:.1f} nats", refresh=False)
            state.save(history.rows)
    print(f"{sum(history['seconds']):.0f} s, last epoch {history.rows[-1]['value']:.1f} nats")
    return history


def _announce(state, n_images, first):
    """Say what is about to run, before the first step; returns the progress bar."""
    config, n_batches = state.config, state.n_batches
    print(
        f"{config.epochs - first} epochs of {n_batches} batches of {config.batch_size} "
        f"({n_images:,} images) on {state.device.type}"
        + (f", resumed after {first} epochs" if first else "")
    )
    return tqdm(
        total=n_batches * config.epochs,
        initial=n_batches * first,
        disable=not config.progress,
        mininterval=0.5,
        file=sys.stderr,
    )


def _validation_set(images, config):
    """Validation images in [0, 1]; where training binarises, one fixed draw for all epochs."""
    generator = torch.Generator().manual_seed(config.seed)
    return binarize(images.cpu(), generator) if config.binarize else to_unit(images)


def _train_epoch(state, objective, data, epoch, bar):
    config = state.config
    # two streams with seeds of their own: one orders the images, the other makes the noise
    order = torch.Generator().manual_seed(_epoch_seed(config, epoch) + 500_000)
    set_seed(_epoch_seed(config, epoch))
    start, total = time.perf_counter(), torch.zeros(3, device=state.device)
    for x in batches(data, config.batch_size, shuffle=True, generator=order):
        x = binarize(x) if config.binarize else x
        with state.autocast():
            bound = objective(state.model, x)
        state.step(-bound.value.mean())
        # summed on the device: reading a number here would make the device wait at every step
        total += torch.stack([part.detach().sum() for part in bound])
        bar.update()
    value, log_px_z, kl = (total / len(data)).tolist()
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
