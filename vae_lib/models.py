"""Autoencoder and VAE: the same nets, joined in two ways.  Objectives live in `objectives`."""

import torch
from torch import nn

from .distributions import reparameterize
from .likelihoods import make_likelihood
from .nets import ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder


class Autoencoder(nn.Module):
    """x -> one code z = encoder(x) -> decoder(z), the parameters of p(x given z)."""

    def __init__(self, encoder, decoder, likelihood="bernoulli"):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = make_likelihood(likelihood)

    def encode(self, x):
        """x (B, C, H, W) -> z (B, J)."""
        return self.encoder(x)

    def decode(self, z):
        """z (B, J) -> parameters of p(x given z), (B, C, H, W)."""
        return self.decoder(z)

    @torch.no_grad()
    def reconstruct(self, x):
        """The mean of p(x given encoder(x)), as an image (B, C, H, W)."""
        return self.likelihood.mean(self.decode(self.encode(x)))


class VAE(nn.Module):
    """p(z) = N(0, I), p(x given z) = decoder, q(z given x) = N(mu(x), diag exp(logvar(x))).

    Kingma & Welling 2013; Rezende et al. 2014.
    """

    def __init__(self, encoder, decoder, likelihood="bernoulli"):
        super().__init__()
        self.encoder, self.decoder = encoder, decoder
        self.likelihood = make_likelihood(likelihood)

    def encode(self, x):
        """x (B, C, H, W) -> mu, logvar of q(z given x), (B, J) each."""
        return self.encoder(x)

    def decode(self, z):
        """z (B, J) -> parameters of p(x given z), (B, C, H, W)."""
        return self.decoder(z)

    @torch.no_grad()
    def reconstruct(self, x, *, sample):
        """The mean of p(x given z) for z ~ q(z given x) (sample=True) or z = mu (sample=False)."""
        mu, logvar = self.encode(x)
        z = reparameterize(mu, logvar) if sample else mu
        return self.likelihood.mean(self.decode(z))

    @torch.no_grad()
    def sample(self, n, generator=None):
        """The means of p(x given z) for n draws z ~ N(0, I): (n, C, H, W).  No encoder is used."""
        device = next(self.parameters()).device
        z = torch.randn(n, self.decoder.latent_dim, generator=generator, device=device)
        return self.likelihood.mean(self.decode(z))


def make_model(kind, net, latent_dim, image_shape=(1, 28, 28), likelihood="bernoulli", **widths):
    """A fresh model from plain words: kind "autoencoder" or "vae", net "conv" or "mlp".

    widths: `hidden`, and `channels` for "conv", where encoder and decoder are not to be as wide
    as their defaults; both get the same.  Raises ValueError on other words.
    """
    kinds = {"autoencoder": (Autoencoder, 1), "vae": (VAE, 2)}
    nets = {"conv": (ConvEncoder, ConvDecoder), "mlp": (MLPEncoder, MLPDecoder)}
    if kind not in kinds or net not in nets:
        raise ValueError(
            f"kind is one of {list(kinds)}, net of {list(nets)}; got {kind!r}, {net!r}"
        )
    allowed = {"conv": {"hidden", "channels"}, "mlp": {"hidden"}}[net]
    if widths.keys() - allowed:
        raise ValueError(f"net {net!r} takes the widths {allowed}, got {sorted(widths)}")
    (model_class, heads), (encoder_class, decoder_class) = kinds[kind], nets[net]
    encoder = encoder_class(latent_dim, heads=heads, image_shape=image_shape, **widths)
    decoder = decoder_class(latent_dim, image_shape=image_shape, **widths)
    return model_class(encoder, decoder, likelihood)
