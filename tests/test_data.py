"""Data: what ships, what is read from folders, and one clear error for each broken file."""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

import vae_lib
from vae_lib import binarize, data, idx, load_binarized_mnist, load_fashion_mnist, load_mnist

REPO = Path(__file__).parents[1]
# MNIST cannot be committed: it is read where a reader or the workplace put it
PAPER_DATA = Path(os.environ.get("VAE_LIB_DATA") or REPO.parent / "shared" / "data")
NO_PAPER_DATA = "no MNIST at hand: put its files in a folder and name it in $VAE_LIB_DATA"
REAL_DOWNLOAD = idx._download
NAMES = {"FashionMNIST": load_fashion_mnist, "MNIST": load_mnist}


def full(split, name="FashionMNIST", root=None):
    return load_mnist(split, root) if name == "MNIST" else load_fashion_mnist(split, "full", root)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    """A machine that has no data anywhere and no network."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VAE_LIB_DATA", raising=False)
    monkeypatch.setattr(data, "DEBIAN_FASHION", tmp_path / "debian")
    monkeypatch.setattr(idx, "_download", no_network)
    return tmp_path


def no_network(name, target):
    raise ConnectionError("no network")


def write_idx_set(folder, monkeypatch, name="FashionMNIST", packed=False, n=5):
    """Four small idx files with their md5 registered; returns the train images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = {}
    for split, prefix in idx.PREFIX.items():
        images[split] = torch.randint(0, 256, (n, 28, 28)).byte()
        for kind, array in (("images", images[split]), ("labels", torch.arange(n).byte())):
            header = bytes([0, 0, 8, array.dim()])
            header += b"".join(int(size).to_bytes(4, "big") for size in array.shape)
            raw = header + array.numpy().tobytes()
            monkeypatch.setitem(idx.MD5, f"{name}/{prefix}-{kind}", hashlib.md5(raw).hexdigest())
            path = folder / f"{prefix}-{idx.KIND[kind]}{'.gz' * packed}"
            path.write_bytes(gzip.compress(raw) if packed else raw)
    return images["train"]


# what ships


@pytest.mark.parametrize("split, per_class", [("train", 1000), ("test", 200)])
def test_embedded_set(split, per_class):
    images, labels = load_fashion_mnist(split)
    assert images.shape == (10 * per_class, 1, 28, 28) and images.dtype == torch.uint8
    assert labels.dtype == torch.int64
    assert labels.bincount().tolist() == [per_class] * 10
    assert images.flatten(1).float().std(1).min() > 0, "a blank image"
    assert len(images.flatten(1).unique(dim=0)) > 0.99 * len(images)


def test_embedded_set_is_the_first_of_the_full_one(monkeypatch):
    """Byte for byte what book/tools/make_small_data.py takes from the full set."""
    monkeypatch.setattr(idx, "_download", no_network)
    monkeypatch.syspath_prepend(str(REPO / "book" / "tools"))
    make_small_data = pytest.importorskip("make_small_data")
    for split in ("train", "test"):
        try:
            images, labels = make_small_data.subset(split)
        except FileNotFoundError:
            pytest.skip("no full Fashion-MNIST at hand: apt install dataset-fashion-mnist")
        ours = load_fashion_mnist(split)
        assert ours.images.numpy().tobytes() == images.tobytes()
        assert ours.labels.numpy().astype(np.uint8).tobytes() == labels.tobytes()


@pytest.mark.parametrize("fault", ["altered", "truncated", "missing"])
def test_embedded_file_that_is_broken(fault, tmp_path, monkeypatch):
    path = tmp_path / data.SMALL_FASHION.name
    raw = bytearray(data.SMALL_FASHION.read_bytes())
    raw[1000] ^= 1
    if fault != "missing":
        path.write_bytes(raw if fault == "altered" else raw[: len(raw) // 2])
    monkeypatch.setattr(data, "SMALL_FASHION", path)
    with pytest.raises(OSError, match=r"missing or altered .*reinstall vae_lib"):
        load_fashion_mnist("train")


def test_words_that_are_refused():
    for call in (
        lambda: load_fashion_mnist("valid"),
        lambda: load_fashion_mnist("train", size="medium"),
        lambda: load_fashion_mnist("train", root="somewhere"),
        lambda: load_mnist("val"),
        lambda: load_binarized_mnist("dev"),
    ):
        with pytest.raises(ValueError, match=r"must be one of|goes with"):
            call()


# the full sets, from folders


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("place", ["root", "root/short", "environment", "cache"])
def test_full_set_from_a_folder(alone, monkeypatch, name, packed, place):
    short = {"MNIST": "mnist", "FashionMNIST": "fashion-mnist"}[name]
    folder, root = alone / "given", alone / "given"
    if place == "root/short":
        folder = folder / short
    if place == "cache":
        folder, root = alone / "home" / ".cache" / "vae_lib" / name / "raw", None
    if place == "environment":
        monkeypatch.setenv("VAE_LIB_DATA", str(root))
        root = None
    written = write_idx_set(folder, monkeypatch, name, packed)
    images, labels = full("train", name, root)
    assert torch.equal(images, written.unsqueeze(1)) and images.dtype == torch.uint8
    assert labels.tolist() == [0, 1, 2, 3, 4] and labels.dtype == torch.int64
    assert not torch.equal(full("test", name, root).images, images)


def test_full_set_of_debian(alone, monkeypatch):
    written = write_idx_set(alone / "debian", monkeypatch, packed=True)
    assert torch.equal(full("train").images[:, 0], written)


def break_file(path, fault):
    raw = bytearray(path.read_bytes())
    if fault == "truncated":
        path.write_bytes(raw[: len(raw) - 100])
    elif fault == "altered":
        raw[len(raw) // 2] ^= 0xFF
        path.write_bytes(raw)
    elif fault == "altered inside gzip":
        plain = bytearray(gzip.decompress(raw))
        plain[-1] ^= 1
        path.write_bytes(gzip.compress(plain))
    else:
        path.write_bytes(b"<html>404 Not Found</html>")


@pytest.mark.parametrize("fault", ["truncated", "altered", "altered inside gzip", "a web page"])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_a_broken_file_is_named(alone, monkeypatch, fault, packed):
    if fault == "altered inside gzip" and not packed:
        fault = "altered"
    write_idx_set(alone / "given", monkeypatch, packed=packed)
    path = alone / "given" / f"train-images-idx3-ubyte{'.gz' * packed}"
    break_file(path, fault)
    with pytest.raises(OSError) as error:
        full("train", root=alone / "given")
    assert str(path) in str(error.value) and "fetch it again" in str(error.value)


def test_every_altered_byte_of_a_gzip_is_an_oserror(alone, monkeypatch):
    """gzip fails in three ways (header, stream, checksum): each is the same clear error."""
    write_idx_set(alone / "given", monkeypatch, packed=True)
    path = alone / "given" / "train-labels-idx1-ubyte.gz"
    raw = path.read_bytes()
    for i in (*range(0, 4), *range(10, len(raw), 3)):
        path.write_bytes(raw[:i] + bytes([raw[i] ^ 0xFF]) + raw[i + 1 :])
        with pytest.raises(OSError, match="fetch it again"):
            full("train", root=alone / "given")


@pytest.mark.parametrize("name", NAMES)
def test_a_missing_file_says_what_was_tried(alone, monkeypatch, name):
    """One of the four files is gone: the folders, the failed download, and what to do."""
    write_idx_set(alone / "given", monkeypatch, name)
    (alone / "given" / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as error:
        full("train", name, alone / "given")
    said = str(error.value)
    for part in (str(alone / "given"), ".cache", "no network", "root=", "$VAE_LIB_DATA"):
        assert part in said
    assert ("dataset-fashion-mnist" in said) == (name == "FashionMNIST")


@pytest.fixture
def downloads(alone, monkeypatch):
    """torchvision's own class with a folder for a server; returns it and the images there."""
    from torchvision import datasets

    class FashionMNIST(datasets.FashionMNIST):
        source, fails = alone / "server", False

        def download(self):
            Path(self.raw_folder).mkdir(parents=True)
            for path in self.source.iterdir():
                shutil.copy(path, self.raw_folder)
                if self.fails:
                    (Path(self.raw_folder) / path.name).write_bytes(b"half")
                    raise ConnectionResetError("the line broke")

    monkeypatch.setattr(idx, "_download", REAL_DOWNLOAD)
    monkeypatch.setattr(datasets, "FashionMNIST", FashionMNIST)
    return FashionMNIST, write_idx_set(alone / "server", monkeypatch)


def test_a_broken_download_leaves_nothing(downloads, alone):
    fake, written = downloads
    fake.fails = True
    with pytest.raises(FileNotFoundError, match="the line broke"):
        full("train")
    assert [p for p in (alone / "home").rglob("*") if p.is_file() or "partial" in p.name] == []
    fake.fails = False
    assert torch.equal(full("train").images[:, 0], written)


@pytest.mark.parametrize("cache", ["empty", "incomplete"])
def test_a_download_is_kept(downloads, alone, cache):
    """The second call needs no network; an incomplete cache is replaced."""
    fake, written = downloads
    raw = alone / "home" / ".cache" / "vae_lib" / "FashionMNIST" / "raw"
    if cache == "incomplete":
        raw.mkdir(parents=True)
        shutil.copy(fake.source / "train-images-idx3-ubyte", raw)
    assert torch.equal(full("train").images[:, 0], written)
    fake.fails = True
    assert torch.equal(full("train").images[:, 0], written)
    assert [p.name for p in raw.parents[1].iterdir()] == ["FashionMNIST"]


# fixed-binarised MNIST


@pytest.fixture
def bits(alone, monkeypatch):
    """20 rows of bits, registered as the test split."""
    rows = np.random.default_rng(0).integers(0, 2, (20, 784)).astype(np.uint8)
    hashes = data.BINARIZED_SHA256 | {"test": hashlib.sha256(np.packbits(rows)).hexdigest()}
    monkeypatch.setattr(data, "BINARIZED_SHA256", hashes)
    return rows


@pytest.mark.parametrize("form", ["npz", "amat"])
def test_binarized_mnist_from_a_folder(bits, alone, form):
    if form == "npz":
        np.savez(alone / "binarized_mnist_bits.npz", test=np.packbits(bits, axis=1))
    else:
        np.savetxt(alone / "binarized_mnist_test.amat", bits, fmt="%d")
    images, labels = load_binarized_mnist("test", root=alone)
    assert labels is None and images.shape == (20, 1, 28, 28) and images.dtype == torch.uint8
    assert torch.equal(images.view(20, 784), torch.from_numpy(bits) * 255)


def test_binarized_mnist_that_is_broken(bits, alone):
    """Too few rows, altered values, another number of columns, not numbers, half a zip."""
    path = alone / "binarized_mnist_test.amat"
    twos, flipped = 2 * bits, bits.copy()
    flipped[3, 4] ^= 1
    for wrong in (bits[:19], twos, flipped, bits[:, :783]):
        np.savetxt(path, wrong, fmt="%d")
        with pytest.raises(OSError, match="truncated or altered"):
            load_binarized_mnist("test", root=alone)
    path.write_text("0 1 x\n")
    with pytest.raises(OSError, match="fetch it again"):
        load_binarized_mnist("test", root=alone)
    np.savez(alone / "binarized_mnist_bits.npz", test=np.packbits(bits, axis=1))
    raw = (alone / "binarized_mnist_bits.npz").read_bytes()
    (alone / "binarized_mnist_bits.npz").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(OSError, match=r"bits\.npz is truncated or altered"):
        load_binarized_mnist("test", root=alone)


def test_binarized_mnist_that_is_missing(alone):
    with pytest.raises(FileNotFoundError, match=r"test\.amat.*VAE_LIB_DATA"):
        load_binarized_mnist("test", root=alone)
    with pytest.raises(FileNotFoundError, match="no folder"):
        load_binarized_mnist("test")


@pytest.mark.skipif(not (PAPER_DATA / "mnist").is_dir(), reason=NO_PAPER_DATA)
def test_the_real_mnist():
    train, test = (load_mnist(split, root=PAPER_DATA) for split in ("train", "test"))
    assert train.images.shape == (60_000, 1, 28, 28) and test.images.shape == (10_000, 1, 28, 28)
    assert abs(train.images.float().mean() / 255 - 0.1307) < 1e-4  # the well-known mean
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]


@pytest.mark.skipif(not (PAPER_DATA / "binarized-mnist").is_dir(), reason=NO_PAPER_DATA)
def test_the_real_binarized_mnist():
    valid = load_binarized_mnist("valid", root=PAPER_DATA).images
    assert valid.shape == (10_000, 1, 28, 28) and valid.unique().tolist() == [0, 255]
    assert load_binarized_mnist("train", root=PAPER_DATA).images.shape[0] == 50_000


# pixels


def check_binarize(binarize, n=20_000):
    """The mean of draws is x within 5 standard errors; 0 and 1 are never flipped."""
    grey = torch.tensor([0, 1, 64, 128, 254, 255], dtype=torch.uint8)
    for x in (grey, grey / 255):
        p = x.float() / 255 if x.dtype == torch.uint8 else x
        draws = binarize(x.expand(n, -1))
        assert draws.dtype == torch.float32 and set(draws.unique().tolist()) == {0.0, 1.0}
        assert ((draws.mean(0) - p).abs() <= 5 * (p * (1 - p) / n).sqrt()).all()


def test_binarize():
    check_binarize(binarize)
    x = torch.full((9, 9), 0.5)
    one, again, other = (binarize(x, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other)


def test_batches():
    """Every image once, scaled to [0, 1], the last batch smaller; the order follows the seed."""
    images = torch.arange(10, dtype=torch.uint8).view(10, 1, 1, 1) * 25
    plain = list(vae_lib.batches(images, 4))
    assert [len(b) for b in plain] == [4, 4, 2]
    torch.testing.assert_close(torch.cat(plain), images.float() / 255)

    def shuffled(seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat(list(vae_lib.batches(images, 4, True, generator)))

    assert torch.equal(shuffled(1), shuffled(1)) and not torch.equal(shuffled(1), shuffled(2))
    torch.testing.assert_close(shuffled(1).flatten().sort().values, images.flatten() / 255)


# importing


def test_import_is_quiet_and_does_no_work(tmp_path):
    """No warning, no word, no file, no torchvision: in a home that is empty before and after."""
    script = "import sys, vae_lib; assert 'torchvision' not in sys.modules"
    env = os.environ | {"HOME": str(tmp_path), "MPLCONFIGDIR": matplotlib.get_cachedir()}
    command = [sys.executable, "-W", "error", "-c", script]
    child = subprocess.run(command, capture_output=True, text=True, env=env, cwd=REPO)
    assert child.returncode == 0, child.stderr
    assert child.stdout == ""
    assert not (tmp_path / ".cache").exists()


def test_public_names():
    assert sorted(vae_lib.__all__) == sorted(set(vae_lib.__all__))
    for name in vae_lib.__all__:
        assert name in ("FASHION_CLASSES",) or vae_lib.__dict__[name].__doc__, name
