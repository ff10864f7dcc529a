"""Lightning: a LightningModule and a Trainer, as in its "Lightning in 15 minutes"."""

import lightning as L
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

from .torch_net import make_model, weights_of


class LitVAE(L.LightningModule):
    def __init__(self, task):
        super().__init__()
        self.task, self.vae = task, make_model(task)

    def training_step(self, batch, batch_idx):
        (x,) = batch
        x = torch.bernoulli(x) if self.task.binarize else x
        mu, logvar = self.vae.encode(x)
        z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
        logits = self.vae.decode(z)
        bce = F.binary_cross_entropy_with_logits(logits, x, reduction="sum")
        kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        return (bce + kl) / len(x)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.task.lr)


class Tick(L.Callback):
    def __init__(self, tick):
        self.tick = tick

    def on_train_epoch_end(self, trainer, module):
        self.tick(weights_of(module.vae))


def train(task, tick):
    L.seed_everything(task.seed)
    x = torch.from_numpy(task.load_images()).unsqueeze(1).float() / 255
    loader = DataLoader(TensorDataset(x), batch_size=task.batch_size, shuffle=True)
    trainer = L.Trainer(
        max_epochs=task.epochs,
        accelerator="cpu",
        callbacks=[Tick(tick)],
        # what a training loop need not do is off
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(LitVAE(task), loader)
