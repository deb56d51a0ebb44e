"""Runs the graphs of a bundle in ONNX Runtime as its manifest strings them together."""
import os

import numpy as np
import onnxruntime

from golden import golden_input

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


def dense_map(folder, volume, window, graph="backbone.onnx"):
    """[1, 1, z, y, x] → [1, 768, z / 8, y / 8, x / 8]: window by window, none over another."""
    run = session(folder / graph)
    counts = [size // window for size in volume.shape[2:]]
    whole = None
    for at in np.ndindex(*counts):
        cut = tuple(slice(i * window, (i + 1) * window) for i in at)
        dense = run.run(["dense"], {"volume": np.ascontiguousarray(volume[(..., *cut)])})[0]
        side = dense.shape[-1]
        if whole is None:
            whole = np.zeros((*dense.shape[:2], *(n * side for n in counts)), np.float32)
        whole[(..., *(slice(i * side, (i + 1) * side) for i in at))] = dense
    return whole


def volume_vectors(folder, profile, seed, limits):
    """→ unit vectors by the reference that a space has; of tokens the first one."""
    size = profile["shape"][2:]
    window = profile["tiling"].get("window", size)[0]
    dense = dense_map(folder, golden_input(seed, size, *limits), window)
    tokens = np.ascontiguousarray(dense.reshape(*dense.shape[:2], -1).transpose(0, 2, 1))
    pooled = session(folder / "pool.onnx").run(["pooled"], {"tokens": tokens})[0]
    aligned = session(folder / "dense.onnx").run(["aligned"], {"tokens": tokens[:, :1]})[0]
    return {"pool.pooled": rounded(pooled), "aligned.aligned": rounded(aligned[0, 0])}


def encoded(folder, texts):
    """→ ids and mask int64 [texts, tokens], padded to the longest."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(512)
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id("[PAD]"), pad_token="[PAD]")
    found = tokenizer.encode_batch(list(texts))
    return [np.array([getattr(one, part) for one in found], np.int64) for part in ("ids", "attention_mask")]


def text_vectors(folder, texts):
    ids, mask = encoded(folder, texts)
    return [rounded(one) for one in session(folder / "text.onnx").run(["pooled"], {"ids": ids, "mask": mask})[0]]
