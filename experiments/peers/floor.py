"""Not a peer: the layers of the net alone, forward and backward, on the activations of one batch.

No data, no loss, no optimiser, no activation functions: nobody who computes these layers in
float32 with the same matrix library is faster.
"""

import torch
from torch import nn

from .torch_net import make_model, weights_of

LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def record(model, x):
    """(layer, its input, the gradient of its output) for every layer with weights."""
    calls = []

    def note(layer, inputs, output):
        calls.append((layer, inputs[0].detach(), torch.ones_like(output) / len(x)))

    handles = [m.register_forward_hook(note) for m in model.modules() if isinstance(m, LAYERS)]
    model.decode(model.encode(x)[0])
    for handle in handles:
        handle.remove()
    for i, (_, inputs, _) in enumerate(calls):
        inputs.requires_grad_(i > 0)  # nobody needs the gradient of the images
    return calls


def train(task, tick):
    images = torch.from_numpy(task.load_images())[: task.batch_size].unsqueeze(1)
    model = make_model(task).to(memory_format=torch.channels_last)
    calls = record(model, images.float() / 255)
    steps = -(-len(task.load_images()) // task.batch_size)
    for _ in range(task.epochs):
        for _ in range(steps):
            for layer, inputs, gradient in calls:
                wanted = [*layer.parameters(), *([inputs] if inputs.requires_grad else [])]
                torch.autograd.grad(layer(inputs), wanted, gradient)
        tick(weights_of(model))
