"""Runs graphs of a bundle in ONNX Runtime as a manifest strings them together."""
import os

import numpy as np
import onnxruntime

DIGITS = 8


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.enable_mem_pattern = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def unit(values):
    values = np.asarray(values, np.float64).ravel()
    return values / np.linalg.norm(values)


def rounded(values):
    return [round(float(v), DIGITS) for v in unit(values)]


def windows(volume, window):
    """→ (place in the grid, the window), none over another; the last axis fastest. The volume is whole windows."""
    counts = [size // n for size, n in zip(volume.shape[2:], window)]
    for at in np.ndindex(*counts):
        cut = tuple(slice(i * n, (i + 1) * n) for i, n in zip(at, window))
        yield at, np.ascontiguousarray(volume[(..., *cut)])
