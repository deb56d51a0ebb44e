"""Parts of models/towers/transformer.py in ONNX Runtime against the plainest NumPy: prints the largest difference of each, as JSON.

"buffers of a shader" is the largest number of tensors that a node has, but for concatenations, which ONNX Runtime does in several goes.

Needs numpy, onnx and onnxruntime; the models/towers folder on PYTHONPATH.
"""
import json
import pathlib
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import transformer
from transformer import FLOAT, INT64, Transformer, pairs_to_halves, rope_tables

rng = np.random.default_rng(5)
HEADS, SIZE = 3, 4
WIDTH = HEADS * SIZE
FOLDER = pathlib.Path(tempfile.mkdtemp())
buffers = []


def run(build, inputs, output, variant=None, tensors=None):
    with open(FOLDER / "part.data", "wb") as data:
        net = Transformer(tensors or {}, data, "part.data")
        build(net)
    kinds = {np.dtype(np.float32): FLOAT, np.dtype(np.int64): INT64}
    shapes = {name: (kinds[value.dtype], list(value.shape)) for name, value in inputs.items()}
    net.save(FOLDER / "part.onnx", "part", shapes, {output: (FLOAT, None)}, variant)
    nodes = onnx.load(FOLDER / "part.onnx", load_external_data=False).graph.node
    buffers.extend(len(one.input) + len(one.output) for one in nodes if one.op_type != "Concat")
    return onnxruntime.InferenceSession(str(FOLDER / "part.onnx"), providers=["CPUExecutionProvider"]).run([output], inputs)[0]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attended(q, k, v):
    """[tokens, width] each; q may have another number of tokens."""
    q, k, v = (x.astype(np.float64).reshape(len(x), HEADS, SIZE).transpose(1, 0, 2) for x in (q, k, v))
    return (softmax(q @ k.transpose(0, 2, 1) / SIZE ** 0.5) @ v).transpose(1, 0, 2).reshape(-1, WIDTH)


def attention(variant, tokens, bytes_max):
    transformer.SCORE_BYTES_MAX = bytes_max
    q, k, v = (rng.standard_normal((1, tokens, WIDTH)).astype(np.float32) for _ in range(3))
    made = run(lambda net: net.attention("q", "k", "v", HEADS, tokens, SIZE, "out"), {"q": q, "k": k, "v": v}, "out", variant)
    return np.abs(made[0] - attended(q[0], k[0], v[0])).max()


def pool(tokens, kept=None):
    names = {"in_proj_weight": (3 * WIDTH, WIDTH), "in_proj_bias": (3 * WIDTH,), "out_proj.weight": (WIDTH, WIDTH), "out_proj.bias": (WIDTH,)}
    tensors = {f"p.{name}": rng.standard_normal(shape).astype(np.float32) for name, shape in names.items()}
    x = rng.standard_normal((2, tokens, WIDTH)).astype(np.float32)
    inputs = {"x": x}
    if kept is not None:
        inputs["mask"] = np.array([[1] * tokens, [1] * kept + [0] * (tokens - kept)], np.int64)
    made = run(lambda net: net.attention_pool("x", "p", HEADS, "out", "mask" if kept else None), inputs, "out", tensors=tensors)
    weight, bias = tensors["p.in_proj_weight"].astype(np.float64), tensors["p.in_proj_bias"]
    worst = 0
    for row, one in enumerate(x):
        rest = one[:kept] if kept and row == 1 else one
        q, k, v = (part @ weight[i * WIDTH:(i + 1) * WIDTH].T + bias[i * WIDTH:(i + 1) * WIDTH]
                   for i, part in enumerate((rest.mean(0, keepdims=True), rest, rest)))
        wanted = attended(q, k, v)[0] @ tensors["p.out_proj.weight"].T + tensors["p.out_proj.bias"]
        worst = max(worst, np.abs(made[row] - wanted).max())
    return worst


def rotation():
    """Pairs of channels turned in place, against the halves that the graph turns."""
    grid, bands = (2, 3, 1), 1
    cosine, sine = rope_tables(grid, bands, 100.0)
    width = 2 * bands * 3
    x = rng.standard_normal((1, 6, 2 * width)).astype(np.float32)
    order = pairs_to_halves(2, 2 * width)

    def build(net):
        net.rotate("x", 2, [net.constant("c", cosine[:, None]), net.constant("s", sine[:, None])], "out")

    made = run(build, {"x": np.ascontiguousarray(x[:, :, order])}, "out")
    pairs = x.astype(np.float64).reshape(6, 2, width // 2, 2)
    turned = (pairs[..., 0] + 1j * pairs[..., 1]) * (cosine + 1j * sine)[:, None]
    wanted = np.stack([turned.real, turned.imag], -1).reshape(6, -1)[:, order]
    return np.abs(made[0] - wanted).max()


def gelu():
    import math

    x = rng.standard_normal((1, 2, 50)).astype(np.float32) * 3
    wanted = x * (1 + np.vectorize(math.erf)(x / 2 ** 0.5)) / 2
    return np.abs(run(lambda net: net.gelu("x", "out"), {"x": x}, "out") - wanted).max()


json.dump({name: float(value) for name, value in {
    "fused attention": attention("fused", 12, 1 << 27), "plain attention": attention("plain", 12, 1 << 27),
    "plain attention in four parts": attention("plain", 12, HEADS * 3 * 12 * 4),
    "plain attention in twelve parts": attention("plain", 12, HEADS * 12 * 4), "pool of one token": pool(1),
    "pool of seventeen tokens": pool(17), "pool without padding": pool(9, 4), "rotation": rotation(), "gelu": gelu(),
    "buffers of a shader": max(buffers),
}.items()}, sys.stdout)
