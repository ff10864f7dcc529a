"""Trained models that ship with the book: safetensors, checked by sha256, never pickle."""

import json
import os
import platform
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .idx import sha256_of
from .models import make_model

RUNS = Path(__file__).parent / "assets"


def manifest(root=None):
    """What is stored: {name: entry}, each with model, config, metrics, versions, device, sha256."""
    path = Path(root or RUNS) / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else {}


def save_run(name, model, spec, root=None, half=True, build=make_model, **record):
    """Write a model's weights and its manifest entry; returns the entry.

    spec: the arguments of `build` that rebuild it.  record: config, metrics and the like, plain
    JSON.  half: store weights in float16.  A refused call writes nothing.
    """
    root = Path(root or RUNS)
    build(**spec).load_state_dict(model.state_dict())  # refuse a spec of another model
    json.dumps([spec, record])  # and what cannot be written
    weights = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    if half:  # not the scalars: rounding a learned log-variance costs nats in every pixel
        weights = {
            k: v.half() if v.is_floating_point() and v.dim() else v for k, v in weights.items()
        }
    root.mkdir(parents=True, exist_ok=True)
    path = root / f"{name}.safetensors"
    partial = path.with_name(path.name + ".partial")
    save_file(weights, partial)
    os.replace(partial, path)
    entry = {"model": spec, **record, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    partial = root / "manifest.json.partial"
    partial.write_text(json.dumps(manifest(root) | {name: entry}, indent=1, sort_keys=True) + "\n")
    os.replace(partial, root / "manifest.json")
    return entry


def load_run(name, root=None, build=make_model):
    """A stored model in float32 on the CPU, and its manifest entry.

    Raises KeyError for a name that is not in the manifest, OSError when the file is missing or
    its sha256 is not the manifest's.
    """
    root, entries = Path(root or RUNS), manifest(root)
    if name not in entries:
        raise KeyError(f"no run named {name!r}; stored are {sorted(entries)}")
    entry, path = entries[name], root / f"{name}.safetensors"
    found = sha256_of(path) if path.exists() else "no file"
    if found != entry["sha256"]:
        raise OSError(
            f"{path.name} is missing or altered (sha256 {found}, expected {entry['sha256']}): "
            "reinstall vae_lib or run its experiment again"
        )
    model = build(**entry["model"])
    model.load_state_dict({k: v.float() for k, v in load_file(path).items()})
    return model.float().eval(), entry


def load_result(name):
    """The measured numbers that an experiment stored in assets/NAME.json (plain JSON).

    Raises KeyError for a name that is not there.
    """
    path = RUNS / f"{name}.json"
    if not path.exists():
        raise KeyError(f"no result named {name!r} in vae_lib/assets: run its experiment")
    return json.loads(path.read_text())


def versions():
    """What a result depends on besides the code, for the manifest."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    return {"python": platform.python_version(), "torch": torch.__version__, "accelerator": device}
