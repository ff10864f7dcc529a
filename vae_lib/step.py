"""One training step: the gradients of a bound, on any device, compiled, recorded or shared."""

import contextlib

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from .data import binarize

PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class ObjectiveModule(nn.Module):
    """objective(model, x) as the forward of a module, which torch.compile and DDP can wrap."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, x):
        return self.objective(self.model, x)


class TrainingStep:
    """Called with a batch it leaves gradients in the parameters and adds its bounds to `total`.

    total: (3,), the sums over images of value, log_px_z and kl.  It stays on the device: to read a
    number at every step would make the host wait for the device.
    """

    def __init__(self, model, objective, config, scaler, world):
        self.config, self.scaler, self.world = config, scaler, world
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.device = self.parameters[0].device
        self.total = torch.zeros(3, device=self.device)
        self.graph = self.x = None
        self.bound = ObjectiveModule(model, objective).to(self.device)
        self.buffers = list(self.bound.buffers())
        if world.size > 1:  # averages the gradients over the processes while backward runs
            self.bound = DistributedDataParallel(self.bound)
        if config.compile:
            # one program for full batches and one for the last: a drawn shape cannot be symbolic
            self.bound = torch.compile(self.bound, dynamic=False)

    def __call__(self, x, n_images):
        """x: this process's share of a batch of n_images, (b, C, H, W) in [0, 1]."""
        if self.graph is not None and x.shape == self.x.shape:
            self.x.copy_(x)
            self.graph.replay()  # it overwrites the gradients
            return
        for p in self.parameters:
            if self.graph is None:
                p.grad = None
            elif p.grad is not None:  # the recording writes to this very memory: keep it
                p.grad.zero_()
        self.backward(x, n_images)

    def backward(self, x, n_images):
        """Add to the gradients those of minus the mean bound over the n_images."""
        x = binarize(x) if self.config.binarize else x
        with self.autocast():
            bound = self.bound(x)
        # DDP takes the mean over processes; this weight makes it the mean over images
        loss = -bound.value.sum() * (self.world.size / n_images)
        self.scaler.scale(loss).backward()
        self.total += torch.stack(bound).detach().sum(1)

    def autocast(self):
        dtype = PRECISIONS[self.config.precision]
        if dtype is None:
            return contextlib.nullcontext()
        # no cache of casts: a recording would read one that was made before it
        return torch.autocast(self.device.type, dtype=dtype, cache_enabled=False)

    def prepare(self, x, n_images, n_last):
        """Compile for both sizes of a batch, and record, where asked; it leaves no trace."""
        if not (self.config.compile or self.config.cuda_graph):
            return
        kept = [buffer.clone() for buffer in self.buffers]
        self.backward(x, n_images)
        self.backward(x[: len(range(self.world.rank, n_last, self.world.size))], n_last)
        if self.config.cuda_graph:
            self._record(x, n_images)
        for buffer, before in zip(self.buffers, kept, strict=True):
            buffer.copy_(before)
        self.total.zero_()

    def _record(self, x, n_images):
        """Record a step once, then replay it in one launch.

        The step of a small net is hundreds of launches, and the GPU has done each before the host
        asks for the next.  Only gradients are recorded: weights and schedule move outside.
        """
        self.x = x.clone()
        aside = torch.cuda.Stream()  # torch asks for first runs off the main stream
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self.backward(self.x, n_images)
        torch.cuda.current_stream().wait_stream(aside)
        for p in self.parameters:
            p.grad = None
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.backward(self.x, n_images)
