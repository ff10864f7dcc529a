"""The loop of pytorch/examples/vae: torchvision loader, sigmoid, summed BCE, Adam, `.item()`."""

import torch
import torch.nn.functional as F
from torch import optim
from torch.utils.data import DataLoader
from torchvision import datasets, transforms

from .torch_net import make_model, weights_of


class InMemory(datasets.FashionMNIST):
    """torchvision's data set on images that are already here; items are made its way."""

    def __init__(self, images, transform):
        self.data, self.targets = torch.from_numpy(images), torch.zeros(len(images), dtype=int)
        self.transform, self.target_transform = transform, None


def loss_function(recon_x, x, mu, logvar):
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


def train(task, tick):
    torch.manual_seed(task.seed)
    data = InMemory(task.load_images(), transforms.ToTensor())
    loader = DataLoader(data, batch_size=task.batch_size, shuffle=True)
    model = make_model(task)
    optimizer = optim.Adam(model.parameters(), lr=task.lr)
    model.train()
    for _ in range(task.epochs):
        train_loss = 0
        for data, _ in loader:
            data = torch.bernoulli(data) if task.binarize else data
            optimizer.zero_grad()
            mu, logvar = model.encode(data)
            std = torch.exp(0.5 * logvar)
            z = mu + torch.randn_like(std) * std
            recon = torch.sigmoid(model.decode(z))
            loss = loss_function(recon, data, mu, logvar)
            loss.backward()
            train_loss += loss.item()
            optimizer.step()
        tick(weights_of(model))
