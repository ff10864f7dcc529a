"""The net of the peers that run on torch: that of vae_lib, from the weights that all start with."""

import numpy as np
import torch

import vae_lib as vl


def make_model(task):
    model = vl.make_model("vae", task.net, latent_dim=20)
    arrays = np.load(task.initial)
    model.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    return model


def weights_of(model):
    """What `tick` takes."""
    return lambda: {name: w.detach().numpy() for name, w in model.state_dict().items()}
