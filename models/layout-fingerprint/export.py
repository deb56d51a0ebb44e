"""Writes model.onnx and model.json of the layout fingerprint: a fixed analytic graph, no training.

    pip install -r requirements.txt && python export.py

64^3 of (HU + 1024) / 1000, so that air is 0 and the zero padding of the graph is air too → 3^3 box mean → soft HU bins over a pyramid of cells (1, 2^3, 4^3), gradient energy over the same cells,
and an 8^3 layout; each block is centred by a fixed constant and weighted; a seeded Gaussian projection gives 256 values.
"""
import hashlib
import json
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
N, DIM, SEED = 64, 256, 20261124
AIR = 1.024
# Centres of the soft bins, relative to water (HU / 1000) and their half width: air, lung, fat, water, soft tissue, contrast, bone.
CENTRES = np.array([-1.0, -0.85, -0.6, -0.3, -0.1, 0.0, 0.05, 0.12, 0.25, 0.45, 0.7, 1.0], np.float32)
WIDTHS = np.array([0.15, 0.2, 0.3, 0.25, 0.1, 0.07, 0.07, 0.1, 0.2, 0.25, 0.3, 0.4], np.float32)
nodes, constants = [], []


def const(name, value):
    constants.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def node(op, inputs, output, **attributes):
    nodes.append(helper.make_node(op, inputs, [output], **attributes))
    return output


def flatten(name, weight):
    flat = node("Flatten", [name], name + "_flat", axis=1)
    return node("Mul", [flat, const(name + "_w", np.float32(weight))], name + "_weighted")


x = node("Conv", ["volume", const("box", np.full((1, 1, 3, 3, 3), 1 / 27, np.float32))], "smooth", pads=[1] * 6)
bins = len(CENTRES)
wide = node("Sub", [x, const("centres", (CENTRES + np.float32(AIR)).reshape(1, bins, 1, 1, 1))], "offset")
wide = node("Div", [wide, const("widths", WIDTHS.reshape(1, bins, 1, 1, 1))], "scaled")
wide = node("Abs", [wide], "distance")
wide = node("Sub", [const("one", np.float32(1)), wide], "triangle")
hist = node("Relu", [wide], "bins")

# Central differences along z, y, x; their energy says where edges run.
kernels = np.zeros((3, 1, 3, 3, 3), np.float32)
for axis in range(3):
    low, high = [1, 1, 1], [1, 1, 1]
    low[axis], high[axis] = 0, 2
    kernels[axis, 0][tuple(low)], kernels[axis, 0][tuple(high)] = -0.5, 0.5
grad = node("Conv", [x, const("differences", kernels)], "gradient", pads=[1] * 6)
grad = node("Abs", [grad], "edges")

# Coarser cells are means of finer ones: a window is added up value by value in float32, and 64^3 values at once put the vector
# 2.3e-4 away from the same in float64 on a CPU, and elsewhere on a GPU. So it is within 2e-7.
POOLED_MAX = 512


def pooled(name, factor, output):
    assert factor**3 <= POOLED_MAX
    return node("AveragePool", [name], output, kernel_shape=[factor] * 3, strides=[factor] * 3)


blocks = []
of_bins, of_edges = pooled(hist, 8, "bins_8"), pooled(grad, 8, "edges_8")
for cells in (4, 2, 1):
    weight = 1.0 / np.sqrt(cells**3)
    of_bins, of_edges = pooled(of_bins, 2, f"bins_{cells}"), pooled(of_edges, 2, f"edges_{cells}")
    blocks = [flatten(of_bins, 3.0 * weight), flatten(of_edges, 6.0 * weight), *blocks]
layout = pooled(x, 8, "layout")
blocks.append(flatten(layout, 2.0 / np.sqrt(512)))
features = node("Concat", blocks, "features", axis=1)
count = (bins + 3) * (1 + 8 + 64) + 512
rng = np.random.default_rng(SEED)
projection = rng.standard_normal((count, DIM)).astype(np.float32) / np.sqrt(np.float32(DIM))
# Centre on an all-air volume, so that the score compares bodies and not the air around them.
mean = const("mean", np.zeros((1, count), np.float32))
node("MatMul", [node("Sub", ["features", mean], "centred"), const("projection", projection)], "embedding")


def build():
    graph = helper.make_graph(
        nodes, "layout-fingerprint",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, 1, N, N, N])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, DIM]),
         helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, count])],
        constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="kindred")
    model.ir_version = 8
    onnx.checker.check_model(model)
    return model.SerializeToString()


def run(data, volume, name):
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run([name], {"volume": volume})[0]


air = run(build(), np.zeros((1, 1, N, N, N), np.float32), "features")
constants[:] = [numpy_helper.from_array(air.astype(np.float32), "mean") if c.name == "mean" else c for c in constants]
data = build()
(HERE / "model.onnx").write_bytes(data)


def golden_input(seed, shape, low, high):
    """Formula "blocks-and-noise" of src/encoder/vector.ts, number for number. Shape: slices, rows, columns."""
    state = seed

    def draw(count):
        nonlocal state
        values = np.empty(count)
        for i in range(count):
            state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
            values[i] = state >> 8
        return values

    edges = [-(-n // 8) for n in shape]
    blocks = draw(int(np.prod(edges))).reshape(edges)
    for axis in range(3):
        blocks = np.repeat(blocks, 8, axis)
    blocks = blocks[tuple(slice(n) for n in shape)]
    level = (3 * blocks + draw(int(np.prod(shape))).reshape(shape)) / 2**26
    return (low + (high - low) * level).astype(np.float32)


def resampled(volume, spacing, wanted):
    """Each axis by the triangle filter that is widened to the scale, half-pixel centres: torch's antialias."""
    for axis in range(3):
        count = volume.shape[axis]
        scale = wanted / spacing[axis]
        size = max(1, int(np.floor(count * spacing[axis] / wanted + 0.5)))
        centres = (np.arange(size) + 0.5) * scale - 0.5
        weights = np.maximum(0, 1 - np.abs(np.arange(count) - centres[:, None]) / max(1, scale))
        weights /= weights.sum(1, keepdims=True)
        volume = np.moveaxis(np.tensordot(weights, volume, (1, axis)), 0, axis)
    return volume


def crop_pad(volume, size, value):
    """Around the middle; of an odd difference the smaller half is at the start."""
    out = np.full((size,) * 3, value)
    to, cut = [], []
    for n in volume.shape:
        shift = int((size - n) / 2)
        to.append(slice(max(0, shift), max(0, shift) + min(n, size)))
        cut.append(slice(max(0, -shift), max(0, -shift) + min(n, size)))
    out[tuple(to)] = volume[tuple(cut)]
    return out


# A scan nobody would plan: coronal slices, rows that lead right, an odd spacing; longer than the crop along one axis,
# shorter along the others. Wrong axes, windows and filling all change the vector.
PHANTOM = {"sizeVoxels": [30, 52, 58], "spacingMm": [7.3, 9.1, 4.7],
           "imageOrientation": [-0.98480775, 0.17364818, 0, 0, 0, -1]}


def phantom_input(seed, low, high):
    """The steps of the profile below, in the plainest NumPy there is."""
    volume = np.floor(golden_input(seed, PHANTOM["sizeVoxels"], low, high).astype(np.float64) + 0.5)
    # Slices lead along row x column; the axis nearest to each of S, P, L, flipped where it leads the other way.
    row, column = np.reshape(PHANTOM["imageOrientation"], (2, 3))
    directions = np.array([np.cross(row, column), column, row])
    order = [int(np.argmax(np.abs(directions[:, lps]))) for lps in (2, 1, 0)]
    volume = volume.transpose(order)
    for axis, lps in enumerate((2, 1, 0)):
        if directions[order[axis], lps] < 0:
            volume = np.flip(volume, axis)
    volume = resampled(volume, [PHANTOM["spacingMm"][axis] for axis in order], 6)
    volume = np.clip(crop_pad(volume, N, -1024.0), -1024, 1500)
    return (volume * 0.001 + AIR).astype(np.float32)


RANGE = (0.0, 2.5)
golden = []
for seed in (1, 20261124):
    out = run(data, golden_input(seed, (N, N, N), *RANGE)[None, None], "embedding")[0].astype(np.float64)
    out /= np.linalg.norm(out)
    golden.append({"kind": "volume", "profile": "whole-body-6mm", "formula": "blocks-and-noise", "seed": seed, "range": list(RANGE),
                   "expected": [round(float(v), 7) for v in out], "tolerance": 1e-4})
out = run(data, phantom_input(5, -1200, 2000)[None, None], "embedding")[0].astype(np.float64)
golden.append({"kind": "phantom", "profile": "whole-body-6mm", "formula": "blocks-and-noise", "seed": 5, "range": [-1200, 2000],
               **PHANTOM, "expected": [round(float(v), 7) for v in out / np.linalg.norm(out)], "tolerance": 1e-4})

manifest = {
    "formatVersion": 1,
    "id": "layout-fingerprint",
    "version": "1.0.0",
    "title": "Layout and density fingerprint",
    "summary": "A fixed analytic description of how densities are laid out in the body. It tells body regions apart and finds near-duplicates; it knows nothing of pathology.",
    "vendor": "Kindred",
    "intendedUse": "Trying the node, finding the same region or the same patient's layout. Research only; not for diagnostic use.",
    "limits": "Body layout and density, not pathology: within one body region the ranking by disease was at chance on synthetic chests. A high score means a similar layout of densities and nothing more.",
    "licence": {"weights": "MIT", "code": "MIT", "researchOnly": True, "nonCommercial": False, "acceptanceRequired": False},
    "files": [{"path": "model.onnx", "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}],
    # Peak of a Node process with one session on one thread, ONNX Runtime 1.30.
    "runtime": {"opset": 17, "ramMb": 125, "providers": [{"provider": name, "precision": "fp32", "verified": True} for name in ("cpu", "cuda", "webgpu")]},
    "applicability": {"modalities": ["CT"]},
    "profiles": [{
        "id": "whole-body-6mm",
        "ops": [
            {"op": "reorient", "axes": "LPS"},
            {"op": "resample", "spacingMm": [6, 6, 6], "antialias": True},
            {"op": "cropPad", "sizeVoxels": [N, N, N], "value": -1024},
            {"op": "clipHu", "min": -1024, "max": 1500},
            {"op": "scale", "multiply": 0.001, "add": AIR},
        ],
        "shape": [1, 1, N, N, N],
        "tiling": {"mode": "none"},
    }],
    "graphs": {"image": {
        "file": "model.onnx",
        "inputs": {"volume": {"shape": [1, 1, N, N, N], "dtype": "float32", "role": "volume"}},
        "outputs": {"embedding": {"shape": [1, DIM], "dtype": "float32", "role": "pooled"}},
    }},
    "stages": [{"id": "image", "op": "graph", "graph": "image", "in": ["input"]}],
    "spaces": [{"id": "layout", "dimension": DIM, "from": "image.embedding", "metric": "inner-product", "storage": "vector",
                "granularity": "volume", "sharedWithText": False, "profile": "whole-body-6mm"}],
    "golden": golden,
}
(HERE / "model.json").write_text(json.dumps(manifest, indent=2) + "\n")
print(f"model.onnx {len(data)} bytes, {count} features → {DIM}")
