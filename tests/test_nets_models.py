"""Nets and models: shapes for every size they claim to take, clear errors for the others."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from vae_lib import VAE, Autoencoder, ConvDecoder, ConvEncoder, MLPDecoder, MLPEncoder, make_model

NETS = {"mlp": (MLPEncoder, MLPDecoder), "conv": (ConvEncoder, ConvDecoder)}
few = settings(max_examples=12, deadline=None)
sizes = st.tuples(st.sampled_from([1, 3]), st.integers(1, 5), st.integers(1, 5)).map(
    lambda s: (s[0], 4 * s[1], 4 * s[2])
)


@few
@given(st.sampled_from(["mlp", "conv"]), st.integers(1, 4), st.integers(1, 9), sizes)
def test_shapes(net, batch, latent_dim, image_shape):
    """Any batch, latent size, colour and height and width that are multiples of 4."""
    encoder_class, decoder_class = NETS[net]
    x = torch.rand(batch, *image_shape)
    mu, logvar = encoder_class(latent_dim, image_shape=image_shape)(x)
    code = encoder_class(latent_dim, heads=1, image_shape=image_shape)(x)
    assert mu.shape == logvar.shape == code.shape == (batch, latent_dim)
    assert decoder_class(latent_dim, image_shape=image_shape)(mu).shape == x.shape


@few
@given(st.integers(1, 30), st.integers(1, 30))
def test_conv_sizes_that_are_refused(h, w):
    for net in NETS["conv"]:
        if h % 4 == 0 and w % 4 == 0:
            net(2, image_shape=(1, h, w))
        else:
            with pytest.raises(ValueError, match=f"multiples of 4, got {h} x {w}"):
                net(2, image_shape=(1, h, w))


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("shape", [(2, 1, 28, 24), (2, 3, 28, 28), (2, 784), (1, 28, 28)])
def test_other_images_are_refused(net, shape):
    """Also a set with as many pixels, a flat one, and an image without its batch dimension."""
    with pytest.raises(ValueError) as error:
        NETS[net][0](2)(torch.zeros(shape))
    assert str(shape) in str(error.value) and "28, 28" in str(error.value)


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("heads", [0, 3])
def test_heads_are_one_or_two(net, heads):
    with pytest.raises(ValueError, match="heads"):
        NETS[net][0](2, heads=heads)


@pytest.mark.parametrize("net", NETS)
def test_autoencoder_and_vae_share_their_nets(net):
    """The parameters are the same, name by name and shape by shape, but for the second head."""
    shapes = [
        {name: tuple(p.shape) for name, p in make_model(kind, net, 5).named_parameters()}
        for kind in ("autoencoder", "vae")
    ]
    extra = {"encoder.heads.1.weight", "encoder.heads.1.bias"}
    assert {k: v for k, v in shapes[1].items() if k not in extra} == shapes[0]
    assert extra <= shapes[1].keys()


@pytest.mark.parametrize("net", NETS)
def test_every_parameter_is_used(net):
    """One backward pass reaches every parameter, through both heads."""
    model = make_model("vae", net, 3)
    mu, logvar = model.encode(torch.rand(2, 1, 28, 28))
    model.decode(mu + logvar).square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None and p.grad.abs().sum() > 0, name


def test_decoders_return_raw_parameters():
    """No sigmoid in a net: a decoder with a large last bias leaves [0, 1]."""
    for decoder in (MLPDecoder(2), ConvDecoder(2)):
        last = [m for m in decoder.modules() if hasattr(m, "bias")][-1]
        nn.init.constant_(last.bias, 7.0)
        assert decoder(torch.zeros(1, 2)).mean() > 5


def test_reconstruct_says_whether_it_samples():
    model, x = make_model("vae", "mlp", 3), torch.rand(4, 1, 28, 28)
    assert torch.equal(model.reconstruct(x, sample=False), model.reconstruct(x, sample=False))
    assert not torch.equal(model.reconstruct(x, sample=True), model.reconstruct(x, sample=True))
    mean_code = model.decode(model.encode(x)[0]).sigmoid()
    torch.testing.assert_close(model.reconstruct(x, sample=False), mean_code)
    with pytest.raises(TypeError):
        model.reconstruct(x)
    assert not model.reconstruct(x, sample=True).requires_grad


def test_autoencoder_reconstruction_is_a_function():
    model, x = make_model("autoencoder", "conv", 3), torch.rand(2, 1, 28, 28)
    images = model.reconstruct(x)
    assert images.shape == x.shape and not images.requires_grad
    torch.testing.assert_close(images, model.decode(model.encode(x)).sigmoid())


class Refuses(nn.Module):
    def forward(self, x):
        raise AssertionError("the encoder was used")


def test_generation_uses_no_encoder():
    model = VAE(Refuses(), MLPDecoder(3))
    images = model.sample(5, torch.Generator().manual_seed(1))
    assert images.shape == (5, 1, 28, 28)
    assert images.min() >= 0 and images.max() <= 1 and not images.requires_grad
    assert torch.equal(images, model.sample(5, torch.Generator().manual_seed(1)))
    assert not torch.equal(images, model.sample(5))


def test_samples_come_from_the_prior():
    """With a decoder that returns z, `sample` returns N(0, I) within 5 standard errors."""
    decoder = nn.Sequential(nn.Unflatten(1, (2, 1, 1)), nn.Conv2d(2, 2, 1, bias=False))
    decoder.latent_dim = 2
    decoder[1].weight.data = torch.eye(2).view(2, 2, 1, 1)
    z = VAE(Refuses(), decoder, "gaussian").sample(20_000).flatten(1)
    assert z.mean(0).abs().max() < 5 / 20_000**0.5
    assert (z.std(0) - 1).abs().max() < 5 / 40_000**0.5


def test_make_model():
    model = make_model("autoencoder", "conv", 4, (3, 16, 8), "gaussian")
    assert type(model) is Autoencoder and type(model.encoder) is ConvEncoder
    assert model.reconstruct(torch.rand(2, 3, 16, 8)).shape == (2, 3, 16, 8)
    for words in (("cvae", "conv"), ("vae", "resnet")):
        with pytest.raises(ValueError, match=words[0] if words[0] == "cvae" else words[1]):
            make_model(*words, 2)


@pytest.mark.parametrize(
    ("net", "widths"),
    [
        ("conv", {"channels": (3, 5), "hidden": 7}),
        ("conv", {"hidden": 7}),
        ("mlp", {"hidden": (9,)}),
    ],
)
def test_make_model_gives_both_nets_the_same_widths(net, widths):
    model = make_model("vae", net, 2, (1, 8, 8), **widths)
    shapes = {tuple(p.shape) for p in model.parameters()}
    inner = 7 if net == "conv" else 9
    assert (inner, 2) in shapes and (2, inner) in shapes  # decoder's first layer, encoder's head
    if "channels" in widths:
        assert (3, 1, 4, 4) in shapes and (5, 3, 4, 4) in shapes
    assert model.sample(3).shape == (3, 1, 8, 8)


def test_make_model_names_a_width_it_does_not_know():
    with pytest.raises(ValueError, match=r"'mlp' takes.*channels"):
        make_model("vae", "mlp", 2, channels=(3, 5))
