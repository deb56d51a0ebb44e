"""Weights that mean nothing, of the right shapes: to prove an export where the real ones are out of reach."""
import numpy as np


def random_tensors(shapes, seed):
    """`shapes`: name → shape. Wide enough that attention is not even and layers do not die."""
    rng = np.random.default_rng(seed)
    made = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape, np.float32)
        if name.endswith("running_var"):
            made[name] = 1 + 0.5 * np.tanh(values)
        elif name.endswith(("gamma", "gamma_1", "gamma_2")):
            made[name] = 0.3 + 0.1 * values
        elif "norm" in name.lower() and name.endswith(".weight"):
            made[name] = 1 + 0.1 * values
        elif len(shape) == 1:
            made[name] = 0.1 * values
        elif name.endswith("mask_token"):
            made[name] = np.zeros(shape, np.float32)
        else:
            made[name] = values * np.float32(1.5 / np.prod(shape[1:]) ** 0.5)
    return made
