"""What the machine offers: a device, other processes, memory; and what to say when it gives out."""

import atexit
import ctypes
import os
import sys
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.distributed as dist

# in the messages of torch's allocators, for CUDA and MPS, and for the CPU
OUT_OF_MEMORY = (
    "out of memory", "Invalid buffer size", "can't allocate memory", "not enough memory"
)  # fmt: skip


class World(NamedTuple):
    """This process (rank) among the `size` processes of one run; alone it is 0 of 1."""

    rank: int
    size: int


def pick_device(name="auto"):
    """The named device, or the best at hand: cuda, then mps, then cpu.

    Under torchrun "auto" and "cuda" are the GPU of this process, its local rank; a GPU named by
    its number would be that of all processes, and is a ValueError.
    """
    if name == "auto":
        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        name = "cuda" if torch.cuda.is_available() else mps
    device = torch.device(name)
    if device.type == "cuda" and "LOCAL_RANK" in os.environ:
        if device.index is not None:
            raise ValueError(f"device={name!r} under torchrun: write 'cuda', one GPU a process")
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # streams and recordings are those of the current GPU
    return device


def mixed_precision(device):
    """The precision that suits a device: bfloat16, on GPUs before Ampere float16, on MPS float32.

    bfloat16 has the range of float32, so no gradient is lost to underflow; a T4 lacks it.  On a
    CPU it pays only with instructions for it.  On MPS autocast is too young to be relied on.
    """
    if device.type == "mps":
        return "float32"
    old = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8
    return "float16" if old else "bfloat16"


def join_world(device):
    """The processes that `torchrun` started, joined once; without torchrun this one alone.

    They talk over nccl on cuda, else over gloo.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return World(0, 1)
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        atexit.register(_leave_world)
    return World(dist.get_rank(), dist.get_world_size())


def _leave_world():
    if dist.is_initialized():
        dist.destroy_process_group()


def keep_freed_memory():
    """Let glibc keep the memory that a process frees; elsewhere this does nothing.

    Without it every large activation is given back to the kernel and fetched again, page by
    page, at each step.  CUDA and MPS tensors have such a cache from the start.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    # M_MMAP_THRESHOLD: up to 1 GiB comes from the heap; older versions take 32 MiB at most
    if mallopt is not None and (mallopt(-3, 2**30) or mallopt(-3, 2**25)):
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: and the heap does not shrink


@contextmanager
def clear_errors(config, world):
    """Say in plain words what a step ran out of, or that another process died, and what to do.

    Raises MemoryError when memory is short, ConnectionError when a process of the run is gone
    (under gloo; under nccl it is torchrun that ends the others).
    """
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if any(words in text for words in OUT_OF_MEMORY):
            raise MemoryError(
                f"out of memory at batch_size={config.batch_size}, precision={config.precision!r}: "
                "lower batch_size, or use precision='bfloat16' on a GPU that has it"
            ) from error
        if world.size > 1 and (isinstance(error, dist.DistError) or "gloo" in text):
            kept = f"{config.checkpoint} is whole, and the same command goes on from it"
            raise ConnectionError(
                f"process {world.rank} of {world.size} lost another one, which died or hangs: "
                + (kept if config.checkpoint else "with checkpoint= a run can be taken up again")
            ) from error
        raise
