"""What changes while training: weights, optimiser, schedule, scaler; and their checkpoint."""

import dataclasses
import functools
import hashlib
import os
from pathlib import Path

import torch


class TrainingState:
    """One run's model, optimiser, schedule and scaler; saved and resumed as a whole."""

    def __init__(self, model, objective, data, config, world):
        self.model, self.config, self.world = model, config, world
        self.objective = objective
        self.n_batches = -(-len(data) // config.batch_size)
        self.settings = self._settings(objective, data) if config.checkpoint else None
        self.device = device = data.device
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.Adam(self.parameters, lr=config.lr, fused=fused)
        make = torch.optim.lr_scheduler.OneCycleLR
        steps = self.n_batches * config.epochs
        one_cycle = config.schedule == "one_cycle"
        self.schedule = make(self.optimizer, config.lr, total_steps=steps) if one_cycle else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")

    def update(self):
        """Move the weights along the gradients, and the schedule on."""
        if self.config.grad_clip is not None:
            self.scaler.unscale_(self.optimizer)
            torch.nn.utils.clip_grad_norm_(self.parameters, self.config.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        if self.schedule is not None:
            self.schedule.step()

    def _parts(self):
        parts = dict(model=self.model, optimizer=self.optimizer, scaler=self.scaler)
        if isinstance(self.objective, torch.nn.Module):  # one that counts, as WarmUp
            parts["objective"] = self.objective
        return parts | ({"schedule": self.schedule} if self.schedule is not None else {})

    def _settings(self, objective, data):
        settings = dataclasses.asdict(self.config)
        for name in ("checkpoint", "progress", "device", "cuda_graph"):  # it may go on elsewhere
            del settings[name]
        images = hashlib.sha256(data.cpu().numpy().tobytes()).hexdigest()
        return settings | {"objective": _name(objective), "images": images}

    def save(self, rows):
        """Write the checkpoint whole or not at all; of several processes the first one does."""
        if self.config.checkpoint is None or self.world.rank > 0:
            return
        path = Path(self.config.checkpoint)
        path.parent.mkdir(parents=True, exist_ok=True)
        state = {name: part.state_dict() for name, part in self._parts().items()}
        partial = path.with_name(path.name + ".partial")
        torch.save(state | {"rows": rows, "settings": self.settings}, partial)
        os.replace(partial, path)

    def resume(self):
        """Load the checkpoint if there is one; returns the rows so far."""
        path = self.config.checkpoint
        if path is None or not Path(path).exists():
            return []
        state = torch.load(path, weights_only=True, map_location="cpu")
        defaults = {field.name: field.default for field in dataclasses.fields(self.config)}
        there, here = defaults | state["settings"], self.settings
        differ = [k for k in here if there[k] != here[k]]
        if differ:
            changed = [f"{k} {there[k]!r} there, {here[k]!r} here" for k in differ]
            raise ValueError(
                f"{path} was written with other settings ({'; '.join(changed)}): "
                "use the same settings, or another checkpoint file"
            )
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for p, moments in self.optimizer.state.items():  # fused Adam wants them laid out like p
            for name in ("exp_avg", "exp_avg_sq"):
                moments[name] = torch.empty_like(p).copy_(moments[name])
        return state["rows"]


def _name(objective):
    """A name that tells objectives apart, also partial(beta_elbo, beta=4)."""
    if isinstance(objective, functools.partial):
        return f"{_name(objective.func)}{objective.args}{objective.keywords}"
    if isinstance(objective, torch.nn.Module):
        return repr(objective)
    return getattr(objective, "__qualname__", type(objective).__qualname__)
