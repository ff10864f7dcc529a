"""pythae: its VAE and its trainer, with our nets as custom encoder and decoder."""

import torch
from pythae.data.datasets import BaseDataset
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.trainers.training_callbacks import TrainingCallback

from .torch_net import make_model, weights_of


class Encoder(BaseEncoder):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        mu, logvar = self.net(x)
        return ModelOutput(embedding=mu, log_covariance=logvar)


class Decoder(BaseDecoder):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z):
        return ModelOutput(reconstruction=torch.sigmoid(self.net(z)))


class BinarizingVAE(VAE):
    """Fresh binary images at every step; pythae has no such option."""

    def forward(self, inputs, **kwargs):
        return super().forward({"data": torch.bernoulli(inputs["data"])}, **kwargs)


class Tick(TrainingCallback):
    def __init__(self, tick, vae):
        self.tick, self.vae = tick, vae

    def on_epoch_end(self, training_config, **kwargs):
        self.tick(weights_of(self.vae))


def train(task, tick):
    torch.manual_seed(task.seed)
    images = torch.from_numpy(task.load_images()).unsqueeze(1).float() / 255
    ours = make_model(task)
    config = VAEConfig(input_dim=(1, 28, 28), latent_dim=20, reconstruction_loss="bce")
    kind = BinarizingVAE if task.binarize else VAE
    model = kind(config, encoder=Encoder(ours.encoder), decoder=Decoder(ours.decoder))
    settings = BaseTrainerConfig(
        output_dir=f"{task.weights}.pythae",
        num_epochs=task.epochs,
        learning_rate=task.lr,
        per_device_train_batch_size=task.batch_size,
        seed=task.seed,
        no_cuda=True,
    )
    data = BaseDataset(images, torch.zeros(len(images)))
    BaseTrainer(model, data, training_config=settings, callbacks=[Tick(tick, ours)]).train()
