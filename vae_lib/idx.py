"""Find, fetch, verify and read the idx files of the MNIST family (plain or .gz)."""

import gzip
import hashlib
import os
import shutil
import tempfile
import zlib
from pathlib import Path

import numpy as np
import torch

PREFIX = {"train": "train", "test": "t10k"}
KIND = {"images": "images-idx3-ubyte", "labels": "labels-idx1-ubyte"}
SHAPE = {"images": (28, 28), "labels": ()}
# md5 of the uncompressed files: repacking (Debian does) changes the .gz but not these
MD5 = {
    "MNIST/train-images": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/train-labels": "a25bea736e30d166cdddb491f175f624",
    "MNIST/t10k-images": "2646ac647ad5339dbf082846283269ea",
    "MNIST/t10k-labels": "27ae3e4e09519cfbb04c329615203637",
    "FashionMNIST/train-images": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
    "FashionMNIST/train-labels": "9018921c3c673c538a1fc5bad174d6f9",
    "FashionMNIST/t10k-images": "8181f5470baa50b63fa0f6fddb340f0a",
    "FashionMNIST/t10k-labels": "15d484375f8d13e6eb1aabb0c3f46965",
}


def cache_folder():
    """Where torchvision's downloads go: ~/.cache/vae_lib."""
    return Path.home() / ".cache" / "vae_lib"


def find_idx_folder(name, roots, extra=()):
    """The first folder that holds all four idx files of `name`; else torchvision's download.

    roots: folders that the reader named.  extra: last places to look (a system package).
    Raises FileNotFoundError that lists what was tried and how to get the files.
    """
    short = {"FashionMNIST": "fashion-mnist", "MNIST": "mnist"}[name]
    named = [f for r in roots for f in (r, r / short, r / name / "raw")]
    cached = cache_folder() / name / "raw"
    places = [*named, cached, *extra]
    for folder in places:
        if _is_complete(folder):
            return folder
    try:
        return _download(name, cached)
    except Exception as error:
        tried = "\n".join(f"  {f}" for f in places)
        raise FileNotFoundError(
            f"{name} not found. Folders without its four idx files (plain or .gz):\n{tried}\n"
            f"torchvision's download failed: {type(error).__name__}: {error}\n"
            "Put the files in a folder and pass it as root=... or in $VAE_LIB_DATA"
            + ("; on Debian: apt install dataset-fashion-mnist" if extra else "")
        ) from error


def read_idx(folder, name, split, kind):
    """One idx file as a uint8 tensor: images (N, 28, 28), labels (N,).

    Raises OSError, naming the file, when it is truncated or its bytes are not the published ones.
    """
    path = _path(folder, split, kind)
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise OSError(f"{path} is truncated or not gzip ({error}): fetch it again") from error
    expected = MD5[f"{name}/{PREFIX[split]}-{kind}"]
    found = hashlib.md5(raw, usedforsecurity=False).hexdigest()
    if found != expected:
        raise OSError(
            f"{path} is not {name}'s {split} {kind}: md5 of its {len(raw):,} uncompressed bytes is "
            f"{found}, expected {expected}; it is truncated or altered: fetch it again"
        )
    header = 4 + 4 * (1 + len(SHAPE[kind]))
    pixels = np.frombuffer(raw, np.uint8, offset=header).reshape(-1, *SHAPE[kind])
    return torch.from_numpy(pixels.copy())


def sha256_of(path):
    """Hex sha256 of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _path(folder, split, kind):
    plain = Path(folder) / f"{PREFIX[split]}-{KIND[kind]}"
    return plain if plain.exists() else plain.with_name(plain.name + ".gz")


def _is_complete(folder):
    return all(_path(folder, split, kind).exists() for split in PREFIX for kind in KIND)


def _download(name, target):
    """torchvision's download into a scratch folder, moved into place only when whole."""
    from torchvision import datasets  # slow to import, so only here

    home = target.parent.parent
    home.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home, suffix=".partial") as scratch:
        getattr(datasets, name)(scratch, download=True)
        target.parent.mkdir(exist_ok=True)
        shutil.rmtree(target, ignore_errors=True)  # what is there is incomplete
        os.replace(Path(scratch) / name / "raw", target)
    return target
