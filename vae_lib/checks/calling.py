"""Calling an answer: on copies of its inputs, with a seed, with gradients.

Needs torch alone and imports no neighbour but `fixtures`, so that the grader can run the very
same file inside its sandbox.
"""

from dataclasses import dataclass

import torch

from .fixtures import FIXTURES


@dataclass(frozen=True)
class Made:
    """An input that is built beside the answer: `FIXTURES[name](*args)`."""

    name: str
    args: tuple = ()

    def build(self):
        return FIXTURES[self.name](*self.args)


@dataclass(frozen=True)
class Reply:
    """What an answer gave back.

    value: a tensor, number, text or truth value, or a tuple, list or dict of them.
    grads: the gradient of the sum of all returned numbers in each input named by `wrt`, or None.
    touched: whether the answer changed an input in place.
    """

    value: object
    grads: tuple = ()
    touched: bool = False


def call(function, args, seed=0, wrt=()):
    """`function(*args)` as a `Reply`; whatever it raises passes through.

    args: tensors are copied, a `Made` is built.  seed: of torch's generator, for this call only.
    wrt: the positions of the inputs whose gradients are wanted.
    """
    given = [_own(arg, index in wrt) for index, arg in enumerate(args)]
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        value = function(*given)
        grads = _gradients(value, [given[index] for index in wrt])
    pairs = zip(args, given, strict=True)
    touched = any(isinstance(a, torch.Tensor) and not _equal(a, b.detach()) for a, b in pairs)
    return Reply(plain(value), grads, touched)


def _own(arg, with_gradient):
    if isinstance(arg, Made):
        return arg.build()
    if isinstance(arg, torch.Tensor):
        return arg.detach().clone().requires_grad_(with_gradient)
    return arg


def _equal(a, b):
    return a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all())


def _gradients(value, leaves):
    tensors = [t for t in leaf_values(value) if isinstance(t, torch.Tensor) and t.requires_grad]
    if not leaves or not tensors:
        return (None,) * len(leaves)
    total = sum(t.sum() for t in tensors)
    grads = torch.autograd.grad(total, leaves, allow_unused=True)
    return tuple(None if g is None else g.detach() for g in grads)


def leaf_values(value):
    """The values inside tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return [leaf for item in value for leaf in leaf_values(item)]
    return [value]


def plain(value):
    """The value with tensors detached and numpy's arrays and numbers turned into tensors.

    Raises TypeError for anything a check cannot read.
    """
    if isinstance(value, torch.Tensor):
        return value.detach()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return type(value)(map(plain, value)) if type(value) is list else tuple(map(plain, value))
    if type(value).__module__ == "numpy":
        return torch.as_tensor(value)
    raise TypeError(
        f"the answer returns a {type(value).__name__}; a tensor, a number, or a tuple, list or "
        "dict of them is expected"
    )
