"""COLIPRI's graphs in ONNX Runtime, as the manifest strings them together."""
import numpy as np

from golden import golden_input
from proof import rounded, session, windows


def dense_map(folder, volume, window, graph="backbone.onnx"):
    """[1, 1, z, y, x] → [1, 768, z / 8, y / 8, x / 8]: window by window, none over another."""
    run = session(folder / graph)
    whole = None
    for at, cut in windows(volume, [window] * 3):
        dense = run.run(["dense"], {"volume": cut})[0]
        side = dense.shape[-1]
        if whole is None:
            whole = np.zeros((*dense.shape[:2], *(size // window * side for size in volume.shape[2:])), np.float32)
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
