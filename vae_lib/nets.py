"""Encoders and decoders for images, MLP and convolutional; no loss in here.

An encoder with `heads=2` returns (mu, logvar), with `heads=1` a code; each is (B, J).
A decoder returns the parameters of p(x given z), shaped like x.  The autoencoder and the VAE use
the very same classes, so that a comparison compares the objectives.
"""

import math
from itertools import pairwise

from torch import nn


class MLPEncoder(nn.Module):
    """Fully connected encoder: x (B, C, H, W) -> (mu, logvar), or a code if heads=1; (B, J) each.

    Raises ValueError when x is not shaped (B, *image_shape).
    """

    def __init__(self, latent_dim, heads=2, image_shape=(1, 28, 28), hidden=(400,)):
        super().__init__()
        if heads not in (1, 2):
            raise ValueError(f"heads is 2 for (mu, logvar) or 1 for a code, got {heads}")
        self.latent_dim, self.image_shape = latent_dim, tuple(image_shape)
        sizes = [math.prod(image_shape), *hidden]
        layers = [nn.Flatten()]
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.heads = nn.ModuleList(nn.Linear(sizes[-1], latent_dim) for _ in range(heads))

    def forward(self, x):
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"expected images (B, *{self.image_shape}), got {tuple(x.shape)}")
        h = self.features(x)
        outputs = tuple(head(h) for head in self.heads)
        return outputs if len(outputs) > 1 else outputs[0]


class MLPDecoder(nn.Module):
    """Fully connected decoder: z (B, J) -> parameters (B, C, H, W), raw: no sigmoid."""

    def __init__(self, latent_dim, image_shape=(1, 28, 28), hidden=(400,)):
        super().__init__()
        self.latent_dim, self.image_shape = latent_dim, tuple(image_shape)
        sizes = [latent_dim, *hidden]
        layers = []
        for n_in, n_out in pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        last = nn.Linear(sizes[-1], math.prod(image_shape))
        self.net = nn.Sequential(*layers, last, nn.Unflatten(1, self.image_shape))

    def forward(self, z):
        return self.net(z)


class ConvEncoder(nn.Module):
    """Convolutional encoder: x (B, C, H, W) -> (mu, logvar), or a code if heads=1; (B, J) each.

    Two strided convolutions quarter the sides, so H and W must be multiples of 4.
    Raises ValueError on other sizes and when x is not shaped (B, *image_shape).
    """

    def __init__(self, latent_dim, heads=2, image_shape=(1, 28, 28), channels=(32, 64), hidden=128):
        super().__init__()
        if heads not in (1, 2):
            raise ValueError(f"heads is 2 for (mu, logvar) or 1 for a code, got {heads}")
        self.latent_dim, self.image_shape = latent_dim, tuple(image_shape)
        (c, h, w), (c1, c2) = image_shape, channels
        if h % 4 or w % 4:
            raise ValueError(f"image height and width must be multiples of 4, got {h} x {w}")
        self.features = nn.Sequential(
            nn.Conv2d(c, c1, 4, stride=2, padding=1),  # (B, c1, H/2, W/2)
            nn.ReLU(),
            nn.Conv2d(c1, c2, 4, stride=2, padding=1),  # (B, c2, H/4, W/4)
            nn.ReLU(),
            nn.Flatten(),  # (B, c2 * H/4 * W/4)
            nn.Linear(c2 * (h // 4) * (w // 4), hidden),
            nn.ReLU(),
        )
        self.heads = nn.ModuleList(nn.Linear(hidden, latent_dim) for _ in range(heads))

    def forward(self, x):
        if x.shape[1:] != self.image_shape:
            raise ValueError(f"expected images (B, *{self.image_shape}), got {tuple(x.shape)}")
        h = self.features(x)
        outputs = tuple(head(h) for head in self.heads)
        return outputs if len(outputs) > 1 else outputs[0]


class ConvDecoder(nn.Module):
    """Convolutional decoder: z (B, J) -> parameters (B, C, H, W), raw: no sigmoid.

    The mirror of ConvEncoder.  Raises ValueError unless H and W are multiples of 4.
    """

    def __init__(self, latent_dim, image_shape=(1, 28, 28), channels=(32, 64), hidden=128):
        super().__init__()
        self.latent_dim, self.image_shape = latent_dim, tuple(image_shape)
        (c, h, w), (c1, c2) = image_shape, channels
        if h % 4 or w % 4:
            raise ValueError(f"image height and width must be multiples of 4, got {h} x {w}")
        self.net = nn.Sequential(
            nn.Linear(latent_dim, hidden),
            nn.ReLU(),
            nn.Linear(hidden, c2 * (h // 4) * (w // 4)),
            nn.ReLU(),
            nn.Unflatten(1, (c2, h // 4, w // 4)),  # (B, c2, H/4, W/4)
            nn.ConvTranspose2d(c2, c1, 4, stride=2, padding=1),  # (B, c1, H/2, W/2)
            nn.ReLU(),
            nn.ConvTranspose2d(c1, c, 4, stride=2, padding=1),  # (B, C, H, W)
        )

    def forward(self, z):
        return self.net(z)
