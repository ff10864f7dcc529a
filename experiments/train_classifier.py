"""Train the classifier whose features measure samples, and store it in vae_lib/assets.

    python experiments/train_classifier.py [--data FOLDER] [--epochs N] [--threads N]

All 60,000 images of Fashion-MNIST in grey, shifted by up to one pixel; Adam, one cycle.  With the
weights it stores the mean and covariance of its features over the 10,000 test images.
"""

import argparse
import time

import torch
from torch.nn import functional as F

import vae_lib as vl
from vae_lib.artifacts import versions
from vae_lib.data import batches, to_unit
from vae_lib.quality import GarmentClassifier, image_features, moments

LR, BATCH, SEED = 4e-3, 256, 0


def shifted(x, generator):
    """Each batch moved as a whole by -1, 0 or 1 pixel along each axis."""
    down, right = torch.randint(0, 3, (2,), generator=generator).tolist()
    return F.pad(x, (1, 1, 1, 1))[..., down : down + 28, right : right + 28]


def train(images, labels, epochs):
    """A classifier trained on uint8 images (N, 1, 28, 28) with labels (N,)."""
    vl.set_seed(SEED)
    model, generator = GarmentClassifier(), torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.Adam(model.parameters())
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, steps)
    for epoch in range(epochs):
        order = torch.randperm(len(images), generator=generator)
        for rows in order.split(BATCH):
            x = shifted(to_unit(images[rows]), generator)
            loss = F.cross_entropy(model(x), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch}: last loss {loss.item():.3f}", flush=True)
    return model.eval()


@torch.no_grad()
def accuracy(model, images, labels):
    """Share of images whose largest logit is that of their label."""
    guess = torch.cat([model(x).argmax(1) for x in batches(images, 500)])
    return (guess == labels).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of the full Fashion-MNIST idx files")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--threads", type=int, help="CPU threads; default: all")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    images, labels = vl.load_fashion_mnist("train", size="full", root=args.data)
    test_images, test_labels = vl.load_fashion_mnist("test", size="full", root=args.data)
    start = time.perf_counter()
    model = train(images, labels, args.epochs)
    seconds = time.perf_counter() - start
    mean, cov = moments(image_features(model, test_images))
    model.test_mean.copy_(mean)
    model.test_cov.copy_(cov)
    metrics = {
        "test_accuracy": accuracy(model, test_images, test_labels),
        "train_accuracy": accuracy(model, images, labels),
    }
    vl.save_run(
        "classifier",
        model,
        {"channels": [16, 32, 64], "n_features": 64},
        build=GarmentClassifier,
        half=False,
        config={"epochs": args.epochs, "lr": LR, "batch_size": BATCH, "seed": SEED},
        metrics=metrics,
        seconds=seconds,
        threads=torch.get_num_threads(),
        device="cpu",
        versions=versions(),
    )
    print(metrics, f"{seconds:.0f} s")


if __name__ == "__main__":
    main()
