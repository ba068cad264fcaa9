"""Prepares the devices TensorFlow will use; to be called before anything touches one."""

import tensorflow as tf


def prepare() -> None:
    """Let GPU memory grow as it is needed, so that other processes keep theirs."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
