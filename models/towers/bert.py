"""BERT without its pooler (arXiv 1810.04805), as the transformers library names its tensors."""
import numpy as np

from transformer import INT64, Transformer

EPSILON = 1e-12
HEAD_WIDTH = 64


def write_bert(net: Transformer, prefix, ids, mask, output):
    """Nodes from int64 [batch, tokens] to the last hidden state [batch, tokens, width]; → its name.

    Attention is written out: a text is short. All tokens are of the first of the two segments.
    """
    for name in ("embeddings.position_ids", "embeddings.token_type_ids"):
        net.tensors.pop(prefix + name, None)
    words = net.take(prefix + "embeddings.word_embeddings.weight")
    heads = words.shape[1] // HEAD_WIDTH
    places = net.take(prefix + "embeddings.position_embeddings.weight")
    segment = net.take(prefix + "embeddings.token_type_embeddings.weight")[0]
    x = net.node("Gather", [net.constant("words", words), ids], "word")
    length = net.node("Gather", [net.node("Shape", [ids], "shape"), net.small("length_at", np.array([1], np.int64))], "length")
    bounds = [net.small("start", np.array([0], np.int64)), length, net.small("axis_0", np.array([0], np.int64))]
    # Places and the segment are one sum that no text changes.
    place = net.node("Slice", [net.constant("places", places + segment), *bounds], "place")
    x = net.layer_norm(net.node("Add", [x, place], "embedded"), prefix + "embeddings.LayerNorm", EPSILON, "x")
    bias = net.mask_bias(mask, [1, 2], "bias")
    layer = 0
    while f"{prefix}encoder.layer.{layer}.attention.self.query.weight" in net.tensors:
        x = bert_layer(net, x, f"{prefix}encoder.layer.{layer}.", heads, bias, f"l{layer}")
        layer += 1
    return net.node("Identity", [x], output)


def bert_layer(net, x, name, heads, bias, output):
    turned = []
    for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
        one = f"{output}_{part}"
        split = net.split_heads(net.dense(x, f"{name}attention.self.{part}", one), heads, one + "_h")
        turned.append(net.node("Transpose", [split], one + "_t", perm=order))
    query, key, value = turned
    scale = net.small("scale", np.float32(HEAD_WIDTH ** -0.5))
    scores = net.node("Mul", [net.node("MatMul", [query, key], output + "_s"), scale], output + "_ss")
    shares = net.node("Softmax", [net.node("Add", [scores, bias], output + "_sb")], output + "_a", axis=-1)
    back = net.node("Transpose", [net.node("MatMul", [shares, value], output + "_m")], output + "_b", perm=[0, 2, 1, 3])
    told = net.dense(net.join_heads(back, output + "_j"), name + "attention.output.dense", output + "_o")
    x = net.layer_norm(net.node("Add", [x, told], output + "_1"), name + "attention.output.LayerNorm", EPSILON, output + "_n")
    wide = net.gelu(net.dense(x, name + "intermediate.dense", output + "_w"), output + "_g")
    narrow = net.dense(wide, name + "output.dense", output + "_d")
    return net.layer_norm(net.node("Add", [x, narrow], output + "_2"), name + "output.LayerNorm", EPSILON, output)


TEXT_INPUTS = {"ids": (INT64, ["B", "T"]), "mask": (INT64, ["B", "T"])}
