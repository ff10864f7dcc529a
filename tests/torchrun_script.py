"""What test_devices starts under torchrun: a reader's script, with reports for the test.

    torchrun --nproc-per-node 2 torchrun_script.py OUT [DIE_IN_EPOCH]

Each process writes the images it trained on; with DIE_IN_EPOCH process 1 kills itself there.
"""

import json
import os
import signal
import sys
from pathlib import Path

import torch

import vae_lib as vl

EPOCHS = 6
BATCHES = 10  # 625 images in batches of 64: the last one has 49, an odd number


def images():
    """Each with two pixels that name it."""
    result = vl.load_fashion_mnist("train").images[:625]
    result[:, 0, 0, 0] = torch.arange(625) % 256
    result[:, 0, 0, 1] = torch.arange(625) // 256
    return result


def train(kind, objective, seed=0, **settings):
    """The reader's few lines: a history and the model."""
    torch.set_num_threads(1)
    vl.set_seed(0)
    model = vl.make_model(kind, "mlp", 5, hidden=(64,))
    config = vl.TrainConfig(
        epochs=EPOCHS, batch_size=64, lr=3e-3, seed=seed, device="cpu", progress=False, **settings
    )
    return vl.fit(model, objective, images(), config).rows, model


def main():
    out, die_in_epoch = Path(sys.argv[1]), int([*sys.argv, -1][2])
    rank, seen = int(os.environ.get("RANK", 0)), []

    def elbo(model, x):
        seen.append((x[:, 0, 0, :2] * 255).round().tolist())
        if rank == 1 and len(seen) == die_in_epoch * BATCHES + 5:
            os.kill(os.getpid(), signal.SIGKILL)
        return vl.elbo(model, x)

    rows, model = train("vae", elbo, checkpoint=str(out / "checkpoint.pt"))
    weights = {name: value.tolist() for name, value in model.state_dict().items()}
    without_noise, _ = train("autoencoder", vl.reconstruction_log_prob)
    report = {"rows": rows, "without_noise": without_noise, "seen": seen, "weights": weights}
    (out / f"rank_{rank}.json").write_text(json.dumps(report))


if __name__ == "__main__":
    main()
