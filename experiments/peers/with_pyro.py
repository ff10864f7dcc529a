"""Pyro: model and guide of its VAE tutorial, trained by SVI with the analytic KL."""

import pyro
import pyro.distributions as dist
import torch
from pyro.infer import SVI, TraceMeanField_ELBO
from pyro.optim import Adam
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from .torch_net import make_model, weights_of


class PyroVAE(nn.Module):
    def __init__(self, task):
        super().__init__()
        self.vae = make_model(task)
        self.z_dim = 20

    def model(self, x):
        pyro.module("decoder", self.vae.decoder)
        with pyro.plate("data", x.shape[0]):
            z_loc, z_scale = x.new_zeros(x.shape[0], self.z_dim), x.new_ones(x.shape[0], self.z_dim)
            z = pyro.sample("latent", dist.Normal(z_loc, z_scale).to_event(1))
            logits = self.vae.decode(z)
            # the tutorial turns validation off too: grey pixels are not in its support
            pixels = dist.Bernoulli(logits=logits, validate_args=False).to_event(3)
            pyro.sample("obs", pixels, obs=x)

    def guide(self, x):
        pyro.module("encoder", self.vae.encoder)
        with pyro.plate("data", x.shape[0]):
            mu, logvar = self.vae.encode(x)
            pyro.sample("latent", dist.Normal(mu, torch.exp(0.5 * logvar)).to_event(1))


def train(task, tick):
    pyro.set_rng_seed(task.seed)
    pyro.clear_param_store()
    pyro.enable_validation(False)
    x = torch.from_numpy(task.load_images()).unsqueeze(1).float() / 255
    loader = DataLoader(TensorDataset(x), batch_size=task.batch_size, shuffle=True)
    vae = PyroVAE(task)
    svi = SVI(vae.model, vae.guide, Adam({"lr": task.lr}), loss=TraceMeanField_ELBO())
    for _ in range(task.epochs):
        epoch_loss = 0.0
        for (x,) in loader:
            epoch_loss += svi.step(torch.bernoulli(x) if task.binarize else x)
        tick(weights_of(vae.vae))
