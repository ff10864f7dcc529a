"""Make vae_lib's embedded Fashion-MNIST: the first 1,000 + 200 images of every class.

    python book/tools/make_small_data.py [--root FOLDER]

Reads the full set (checked by md5), writes vae_lib/assets/fashion_mnist_small.npz losslessly and
prints its sha256, which vae_lib.data holds.  The same input gives the same pixels, so a test
compares them with the full set wherever that is at hand.
"""

import argparse
import io
import zipfile

import numpy as np
import torch

from vae_lib.data import SMALL_FASHION, load_fashion_mnist
from vae_lib.idx import sha256_of

PER_CLASS = {"train": 1000, "test": 200}


def subset(split, root=None):
    """The first images of each class, in the original order: uint8 (n, 28, 28) and (n,)."""
    images, labels = load_fashion_mnist(split, size="full", root=root)
    rows = torch.cat([(labels == c).nonzero()[: PER_CLASS[split], 0] for c in range(10)])
    rows = rows.sort().values
    return images[rows, 0].numpy(), labels[rows].to(torch.uint8).numpy()


def write_npz(path, arrays):
    """An .npz with LZMA members (half the size of np.savez_compressed) and fixed dates."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_LZMA
            archive.writestr(member, buffer.getvalue())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of the full set's idx files")
    root = parser.parse_args().root
    arrays = {}
    for split in PER_CLASS:
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = subset(split, root)
    write_npz(SMALL_FASHION, arrays)
    print(f"{SMALL_FASHION.name}: {SMALL_FASHION.stat().st_size:,} bytes")
    print(f"SMALL_FASHION_SHA256 = {sha256_of(SMALL_FASHION)!r}")


if __name__ == "__main__":
    main()
