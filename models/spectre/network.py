"""SPECTRE's image towers as ONNX graphs (spectre-fm 0.2.1, `spectre-large`): a transformer over each crop, one over the crops.

The crops' vectors are told as a map of 2 × 2 × 1 equal elements each, since a bundle joins windows to maps of at most 64 voxels an
element; `combine` takes every other one.
"""
import numpy as np

from golden import golden_input
from proof import rounded, session, windows
from transformer import FLOAT, Transformer

HUB = "https://huggingface.co/cclaess/SPECTRE/resolve/main/"
SOURCES = tuple((HUB + name, name) for name in ("spectre_backbone_vit_large_patch16_128.pt", "spectre_combiner_feature_vit_large.pt"))
FILES = ("backbone.onnx", "backbone-plain.onnx", "backbone.data", "combine.onnx", "combine-plain.onnx", "combine.data")
CROP, PATCH, WIDTH, HEADS, HIDDEN = (128, 128, 64), (16, 16, 8), 1080, 12, 4320
HEAD_WIDTH = WIDTH // HEADS
LAYERS = {"backbone.": 24, "combiner.": 4}
BASES = {"backbone.": 1000.0, "combiner.": 100.0}
GRID, MAP = (3, 3, 4), (2, 2, 1)
EPSILON = 1e-5


def named(file, tensors):
    return {("combiner." if "combiner" in file else "backbone.") + name: value for name, value in tensors.items()}


def rope(net, prefix, grid):
    """Places run from −1 to 1 along each axis, between the middles of the patches; the class token is not turned."""
    periods = net.take(prefix + "rope.periods")
    axes = [2 * (np.arange(n) + 0.5) / n - 1 for n in grid]
    places = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3, 1)
    angles = (2 * np.pi * places / periods).reshape(len(places), -1)
    angles = np.concatenate([np.zeros((1, angles.shape[1])), angles])
    return [net.constant(f"rope_{part}", table[:, None]) for part, table in (("cosine", np.cos(angles)), ("sine", np.sin(angles)))]


def block(net, x, name, tables, tokens, output):
    normed = net.layer_norm(x, name + "norm1", EPSILON, output + "_n1")
    query = net.rotate(net.dense(normed, name + "attn.q", output + "_q"), HEADS, tables, output + "_qr")
    weight, bias = net.take(name + "attn.kv.weight"), net.take(name + "attn.kv.bias")
    key = net.rotate(net.linear(normed, weight[:WIDTH], bias[:WIDTH], output + "_k"), HEADS, tables, output + "_kr")
    value = net.linear(normed, weight[WIDTH:], bias[WIDTH:], output + "_v")
    told = net.attention(query, key, value, HEADS, tokens, HEAD_WIDTH, output + "_m")
    x = net.node("Add", [x, gained(net, told, name + "attn.proj", name + "ls1.gamma", output + "_o")], output + "_1")
    normed = net.layer_norm(x, name + "norm2", EPSILON, output + "_n2")
    wide = net.gelu(net.dense(normed, name + "mlp.fc1", output + "_w"), output + "_g")
    return net.node("Add", [x, gained(net, wide, name + "mlp.fc2", name + "ls2.gamma", output + "_d")], output)


def gained(net, x, name, gain, output):
    factor = net.take(gain)
    return net.linear(x, net.take(name + ".weight") * factor[:, None], net.take(name + ".bias") * factor, output)


def tokens_after(net, x, prefix, grid):
    """[1, patches, 1080] → [1, 1 + patches, 1080], the class token first."""
    tables = rope(net, prefix, grid)
    x = net.node("Concat", [net.constant("class_token", net.take(prefix + "cls_token")), x], "x", axis=1)
    for layer in range(LAYERS[prefix]):
        x = block(net, x, f"{prefix}blocks.{layer}.", tables, 1 + int(np.prod(grid)), f"b{layer}")
    x = net.layer_norm(x, prefix + "norm", EPSILON, "normed")
    first = net.node("Gather", [x, net.small("first", np.int64(0))], "class", axis=1)
    ends = [net.small(name, np.array([n], np.int64)) for name, n in (("from", 1), ("to", 1 << 30), ("along", 1))]
    return first, net.node("ReduceMean", [net.node("Slice", [x, *ends], "rest")], "rest_mean", axes=[1], keepdims=0)


def write_graphs(tensors, out):
    side = [n // p for n, p in zip(CROP, PATCH)]
    with open(out / "backbone.data", "wb") as data:
        net = Transformer({k: v for k, v in tensors.items() if k.startswith("backbone.")}, data, "backbone.data")
        kernel = [net.constant("patch_" + part, net.take(f"backbone.patch_embed.proj.{part}")) for part in ("weight", "bias")]
        x = net.node("Conv", ["volume", *kernel], "patches", strides=PATCH, kernel_shape=PATCH)
        x = net.node("Reshape", [x, net.small("rows", np.array([0, WIDTH, -1], np.int64))], "patch_rows")
        x = net.node("Transpose", [x], "patch_tokens", perm=[0, 2, 1])
        vector = net.node("Concat", tokens_after(net, x, "backbone.", side), "vector", axis=1)
        cell = net.node("Reshape", [vector, net.small("cell", np.array([0, 0, 1, 1, 1], np.int64))], "crop_cell")
        net.node("Expand", [cell, net.small("map", np.array([1, 1, *MAP], np.int64))], "crop")
    left = list(net.tensors)
    for variant, file in (("fused", "backbone.onnx"), ("plain", "backbone-plain.onnx")):
        net.save(out / file, "spectre", {"volume": (FLOAT, [1, 1, *CROP])}, {"crop": (FLOAT, [1, 2 * WIDTH, *MAP])}, variant)
    whole = [n * m for n, m in zip(GRID, MAP)]
    with open(out / "combine.data", "wb") as data:
        net = Transformer({k: v for k, v in tensors.items() if k.startswith("combiner.")}, data, "combine.data")
        cuts = [net.small(name, np.array(values, np.int64)) for name, values in
                (("starts", [0, 0, 0]), ("ends", [1 << 30] * 3), ("axes", [2, 3, 4]), ("steps", MAP))]
        x = net.node("Slice", ["crops", *cuts], "cells")
        x = net.node("Reshape", [x, net.small("rows", np.array([0, 2 * WIDTH, -1], np.int64))], "cell_rows")
        x = net.dense(net.node("Transpose", [x], "cell_tokens", perm=[0, 2, 1]), "combiner.patch_proj", "projected")
        first, rest = tokens_after(net, x, "combiner.", GRID)
        net.node("Identity", [first], "scan")
        net.node("Concat", [first, rest], "scan_and_mean", axis=1)
    left += list(net.tensors)
    for variant, file in (("fused", "combine.onnx"), ("plain", "combine-plain.onnx")):
        net.save(out / file, "combine", {"crops": (FLOAT, [1, 2 * WIDTH, *whole])},
                 {"scan": (FLOAT, [1, WIDTH]), "scan_and_mean": (FLOAT, [1, 2 * WIDTH])}, variant)
    if left:
        raise ValueError(f"the weights have tensors that the network has not: {sorted(left)[:3]}")


def shapes():
    found = {"backbone.patch_embed.proj.weight": (WIDTH, 1, *PATCH), "backbone.patch_embed.proj.bias": (WIDTH,),
             "combiner.patch_proj.weight": (WIDTH, 2 * WIDTH), "combiner.patch_proj.bias": (WIDTH,)}
    for prefix, depth in LAYERS.items():
        found |= {prefix + "cls_token": (1, 1, WIDTH), prefix + "rope.periods": (HEAD_WIDTH // 6,),
                  prefix + "norm.weight": (WIDTH,), prefix + "norm.bias": (WIDTH,)}
        for i in range(depth):
            name = f"{prefix}blocks.{i}."
            found |= {f"{name}{norm}.{part}": (WIDTH,) for norm in ("norm1", "norm2") for part in ("weight", "bias")}
            found |= {f"{name}{one}.gamma": (WIDTH,) for one in ("ls1", "ls2")}
            for layer, (outputs, inputs) in {"attn.q": (WIDTH, WIDTH), "attn.kv": (2 * WIDTH, WIDTH), "attn.proj": (WIDTH, WIDTH),
                                             "mlp.fc1": (HIDDEN, WIDTH), "mlp.fc2": (WIDTH, HIDDEN)}.items():
                found |= {f"{name}{layer}.weight": (outputs, inputs), f"{name}{layer}.bias": (outputs,)}
    return found


def fixed():
    count = HEAD_WIDTH // 6
    return {prefix + "rope.periods": np.asarray(base ** (np.arange(count) / count), np.float32) for prefix, base in BASES.items()}


def volume_vectors(folder, profile, seed, limits):
    volume = golden_input(seed, profile["shape"][2:], *limits)
    run = session(folder / "backbone.onnx")
    crops = np.zeros((1, 2 * WIDTH, *(n * m for n, m in zip(GRID, MAP))), np.float32)
    for at, cut in windows(volume, CROP):
        place = tuple(slice(i * m, (i + 1) * m) for i, m in zip(at, MAP))
        crops[(..., *place)] = run.run(["crop"], {"volume": cut})[0]
    scan, both = session(folder / "combine.onnx").run(["scan", "scan_and_mean"], {"crops": crops})
    return {"combine.scan": rounded(scan), "combine.scan_and_mean": rounded(both)}
