"""Keras 3 on tensorflow or jax: one Model with its own loss, `compile`, `fit`; no torch in here.

Keras compiles the step with XLA where it can (jit_compile="auto", its default).  Several steps in
one call is what its docs advise for small models.
"""

import os

import numpy as np

from . import keras_layout

STEPS_PER_CALL = 16


def make_layers(net):
    """Encoder body, its two heads, and the decoder, as in vae_lib.nets but channels last."""
    from keras import Sequential, layers

    if net == "mlp":
        encoder = [layers.Flatten(), layers.Dense(400, activation="relu")]
        decoder = [
            layers.Dense(400, activation="relu"),
            layers.Dense(784),
            layers.Reshape((28, 28, 1)),
        ]
    else:
        conv = dict(kernel_size=4, strides=2, padding="same")
        encoder = [
            layers.Conv2D(32, activation="relu", **conv),
            layers.Conv2D(64, activation="relu", **conv),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
        ]
        decoder = [
            layers.Dense(128, activation="relu"),
            layers.Dense(7 * 7 * 64, activation="relu"),
            layers.Reshape((7, 7, 64)),
            layers.Conv2DTranspose(32, activation="relu", **conv),
            layers.Conv2DTranspose(1, **conv),
        ]
    return Sequential(encoder), layers.Dense(20), layers.Dense(20), Sequential(decoder)


def make_vae(task):
    import keras
    from keras import ops

    class VAE(keras.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.mu, self.logvar, self.decoder = make_layers(task.net)
            self.seeds = keras.random.SeedGenerator(task.seed)

        def call(self, x):
            if task.binarize:
                x = ops.cast(keras.random.uniform(ops.shape(x), seed=self.seeds) < x, "float32")
            h = self.encoder(x)
            mu, logvar = (ops.cast(head(h), "float32") for head in (self.mu, self.logvar))
            eps = keras.random.normal(ops.shape(mu), seed=self.seeds)
            return x, mu, logvar, self.decoder(mu + ops.exp(0.5 * logvar) * eps)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            x, mu, logvar, logits = (ops.cast(part, "float32") for part in y_pred)
            bce = keras.losses.binary_crossentropy(x, logits, from_logits=True)  # (B, 28, 28)
            kl = -0.5 * ops.sum(1 + logvar - ops.square(mu) - ops.exp(logvar), axis=1)
            return ops.mean(ops.sum(bce, axis=(1, 2)) + kl)

    return VAE()


def train(task, tick):
    # read when keras is imported
    os.environ["KERAS_BACKEND"] = "jax" if task.peer == "keras_jax" else "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import keras

    keras.utils.set_random_seed(task.seed)
    if task.bfloat16:
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    x = task.load_images()[..., None].astype("float32") / 255
    vae = make_vae(task)
    vae(x[:1])  # makes the weights
    keras_layout.set_weights(vae, task.net, np.load(task.initial))
    # epsilon is torch's
    adam = keras.optimizers.Adam(task.lr, epsilon=1e-8)
    vae.compile(adam, steps_per_execution=STEPS_PER_CALL)
    end = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: tick(lambda: keras_layout.get_weights(vae, task.net))
    )
    vae.fit(x, batch_size=task.batch_size, epochs=task.epochs, callbacks=[end], verbose=0)
