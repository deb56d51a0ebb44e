"""COLIPRI's towers as ONNX graphs, from the tensors of its checkpoint (colipri 0.1.3 and what it is made of; see card.md)."""
import numpy as np

from bert import TEXT_INPUTS, write_bert
from transformer import FLOAT, Transformer, pairs_to_halves, rope_tables

PATCH, WIDTH, HEADS, DEPTH, SHARED = 8, 864, 12, 16, 768
HEAD_WIDTH = WIDTH // HEADS
HIDDEN = WIDTH * 8 // 3
BANDS, TEMPERATURE = 12, 10_000.0
EPSILON = 1e-5
IMAGE, TEXT = "image_encoder.", "text_encoder."
VOCABULARY, TEXT_WIDTH, TEXT_HIDDEN, TEXT_DEPTH, TEXT_TOKENS = 30_522, 768, 3_072, 12, 512
# In the checkpoint, and no part of what an image or a text is turned into.
UNUSED = ("backbone.mask_token", "backbone.eva.rope.pos_embed")
TEMPERATURE_NAME = "softmax_temperature"


def block(net, x, name, tables, tokens, output):
    """EVA block: rotary attention and a gated layer, each normed inside, each with its own gain (γ, folded into the last product)."""
    normed = net.layer_norm(x, name + "norm1", EPSILON, output + "_n1")
    turned = []
    order = pairs_to_halves(HEADS, WIDTH)
    for part in "qk":
        weight = net.take(f"{name}attn.{part}_proj.weight")[order]
        bias = net.take(f"{name}attn.q_proj.bias")[order] if part == "q" else None
        turned.append(net.rotate(net.linear(normed, weight, bias, f"{output}_{part}"), HEADS, tables, f"{output}_{part}r"))
    value = net.dense(normed, name + "attn.v_proj", output + "_v")
    told = net.attention(*turned, value, HEADS, tokens, HEAD_WIDTH, output + "_m")
    told = gained(net, net.layer_norm(told, name + "attn.norm", EPSILON, output + "_mn"), name + "attn.proj", name + "gamma_1", output + "_o")
    x = net.node("Add", [x, told], output + "_1")
    normed = net.layer_norm(x, name + "norm2", EPSILON, output + "_n2")
    gate = net.dense(normed, name + "mlp.fc1_g", output + "_g")
    opened = net.node("Mul", [gate, net.node("Sigmoid", [gate], output + "_gs")], output + "_ga")
    wide = net.node("Mul", [opened, net.dense(normed, name + "mlp.fc1_x", output + "_x")], output + "_w")
    wide = net.layer_norm(wide, name + "mlp.norm", EPSILON, output + "_wn")
    return net.node("Add", [x, gained(net, wide, name + "mlp.fc2", name + "gamma_2", output + "_d")], output)


def gained(net, x, name, gain, output):
    factor = net.take(gain)
    return net.linear(x, net.take(name + ".weight") * factor[:, None], net.take(name + ".bias") * factor, output)


def write_backbone(tensors, window, out):
    """backbone.onnx and backbone-plain.onnx: [1, 1, window × 3] → dense [1, 768, window / 8 × 3]."""
    side = window // PATCH
    tokens = side ** 3
    with open(out / "backbone.data", "wb") as data:
        net = Transformer(tensors, data, "backbone.data")
        name = IMAGE + "backbone."
        kernel = [net.constant("patch_" + part, net.take(f"{name}down_projection.proj.{part}")) for part in ("weight", "bias")]
        x = net.node("Conv", ["volume", *kernel], "patches", strides=[PATCH] * 3, kernel_shape=[PATCH] * 3)
        x = net.node("Reshape", [x, net.small("rows", np.array([0, WIDTH, tokens], np.int64))], "patch_rows")
        x = net.node("Transpose", [x], "x", perm=[0, 2, 1])
        tables = [net.constant(f"rope_{part}", table[:, None]) for part, table
                  in zip(("cosine", "sine"), rope_tables((side,) * 3, BANDS, TEMPERATURE))]
        for layer in range(DEPTH):
            x = block(net, x, f"{name}eva.blocks.{layer}.", tables, tokens, f"b{layer}")
        x = net.layer_norm(x, name + "eva.norm", EPSILON, "normed")
        weight = net.take(IMAGE + "projector.weight").reshape(SHARED, WIDTH)
        x = net.linear(x, weight, net.take(IMAGE + "projector.bias"), "projected")
        x = net.node("Transpose", [x], "columns", perm=[0, 2, 1])
        net.node("Reshape", [x, net.small("cube", np.array([0, SHARED, side, side, side], np.int64))], "dense")
    for variant, file in (("fused", "backbone.onnx"), ("plain", "backbone-plain.onnx")):
        net.save(out / file, "colipri", {"volume": (FLOAT, [1, 1] + [window] * 3)}, {"dense": (FLOAT, [1, SHARED] + [side] * 3)}, variant)
    return net.tensors


def write_pool(tensors, out):
    """pool.onnx: tokens [B, N, 768] → pooled [B, 768], for any number of tokens."""
    with open(out / "pool.data", "wb") as data:
        net = Transformer(tensors, data, "pool.data")
        net.node("Identity", [net.attention_pool("tokens", IMAGE + "pooler.attn", HEADS, "told")], "pooled")
    net.save(out / "pool.onnx", "pool", {"tokens": (FLOAT, ["B", "N", SHARED])}, {"pooled": (FLOAT, ["B", SHARED])})


def write_dense(tensors, out):
    """dense.onnx: tokens [B, N, 768] → each as if it were pooled alone, so that a text may be compared with it."""
    name = IMAGE + "pooler.attn."
    with open(out / "dense.data", "wb") as data:
        net = Transformer(tensors, data, "dense.data")
        value, bias = net.take(name + "in_proj_weight")[2 * SHARED:], net.take(name + "in_proj_bias")[2 * SHARED:]
        weight = net.take(name + "out_proj.weight")
        x = net.linear("tokens", weight @ value, weight @ bias + net.take(name + "out_proj.bias"), "told")
        net.node("Identity", [x], "aligned")
    shape = (FLOAT, ["B", "N", SHARED])
    net.save(out / "dense.onnx", "dense", {"tokens": shape}, {"aligned": shape})


def write_text(tensors, out):
    """text.onnx: ids and mask [B, T] → pooled [B, 768]; padding is no part of it, as since colipri 0.1.3."""
    with open(out / "text.data", "wb") as data:
        net = Transformer(tensors, data, "text.data")
        x = write_bert(net, TEXT + "backbone.", "ids", "mask", "hidden")
        net.node("Identity", [net.attention_pool(x, TEXT + "pooler.attn", HEADS, "told", "mask")], "pooled")
    net.save(out / "text.onnx", "text", TEXT_INPUTS, {"pooled": (FLOAT, ["B", SHARED])})
    return net.tensors


def write_graphs(tensors, window, out):
    """ValueError when the tensors are not of this network."""
    image = {name: value for name, value in tensors.items() if name.startswith(IMAGE)}
    text = {name: value for name, value in tensors.items() if name.startswith(TEXT)}
    left = [name for name in write_backbone(image, window, out) if ".pooler." not in name]
    left = [name for name in left if name.removeprefix(IMAGE) not in UNUSED and "up_projection" not in name]
    write_pool(image, out)
    write_dense(image, out)
    left += write_text(text, out)
    left += [name for name in tensors if not name.startswith((IMAGE, TEXT)) and name != TEMPERATURE_NAME]
    if left:
        raise ValueError(f"the weights have tensors that the network has not: {sorted(left)[:3]}")


def shapes():
    """Of every tensor of the checkpoint, by its name: 258,367,104 values."""
    def layers(prefix, sizes):
        return {f"{prefix}{name}.{part}": ((out, into) if part == "weight" else (out,))
                for name, (out, into) in sizes.items() for part in ("weight", "bias")}

    def norms(prefix, *names, width):
        return {f"{prefix}{name}.{part}": (width,) for name in names for part in ("weight", "bias")}

    def pooler(prefix):
        return {prefix + "attn.in_proj_weight": (3 * SHARED, SHARED), prefix + "attn.in_proj_bias": (3 * SHARED,),
                **layers(prefix, {"attn.out_proj": (SHARED, SHARED)})}

    backbone = IMAGE + "backbone."
    found = {backbone + "mask_token": (1, 1, WIDTH), backbone + "down_projection.proj.weight": (WIDTH, 1, PATCH, PATCH, PATCH),
             backbone + "down_projection.proj.bias": (WIDTH,), **norms(backbone, "eva.norm", width=WIDTH),
             IMAGE + "projector.weight": (SHARED, WIDTH, 1, 1, 1), IMAGE + "projector.bias": (SHARED,), **pooler(IMAGE + "pooler.")}
    for i in range(DEPTH):
        name = f"{backbone}eva.blocks.{i}."
        found |= {name + "gamma_1": (WIDTH,), name + "gamma_2": (WIDTH,)}
        found |= norms(name, "norm1", "norm2", "attn.norm", width=WIDTH) | norms(name, "mlp.norm", width=HIDDEN)
        found |= layers(name, {f"attn.{part}": (WIDTH, WIDTH) for part in ("q_proj", "k_proj", "v_proj", "proj")})
        found |= layers(name, {"mlp.fc1_g": (HIDDEN, WIDTH), "mlp.fc1_x": (HIDDEN, WIDTH), "mlp.fc2": (WIDTH, HIDDEN)})
        del found[name + "attn.k_proj.bias"]
    backbone = TEXT + "backbone."
    for name, count in (("word", VOCABULARY), ("position", TEXT_TOKENS), ("token_type", 2)):
        found[f"{backbone}embeddings.{name}_embeddings.weight"] = (count, TEXT_WIDTH)
    found |= norms(backbone, "embeddings.LayerNorm", width=TEXT_WIDTH) | pooler(TEXT + "pooler.")
    for i in range(TEXT_DEPTH):
        name = f"{backbone}encoder.layer.{i}."
        found |= norms(name, "attention.output.LayerNorm", "output.LayerNorm", width=TEXT_WIDTH)
        found |= layers(name, {f"attention.self.{part}": (TEXT_WIDTH, TEXT_WIDTH) for part in ("query", "key", "value")})
        found |= layers(name, {"attention.output.dense": (TEXT_WIDTH, TEXT_WIDTH), "intermediate.dense": (TEXT_HIDDEN, TEXT_WIDTH),
                               "output.dense": (TEXT_WIDTH, TEXT_HIDDEN)})
    return found
