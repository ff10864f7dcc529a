"""Values over JSON: a tensor goes as dtype, shape and base64, nothing is ever unpickled.

The same file runs on both sides of the sandbox's wall, so it imports torch alone.  What comes
from the other side may be forged: `decode` accepts exactly what `encode` writes.
"""

import base64
import math

import torch

_WHOLE = (torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
_REAL = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (*_WHOLE, *_REAL)}
DEPTH = 16  # of tuples in lists in dicts


def encode(value):
    """A number, text, tensor, `Made`, or a tuple, list or dict of them, ready for json.dumps.

    Raises TypeError for anything else.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, torch.Tensor):
        return {"tensor": _encode_tensor(value)}
    if isinstance(value, dict):
        return {"dict": [[str(key), encode(item)] for key, item in value.items()]}
    if isinstance(value, (tuple, list)):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [encode(item) for item in value]}
    if hasattr(value, "build"):
        return {"made": [value.name, [encode(item) for item in value.args]]}
    raise TypeError(f"a {type(value).__name__} cannot be sent")


def _encode_tensor(tensor):
    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in DTYPES:
        raise TypeError(f"a tensor of dtype {dtype} cannot be sent")
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    raw = flat.view(torch.uint8).numpy().tobytes()
    return [dtype, list(tensor.shape), base64.b64encode(raw).decode("ascii")]


def decode(data, made=None, depth=DEPTH):
    """The value that `encode` turned into `data`.  Raises ValueError for anything else.

    made: builds an input from its name and arguments; None where none may come.
    """
    if depth < 0:
        raise ValueError("nested too deeply")
    if data is None or type(data) in (bool, float, str):
        return data
    if type(data) is int:
        return _within(data)
    if type(data) is not dict or len(data) != 1:
        raise ValueError("not a value")
    ((kind, content),) = data.items()
    if type(content) is not list:
        raise ValueError("not a value")
    if kind == "tensor":
        return _decode_tensor(*_exactly(content, str, list, str))
    if kind == "made" and made is not None:
        name, args = _exactly(content, str, list)
        return made(name, tuple(decode(item, made, depth - 1) for item in args))
    if kind == "dict":
        pairs = [_exactly(pair, str, object) for pair in content]
        return {key: decode(item, made, depth - 1) for key, item in pairs}
    if kind in ("list", "tuple"):
        items = [decode(item, made, depth - 1) for item in content]
        return items if kind == "list" else tuple(items)
    raise ValueError("not a value")


def _decode_tensor(dtype, shape, text):
    if dtype not in DTYPES or not all(type(n) is int and _within(n) >= 0 for n in shape):
        raise ValueError("not a tensor")
    raw = bytearray(base64.b64decode(text, validate=True))
    if len(shape) > DEPTH or len(raw) != math.prod(shape) * DTYPES[dtype].itemsize:
        raise ValueError("a tensor whose bytes do not fill its shape")
    if not raw:
        return torch.empty(shape, dtype=DTYPES[dtype])
    if dtype == "bool":  # a byte other than 0 and 1 would be no truth value
        return torch.frombuffer(raw, dtype=torch.uint8).ne(0).reshape(shape)
    return torch.frombuffer(raw, dtype=DTYPES[dtype]).reshape(shape)


def _within(number):
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number beyond 64 bits")
    return number


def _exactly(content, *types):
    if type(content) is not list or len(content) != len(types):
        raise ValueError("not a value")
    if not all(isinstance(item, kind) for item, kind in zip(content, types, strict=True)):
        raise ValueError("not a value")
    return content
