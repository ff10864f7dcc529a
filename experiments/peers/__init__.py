"""One module per peer; each has `train(task, tick)`, written as that library's own docs write it.

`task` is a `peers.worker.Task`; its images are (N, 28, 28) uint8 in memory.  At the end of every
epoch a peer calls `tick(weights)`, where `weights()` gives arrays named and laid out as those of
`vae_lib.make_model("vae", task.net, latent_dim=20)`; `task.initial` has those to start with.  The
clock stands still inside `tick`.
"""

# name: (module, what the tables call it)
PEERS = {
    "ours": ("ours", "vae_lib, `fit`"),
    "keras_jax": ("with_keras", "Keras 3, jax"),
    "keras_tf": ("with_keras", "Keras 3, tensorflow"),
    "pythae": ("with_pythae", "pythae"),
    "pyro": ("with_pyro", "Pyro SVI"),
    "lightning": ("with_lightning", "Lightning"),
    "canonical": ("canonical", "the canonical PyTorch example"),
    # half precision, against one another
    "ours_bf16": ("ours", "vae_lib, `fit`, bfloat16"),
    "keras_tf_bf16": ("with_keras", "Keras 3, tensorflow, mixed_bfloat16"),
    # no peer, but the least that a step can cost
    "floor": ("floor", "the layers alone"),
}
