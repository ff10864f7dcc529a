"""Images as one uint8 tensor: Fashion-MNIST (a subset ships here), MNIST, fixed-binarised MNIST."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from .idx import find_idx_folder, read_idx, sha256_of

ASSETS = Path(__file__).parent / "assets"
SMALL_FASHION = ASSETS / "fashion_mnist_small.npz"
SMALL_FASHION_SHA256 = "01d68a4610f8d001e969bbfbf22d8b8fbce010ca11ffdaded522055c5d45b534"
DEBIAN_FASHION = Path("/usr/share/datasets/fashion-mnist")
FASHION_CLASSES = (
    "T-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


# of the bits of each split, packed
BINARIZED_SHA256 = {
    "train": "727146c35424b019f3e350e1e69faa05644a0abaf787e3f4e1a9632220a13906",
    "valid": "a256ac44ae26be720fad8616a05ed6ecfd1619930d9a208379bb2a4405df5b6d",
    "test": "9fcd8da6f0fdf09b2ba30fe63a0bb784042a0de82563172530229b983e294ff2",
}


class Images(NamedTuple):
    """A labelled image set: images (N, C, H, W) uint8, labels (N,) int64 or None."""

    images: torch.Tensor
    labels: torch.Tensor | None


def load_fashion_mnist(split, size="small", root=None):
    """Fashion-MNIST (Xiao et al. 2017) as `Images`.

    split: "train" or "test".  size: "small" is the class-balanced subset in this package
    (10,000 + 2,000 images); "full" is all 60,000 + 10,000, looked for in `root` or
    $VAE_LIB_DATA, vae_lib's cache, Debian's dataset-fashion-mnist, then torchvision's download.
    Raises ValueError on other words, FileNotFoundError or OSError on missing or broken files.
    """
    _check_choice("split", split, ("train", "test"))
    _check_choice("size", size, ("small", "full"))
    if size == "full":
        return _load_idx_set("FashionMNIST", split, root, extra=(DEBIAN_FASHION,))
    if root is not None:
        raise ValueError('root goes with size="full"; size="small" ships in vae_lib')
    return _load_small(split)


def _load_small(split):
    found = sha256_of(SMALL_FASHION) if SMALL_FASHION.exists() else "no file"
    if found != SMALL_FASHION_SHA256:
        raise OSError(
            f"{SMALL_FASHION.name} in vae_lib/assets is missing or altered (sha256 {found}, "
            f"expected {SMALL_FASHION_SHA256}): reinstall vae_lib"
        )
    with np.load(SMALL_FASHION) as arrays:
        images = torch.from_numpy(arrays[f"{split}_images"]).unsqueeze(1)
        return Images(images, torch.from_numpy(arrays[f"{split}_labels"]).long())


def load_mnist(split, root=None):
    """MNIST (LeCun et al. 1998), 60,000 + 10,000, from `root`, $VAE_LIB_DATA or torchvision."""
    _check_choice("split", split, ("train", "test"))
    return _load_idx_set("MNIST", split, root)


def load_binarized_mnist(split, root=None):
    """Fixed-binarised MNIST (Larochelle & Murray 2011): 50,000 / 10,000 / 10,000, labels None.

    split: "train", "valid" or "test".  Reads binarized_mnist_bits.npz (784 bits a row, packed)
    or binarized_mnist_<split>.amat from `root` or $VAE_LIB_DATA.  Pixels are 0 or 255.
    """
    _check_choice("split", split, ("train", "valid", "test"))
    folders = [f for base in _roots(root) for f in (base, base / "binarized-mnist")]
    for folder in folders:
        packed, text = folder / "binarized_mnist_bits.npz", folder / f"binarized_mnist_{split}.amat"
        if packed.exists() or text.exists():
            bits = _read_bits(packed, text, split)
            break
    else:
        raise FileNotFoundError(
            "fixed-binarised MNIST not found: looked for binarized_mnist_bits.npz and "
            f"binarized_mnist_{split}.amat in {[str(f) for f in folders] or 'no folder'}; download "
            "the .amat files and pass their folder as root or in $VAE_LIB_DATA"
        )
    found = hashlib.sha256(np.packbits(bits).tobytes()).hexdigest()
    if bits.shape[1:] != (784,) or bits.max() > 1 or found != BINARIZED_SHA256[split]:
        raise OSError(
            f"{folder}: the {split} images, {bits.shape}, are truncated or altered: fetch it again"
        )
    return Images(torch.from_numpy(bits * np.uint8(255)).view(-1, 1, 28, 28), None)


def _read_bits(packed, text, split):
    try:
        if packed.exists():
            with np.load(packed) as arrays:
                return np.unpackbits(arrays[split], axis=1)
        return np.loadtxt(text, dtype=np.uint8)
    except Exception as error:
        path = packed if packed.exists() else text
        raise OSError(f"{path} is truncated or altered ({error}): fetch it again") from error


def binarize(x, generator=None):
    """A fresh binary draw b ~ Bernoulli(x), pixel by pixel.

    x: uint8 in 0..255 or float in [0, 1], any shape -> float of that shape, values 0 and 1.
    Stochastic binarisation: Burda et al. 2016, section 5.
    """
    x = to_unit(x)
    # rand is in [0, 1), so a pixel of 1 is always drawn 1 and a pixel of 0 always 0
    return (torch.rand(x.shape, generator=generator, device=x.device) < x).to(x.dtype)


def to_unit(x):
    """uint8 pixels to float32 in [0, 1]; floating-point pixels pass unchanged."""
    return x.to(torch.float32) / 255 if x.dtype == torch.uint8 else x


def batches(images, batch_size, shuffle=False, generator=None, share=(0, 1)):
    """Yield float batches (b, C, H, W) in [0, 1]; the last one may be smaller.

    share: (r, n) keeps every n-th image of a batch from the r-th on, for process r of n.
    Picking rows from one resident tensor costs far less than a loader of single images.
    """
    n = len(images)
    order = torch.randperm(n, generator=generator) if shuffle else torch.arange(n)
    for rows in order.to(images.device).split(batch_size):
        yield to_unit(images.index_select(0, rows[share[0] :: share[1]]))


def check_images(images, name, model=None):
    """The images, uint8 or float32, if they can be trained on; else a ValueError that says why."""
    if not torch.is_tensor(images) or images.dim() != 4:
        shape = tuple(images.shape) if torch.is_tensor(images) else type(images).__name__
        raise ValueError(f"{name} must be images (N, C, H, W), got {shape}; labels are not images")
    if len(images) == 0:
        raise ValueError(f"{name} holds no images")
    expected = getattr(getattr(model, "encoder", None), "image_shape", tuple(images.shape[1:]))
    if tuple(images.shape[1:]) != expected:
        raise ValueError(f"{name} is {tuple(images.shape)}, but the model takes (N, *{expected})")
    if images.dtype == torch.uint8:
        if images.max() == 1:
            raise ValueError(f"{name} is uint8 (0..255) with no value above 1: scale it")
        return images
    if not images.is_floating_point():
        raise ValueError(f"{name} must be uint8 or floating point, got {images.dtype}")
    if images.isnan().any():
        raise ValueError(f"{name} has NaN in {int(images.isnan().flatten(1).any(1).sum())} images")
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise ValueError(f"{name} must lie in [0, 1], found {low:.3g} to {high:.3g}: rescale it")
    return images.to(torch.float32)


def _check_choice(name, given, allowed):
    if given not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {given!r}")


def _roots(root):
    given = root if root is not None else os.environ.get("VAE_LIB_DATA")
    return [Path(given).expanduser()] if given else []


def _load_idx_set(name, split, root, extra=()):
    folder = find_idx_folder(name, _roots(root), extra)
    images = read_idx(folder, name, split, "images")
    return Images(images.unsqueeze(1), read_idx(folder, name, split, "labels").long())
