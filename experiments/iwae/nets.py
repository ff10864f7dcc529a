"""The nets of Burda et al. 2016: tanh, one or two stochastic layers; and many of them as one.

model(x, k) gives the log-weights, (k, B) nats; model.code_means(x) the means of q, one tensor for
each stochastic layer.
"""

import copy
import math
from itertools import pairwise

import torch
from torch import nn

import vae_lib as vl
from vae_lib.distributions import gaussian_log_prob
from vae_lib.likelihoods import Gaussian
from vae_lib.objectives import log_weights

PIXELS = 784


def tanh_net(*sizes, last=None):
    """Linear layers with a tanh after each; where `last` is given, one more without.

    Weights as Glorot and Bengio draw them, biases 0, as in the paper.
    """
    layers = []
    for n_in, n_out in pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.Tanh()]
    if last is not None:
        layers.append(nn.Linear(sizes[-1], last))
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)


class Conditional(nn.Module):
    """A diagonal Gaussian whose mu and logvar, (B, n_out) each, are functions of (B, n_in)."""

    def __init__(self, n_in, hidden, n_out):
        super().__init__()
        self.features = tanh_net(n_in, hidden, hidden)
        self.mu, self.logvar = (tanh_net(hidden, last=n_out) for _ in range(2))

    def forward(self, h):
        h = self.features(h.flatten(1))
        return self.mu(h), self.logvar(h)


class Decoder(nn.Module):
    """z (B, J) -> parameters of p(x given z), (B, 1, 28, 28); starts at the given output bias."""

    def __init__(self, latent_dim, hidden, bias):
        super().__init__()
        self.latent_dim = latent_dim
        self.net = tanh_net(latent_dim, hidden, hidden, last=PIXELS)
        self.net[-1].bias.data = bias.clone()

    def forward(self, z):
        return self.net(z).view(-1, 1, 28, 28)


class OneLayer(vl.VAE):
    """784-200-200-50 and back."""

    def __init__(self, likelihood, bias, hidden=200, latent_dim=50):
        encoder = Conditional(PIXELS, hidden, latent_dim)
        super().__init__(encoder, Decoder(latent_dim, hidden, bias), likelihood)

    def forward(self, x, k):
        return log_weights(self, x, k)[0]

    def code_means(self, x):
        return (self.encode(x)[0],)


class TwoLayers(nn.Module):
    """784-200-200-100-100-100-50 and back: z1 (B, 100) beneath z2 (B, 50)."""

    def __init__(self, likelihood, bias, hidden=200, latent_dims=(100, 50)):
        super().__init__()
        j1, j2 = latent_dims
        self.q1, self.q2 = Conditional(PIXELS, hidden, j1), Conditional(j1, j1, j2)
        self.p1, self.decoder = Conditional(j2, j1, j1), Decoder(j1, hidden, bias)
        self.likelihood = likelihood

    def forward(self, x, k):
        """log p(x, z1, z2) - log q(z1, z2 given x): (k, B) nats.  Burda et al. 2016, eq. (3)."""
        q1 = [t.repeat(k, 1) for t in self.q1(x)]
        z1 = vl.reparameterize(*q1)
        q2 = self.q2(z1)
        z2 = vl.reparameterize(*q2)
        log_pz = gaussian_log_prob(z2, torch.zeros_like(z2), 0.0)
        log_pz = log_pz + gaussian_log_prob(z1, *self.p1(z2))
        log_qz = gaussian_log_prob(z1, *q1) + gaussian_log_prob(z2, *q2)
        log_px_z = self.likelihood.log_prob(x.repeat(k, 1, 1, 1), self.decoder(z1))
        return (log_px_z + log_pz - log_qz).view(k, -1)

    def code_means(self, x, draws=500):
        """E_q[z1] exactly, and E_q[z2] over so many draws of z1 that their noise is no activity."""
        mu, logvar = self.q1(x)
        means = [self.q2(vl.reparameterize(mu, logvar))[0] for _ in range(draws)]
        return mu, torch.stack(means).mean(0)


NETS = {1: OneLayer, 2: TwoLayers}  # by the number of stochastic layers


class Stack(nn.Module):
    """M models of one shape as one module: every layer is M layers, multiplied at once.

    tight: one bool for each model, True for L_k and False for the mean of k ELBOs.
    The models do not touch each other: the loss is the sum of theirs, and Adam moves each weight
    by its own gradient.  On a GPU a small net leaves most of the device idle; M of them fill it.
    """

    def __init__(self, models, tight):
        super().__init__()
        parameters, buffers = torch.func.stack_module_state(models)
        if buffers:
            raise ValueError(f"a stack holds no buffers, got {sorted(buffers)}")
        self.names = list(parameters)
        self.stacked = nn.ParameterList(parameters.values())
        self.register_buffer("tight", torch.tensor(tight)[:, None])
        # one model without weights, which lends its forward; in a list, so that it is no submodule
        self.shape = [copy.deepcopy(models[0]).to("meta")]

    def forward(self, x, k):
        """x: (M, B, 1, 28, 28), a batch for each model -> their bounds, (M, B) nats."""

        def of_one(weights, x):
            return torch.func.functional_call(self.shape[0], weights, (x, k))

        weights = dict(zip(self.names, self.stacked, strict=True))
        log_w = torch.vmap(of_one, randomness="different")(weights, x)  # (M, k, B)
        iwae = torch.logsumexp(log_w, 1) - math.log(k)
        return torch.where(self.tight, iwae, log_w.mean(1))

    def models(self):
        """The M models, each with its own weights, on the CPU."""
        result = [copy.deepcopy(self.shape[0]).to_empty(device="cpu") for _ in self.tight]
        for m, model in enumerate(result):
            weights = zip(self.names, self.stacked, strict=True)
            model.load_state_dict({name: stacked[m] for name, stacked in weights})
        return result


def pixel_bias(images, likelihood):
    """The output bias that starts the decoder at the mean image: (784,)."""
    mean = (images.float().mean((0, 1)) / 255).flatten()
    if isinstance(likelihood, Gaussian):
        return mean
    return torch.logit(mean.clamp(1e-3, 1 - 1e-3))
