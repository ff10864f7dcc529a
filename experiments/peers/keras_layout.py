"""Weights between Keras (channels last) and vae_lib (channels first).

A dense kernel is (in, out) there, (out, in) here; a convolution's (h, w, in, out) is (out, in, h,
w); a transposed one's (h, w, out, in) is (in, out, h, w).
"""

import numpy as np

# the 7 x 7 x 64 features in the order in which channels-first flattens them
FLAT = np.arange(7 * 7 * 64).reshape(7, 7, 64).transpose(2, 0, 1).reshape(-1)


def named_layers(vae, net):
    """(name in vae_lib, layer, axis of the dense weight that runs over the flat features)."""
    e, d = vae.encoder.layers, vae.decoder.layers
    heads = [("encoder.heads.0", vae.mu, None), ("encoder.heads.1", vae.logvar, None)]
    if net == "mlp":
        body = [("encoder.features.1", e[1], None)]
        return [*body, *heads, ("decoder.net.0", d[0], None), ("decoder.net.2", d[1], None)]
    return [
        ("encoder.features.0", e[0], None),
        ("encoder.features.2", e[1], None),
        ("encoder.features.5", e[3], 1),
        *heads,
        ("decoder.net.0", d[0], None),
        ("decoder.net.2", d[1], 0),
        ("decoder.net.5", d[3], None),
        ("decoder.net.7", d[4], None),
    ]


def get_weights(vae, net):
    result = {}
    for name, layer, flat in named_layers(vae, net):
        kernel, bias = (np.asarray(w) for w in layer.get_weights())
        kernel = kernel.transpose(3, 2, 0, 1) if kernel.ndim == 4 else kernel.T
        if flat is not None:
            kernel = kernel.take(FLAT, axis=flat)
        result[f"{name}.weight"] = kernel
        result[f"{name}.bias"] = bias[FLAT] if flat == 0 else bias
    return result


def set_weights(vae, net, arrays):
    back = np.argsort(FLAT)
    for name, layer, flat in named_layers(vae, net):
        kernel, bias = arrays[f"{name}.weight"], arrays[f"{name}.bias"]
        if flat is not None:
            kernel = kernel.take(back, axis=flat)
        kernel = kernel.transpose(2, 3, 1, 0) if kernel.ndim == 4 else kernel.T
        layer.set_weights([kernel, bias[back] if flat == 0 else bias])
