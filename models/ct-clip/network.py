"""CT-CLIP's towers as ONNX graphs (arXiv 2403.17834; the authors' repository at a2a155c, scripts/run_zero_shot.py).

The image tower, CTViT, codes slabs of 10 × 20 × 20 voxels: attention within a slice of the grid, then along it, each after a
convolution of its own for places; then the nearest of 8,192 codes by cosine. The mean over the slices, flat, is projected.
"""
import numpy as np

from bert import TEXT_INPUTS, write_bert
from golden import golden_input
from proof import rounded, session
from transformer import FLOAT, Transformer

HUB = "https://huggingface.co/"
SOURCES = ((HUB + "datasets/ibrahimhamamci/CT-RATE/resolve/main/models/CT-CLIP-Related/CT-CLIP_v2.pt", "CT-CLIP_v2.pt"),
           (HUB + "microsoft/BiomedVLP-CXR-BERT-specialized/resolve/main/vocab.txt", "vocab.txt"))
FILES = ("image.onnx", "image.data", "project.onnx", "project.data", "text.onnx", "text.data", "tokenizer.json")
SIZE, PATCH = (240, 480, 480), (10, 20, 20)
SIDE = tuple(n // p for n, p in zip(SIZE, PATCH))
WIDTH, HEADS, HEAD_WIDTH, DEPTH, CODES, SHARED = 512, 8, 32, 4, 8_192, 512
HIDDEN = int(4 * (2 / 3) * WIDTH)
TEXT_WIDTH, TEXT_HIDDEN, TEXT_DEPTH, TEXT_TOKENS, VOCABULARY = 768, 3_072, 12, 512, 30_522
SCALE, EPSILON, TINY = 8.0, 1e-5, 1e-12
IMAGE, TEXT = "visual_transformer.", "text_transformer."
WORDS, TEMPERATURE = TEXT + "embeddings.word_embeddings.weight", "temperature"
# Of training, or of the way back from codes to voxels.
UNUSED = ("to_pixels", "to_patch_emb_first_frame", "dec_", "discr", "vgg", "to_visual_latent_extra", "to_text_latent_extra", "temperature",
          "mlm", "visual_ssl", "pooler.", "position_ids", "cls_token", "vq._codebook.cluster_size", "vq._codebook.initted", ".beta")


class Ctvit(Transformer):
    def unit_heads(self, x, gain, output):
        """[B, N, heads · 32] → [B, heads, N, 32], each of unit length, times a gain a channel."""
        heads = self.node("Transpose", [self.split_heads(x, HEADS, output + "_h")], output + "_t", perm=[0, 2, 1, 3])
        length = self.node("ReduceL2", [heads], output + "_l", axes=[3], keepdims=1)
        safe = self.node("Max", [length, self.small("tiny", np.float32(TINY))], output + "_m")
        return self.node("Mul", [self.node("Div", [heads, safe], output + "_u"), self.constant(output + "_g", gain)], output)

    def gamma_norm(self, x, name, output):
        given = [self.constant(output + "_gamma", self.take(name + ".gamma")), self.constant(output + "_beta", np.zeros(WIDTH))]
        return self.node("LayerNormalization", [x, *given], output, axis=-1, epsilon=EPSILON)

    def places(self, x, name, shape, output):
        """A convolution of each channel by itself over [1, slices, rows, columns] as the tokens lie in memory, added to them.

        Along the grid the authors read the tokens [cells, slices] as if they were [slices, cells]; so must this.
        """
        flat = self.small(output + "_shape", np.array([1, *SIDE, WIDTH], np.int64))
        grid = self.node("Transpose", [self.node("Reshape", [x, flat], output + "_r")], output + "_c", perm=[0, 4, 1, 2, 3])
        kernel = [self.constant(f"{output}_{part}", self.take(f"{name}dsconv.{part}")) for part in ("weight", "bias")]
        told = self.node("Conv", [grid, *kernel], output + "_d", group=WIDTH, kernel_shape=[3] * 3, pads=[2, 1, 1, 0, 1, 1])
        back = self.node("Transpose", [told], output + "_b", perm=[0, 2, 3, 4, 1])
        tokens = self.node("Reshape", [back, self.small(output + "_tokens", np.array(shape, np.int64))], output + "_n")
        return self.node("Add", [tokens, x], output)

    def attend(self, x, name, bias, output):
        normed = self.gamma_norm(x, name + "norm", output + "_n")
        inner = HEADS * HEAD_WIDTH
        # Keys and values are made of what is not normed.
        both = self.take(name + "to_kv.weight")
        query = self.unit_heads(self.dense(normed, name + "to_q", output + "_q", False), SCALE * self.take(name + "q_scale"), output + "_qu")
        key = self.unit_heads(self.linear(x, both[:inner], None, output + "_k"), self.take(name + "k_scale"), output + "_ku")
        value = self.split_heads(self.linear(x, both[inner:], None, output + "_v"), HEADS, output + "_vh")
        value = self.node("Transpose", [value], output + "_vt", perm=[0, 2, 1, 3])
        scores = self.node("MatMul", [query, self.node("Transpose", [key], output + "_kt", perm=[0, 1, 3, 2])], output + "_s")
        if bias is not None:
            scores = self.node("Add", [scores, bias], output + "_sb")
        mixed = self.node("MatMul", [self.node("Softmax", [scores], output + "_a", axis=-1), value], output + "_m")
        back = self.join_heads(self.node("Transpose", [mixed], output + "_mt", perm=[0, 2, 1, 3]), output + "_j")
        for extra in ("null_kv", "context_norm.gamma"):
            self.tensors.pop(name + extra, None)
        return self.node("Add", [self.dense(back, name + "to_out", output + "_o", False), x], output)

    def feed(self, x, name, output):
        """Linear layer and a gate of GELU, → added to x."""
        normed = self.layer_norm(x, name + "0", EPSILON, output + "_n")
        both = self.take(name + "1.weight")
        straight = self.linear(normed, both[:HIDDEN], None, output + "_x")
        gate = self.gelu(self.linear(normed, both[HIDDEN:], None, output + "_g"), output + "_ga")
        return self.node("Add", [self.dense(self.node("Mul", [gate, straight], output + "_m"), name + "4", output + "_o", False), x], output)

    def transform(self, x, name, shape, bias, output):
        for i in range(DEPTH):
            layer = f"{name}layers.{i}."
            x = self.places(x, layer + "0.", shape, f"{output}{i}_p")
            x = self.attend(x, layer + "1.", bias, f"{output}{i}_a")
            x = self.feed(x, layer + "3.", f"{output}{i}_f")
        return self.gamma_norm(x, name + "norm_out", output + "_out")

    def place_bias(self, name):
        """[heads, cells, cells]: a small network over signed logarithms of distances; of fixed size, so made here."""
        rows, columns = SIDE[1:]
        grid = np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), -1).reshape(-1, 2)
        far = (grid[:, None] - grid[None]).reshape(-1, 2)
        unique, where = np.unique(far, axis=0, return_inverse=True)
        x = np.sign(unique) * np.log(np.abs(unique) + 1)
        for part in ("0.0", "1.0"):
            x = x @ self.take(f"{name}net.{part}.weight").T + self.take(f"{name}net.{part}.bias")
            x = np.where(x > 0, x, 0.1 * x)
        x = x @ self.take(name + "net.2.weight").T + self.take(name + "net.2.bias")
        cells = rows * columns
        return self.constant("place_bias", x[where.ravel()].reshape(cells, cells, HEADS).transpose(2, 0, 1))


def named(_, tensors):
    return tensors


def left_over(*nets):
    left = [name for net in nets for name in net.tensors if not any(part in name for part in UNUSED)]
    if left:
        raise ValueError(f"the weights have tensors that the network has not: {sorted(left)[:3]}")


def write_graphs(tensors, out):
    part = lambda prefix: {k: v for k, v in tensors.items() if k.startswith(prefix)}  # noqa: E731
    slices, cells = SIDE[0], SIDE[1] * SIDE[2]
    with open(out / "image.data", "wb") as data:
        net = Ctvit(part(IMAGE), data, "image.data")
        cut = [1, SIDE[0], PATCH[0], SIDE[1], PATCH[1], SIDE[2], PATCH[2]]
        x = net.node("Reshape", ["volume", net.small("cut", np.array(cut, np.int64))], "cut_volume")
        x = net.node("Transpose", [x], "slabs", perm=[0, 1, 3, 5, 2, 4, 6])
        x = net.node("Reshape", [x, net.small("slab_rows", np.array([slices, cells, -1], np.int64))], "slab_values")
        x = net.layer_norm(x, IMAGE + "to_patch_emb.1", EPSILON, "slab_norm")
        x = net.layer_norm(net.dense(x, IMAGE + "to_patch_emb.2", "slab_dense"), IMAGE + "to_patch_emb.3", EPSILON, "x")
        bias = net.place_bias(IMAGE + "spatial_rel_pos_bias.")
        x = net.transform(x, IMAGE + "enc_spatial_transformer.", [slices, cells, WIDTH], bias, "s")
        x = net.node("Transpose", [x], "along", perm=[1, 0, 2])
        x = net.transform(x, IMAGE + "enc_temporal_transformer.", [cells, slices, WIDTH], None, "t")
        x = net.node("Transpose", [x], "across", perm=[1, 0, 2])
        codes = net.take(IMAGE + "vq._codebook.embed").reshape(CODES, WIDTH)
        likeness = net.node("MatMul", [x, net.constant("codes_t", codes.T)], "likeness")
        nearest = net.node("ArgMax", [likeness], "nearest", axis=2, keepdims=0)
        coded = net.node("Gather", [net.constant("codes", codes), nearest], "coded")
        mean = net.node("ReduceMean", [coded], "slice_mean", axes=[0], keepdims=0)
        net.node("Reshape", [mean, net.small("flat", np.array([1, cells * WIDTH], np.int64))], "flat_mean")
        net.node("Identity", ["flat_mean"], "features")
    net.save(out / "image.onnx", "ctvit", {"volume": (FLOAT, [1, 1, *SIZE])}, {"features": (FLOAT, [1, cells * WIDTH])})
    with open(out / "project.data", "wb") as data:
        project = Transformer(part("to_visual_latent."), data, "project.data")
        project.node("Identity", [project.dense("features", "to_visual_latent", "told", False)], "latent")
    project.save(out / "project.onnx", "project", {"features": (FLOAT, [1, cells * WIDTH])}, {"latent": (FLOAT, [1, SHARED])})
    with open(out / "text.data", "wb") as data:
        text = Transformer(part(TEXT) | part("to_text_latent."), data, "text.data")
        x = write_bert(text, TEXT, "ids", "mask", "hidden")
        first = text.node("Gather", [x, text.small("first", np.int64(0))], "class", axis=1)
        text.node("Identity", [text.dense(first, "to_text_latent", "told", False)], "latent")
    text.save(out / "text.onnx", "text", TEXT_INPUTS, {"latent": (FLOAT, ["B", SHARED])})
    left_over(net, project, text)


def shapes():
    def layers(prefix, sizes):
        return {f"{prefix}{name}.{part}": ((into, of) if part == "weight" else (into,))
                for name, (into, of) in sizes.items() for part in ("weight", "bias")}

    slab, inner = PATCH[0] * PATCH[1] * PATCH[2], HEADS * HEAD_WIDTH
    found = {f"{IMAGE}to_patch_emb.1.{part}": (slab,) for part in ("weight", "bias")}
    found |= layers(IMAGE, {"to_patch_emb.2": (WIDTH, slab), "spatial_rel_pos_bias.net.0.0": (WIDTH, 2),
                            "spatial_rel_pos_bias.net.1.0": (WIDTH, WIDTH), "spatial_rel_pos_bias.net.2": (HEADS, WIDTH)})
    found |= {f"{IMAGE}to_patch_emb.3.{part}": (WIDTH,) for part in ("weight", "bias")}
    for net in ("enc_spatial_transformer.", "enc_temporal_transformer."):
        found[f"{IMAGE}{net}norm_out.gamma"] = (WIDTH,)
        for i in range(DEPTH):
            name = f"{IMAGE}{net}layers.{i}."
            found |= {name + "0.dsconv.weight": (WIDTH, 1, 3, 3, 3), name + "0.dsconv.bias": (WIDTH,), name + "1.norm.gamma": (WIDTH,),
                      name + "1.to_q.weight": (inner, WIDTH), name + "1.to_kv.weight": (2 * inner, WIDTH), name + "1.q_scale": (HEAD_WIDTH,),
                      name + "1.k_scale": (HEAD_WIDTH,), name + "1.to_out.weight": (WIDTH, inner), name + "3.0.weight": (WIDTH,),
                      name + "3.0.bias": (WIDTH,), name + "3.1.weight": (2 * HIDDEN, WIDTH), name + "3.4.weight": (WIDTH, HIDDEN)}
    found[IMAGE + "vq._codebook.embed"] = (1, CODES, WIDTH)
    found["to_visual_latent.weight"] = (SHARED, SIDE[1] * SIDE[2] * WIDTH)
    found["to_text_latent.weight"] = (SHARED, TEXT_WIDTH)
    for name, count in (("word", VOCABULARY), ("position", TEXT_TOKENS), ("token_type", 2)):
        found[f"{TEXT}embeddings.{name}_embeddings.weight"] = (count, TEXT_WIDTH)
    found |= {f"{TEXT}embeddings.LayerNorm.{part}": (TEXT_WIDTH,) for part in ("weight", "bias")}
    for i in range(TEXT_DEPTH):
        name = f"{TEXT}encoder.layer.{i}."
        found |= {f"{name}{norm}.{part}": (TEXT_WIDTH,) for norm in ("attention.output.LayerNorm", "output.LayerNorm") for part in ("weight", "bias")}
        found |= layers(name, {f"attention.self.{part}": (TEXT_WIDTH, TEXT_WIDTH) for part in ("query", "key", "value")})
        found |= layers(name, {"attention.output.dense": (TEXT_WIDTH, TEXT_WIDTH), "intermediate.dense": (TEXT_HIDDEN, TEXT_WIDTH),
                               "output.dense": (TEXT_WIDTH, TEXT_HIDDEN)})
    return found


def fixed():
    """Codes are of unit length, and the scale of cosines is e."""
    codes = np.random.default_rng(1).standard_normal((1, CODES, WIDTH), np.float32)
    return {IMAGE + "vq._codebook.embed": codes / np.linalg.norm(codes, axis=-1, keepdims=True), TEMPERATURE: np.float32(1)}


def logit_scale(tensors):
    """Cosines are multiplied by it; the checkpoint holds its logarithm."""
    if TEMPERATURE not in tensors:
        raise ValueError("the weights have no tensor temperature")
    return round(float(np.exp(np.float64(tensors[TEMPERATURE]))), 6)


def features(folder, volume):
    return session(folder / "image.onnx").run(["features"], {"volume": volume})[0]


def volume_vectors(folder, profile, seed, limits):
    found = features(folder, golden_input(seed, profile["shape"][2:], *limits))
    return {"project.latent": rounded(session(folder / "project.onnx").run(["latent"], {"features": found})[0])}
