"""Parts of transformers as ONNX nodes. Attention comes in two variants of one graph, over the same weights:

fused   MultiHeadAttention of ONNX Runtime (com.microsoft), which never holds all scores; for the CPU and CUDA
plain   standard operators, a slice of the queries at a time so that scores stay small; where the fused one is wrong (WebGPU)
"""
import numpy as np
from onnx import TensorProto

from writer import RUNTIME_DOMAIN, Writer

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
# What WebGPU lets a shader bind at once by default.
SCORE_BYTES_MAX = 1 << 27


def rope_tables(grid, bands, temperature):
    """Angles of a rotary code over a grid of patches, → cosine and sine [tokens][axes · bands].

    Band b of an axis turns by position · temperature^(-b / bands); axes in the order of the grid, the last one fastest.
    """
    speeds = temperature ** -(np.arange(bands) / bands)
    places = np.stack(np.meshgrid(*[np.arange(n) for n in grid], indexing="ij"), -1).reshape(-1, len(grid), 1)
    angles = (places * speeds).reshape(len(places), -1)
    return np.cos(angles), np.sin(angles)


def pairs_to_halves(heads, width):
    """Order of a head's channels that puts the partners of a rotation, 2i and 2i + 1, half a head apart."""
    head = np.arange(width).reshape(heads, -1, 2)
    return np.concatenate([head[:, :, 0], head[:, :, 1]], 1).ravel()


class Transformer(Writer):
    """Tensors are [batch, tokens, width] where nothing else is said."""

    def linear(self, x, weight, bias, output):
        """`weight`: [out][in] as PyTorch has it; `bias` may be None."""
        product = output if bias is None else output + "_p"
        self.node("MatMul", [x, self.constant(output + "_w", weight.T)], product)
        if bias is None:
            return product
        return self.node("Add", [product, self.constant(output + "_b", bias)], output)

    def dense(self, x, name, output, bias=True):
        return self.linear(x, self.take(name + ".weight"), self.take(name + ".bias") if bias else None, output)

    def layer_norm(self, x, name, epsilon, output):
        given = [self.constant(f"{output}_{part}", self.take(f"{name}.{part}")) for part in ("weight", "bias")]
        return self.node("LayerNormalization", [x, *given], output, axis=-1, epsilon=epsilon)

    def gelu(self, x, output):
        """x · (1 + erf(x / √2)) / 2"""
        scaled = self.node("Mul", [x, self.small("root_half", np.float32(0.5 ** 0.5))], output + "_s")
        raised = self.node("Add", [self.node("Erf", [scaled], output + "_e"), self.small("one", np.float32(1))], output + "_r")
        half = self.node("Mul", [x, self.small("half", np.float32(0.5))], output + "_h")
        return self.node("Mul", [half, raised], output)

    def split_heads(self, x, heads, output, only=None):
        """→ [batch, tokens, heads, width of a head]"""
        shape = self.small(f"heads_{heads}", np.array([0, 0, heads, -1], np.int64))
        return self.node("Reshape", [x, shape], output, only)

    def join_heads(self, x, output, only=None):
        return self.node("Reshape", [x, self.small("joined", np.array([0, 0, -1], np.int64))], output, only)

    def rotate(self, x, heads, tables, output):
        """Turns the halves of each head against each other. `tables`: names of cosine and sine, [tokens, 1, half a head]."""
        cosine, sine = tables
        first, second = self.node("Split", [self.split_heads(x, heads, output + "_h")], [output + "_1", output + "_2"], axis=-1)
        turned = []
        for one, a, b, kind in (("a", first, second, "Sub"), ("b", second, first, "Add")):
            straight = self.node("Mul", [a, cosine], f"{output}_{one}c")
            across = self.node("Mul", [b, sine], f"{output}_{one}s")
            turned.append(self.node(kind, [straight, across], f"{output}_{one}"))
        return self.join_heads(self.node("Concat", turned, output + "_t", axis=-1), output)

    def attention(self, q, k, v, heads, tokens, head_width, output):
        """`tokens`: their number, which decides into how many parts the plain variant cuts the queries."""
        self.node("MultiHeadAttention", [q, k, v], output, "fused", RUNTIME_DOMAIN, num_heads=heads)
        turned = {}
        for name, x, order in (("q", q, [0, 2, 1, 3]), ("k", k, [0, 2, 3, 1]), ("v", v, [0, 2, 1, 3])):
            split = self.split_heads(x, heads, f"{output}_{name}h", "plain")
            turned[name] = self.node("Transpose", [split], f"{output}_{name}", "plain", perm=order)
        count = next(n for n in range(1, tokens + 1) if tokens % n == 0 and heads * tokens // n * tokens * 4 <= SCORE_BYTES_MAX)
        parts = [turned["q"]]
        if count > 1:
            # A slice each: the shader of one Split would have a buffer for every part, and WebGPU gives a shader about ten.
            bounds = [self.small(f"row_{i * tokens // count}", np.array([i * tokens // count], np.int64)) for i in range(count + 1)]
            axis = self.small("rows_axis", np.array([2], np.int64))
            parts = [self.node("Slice", [turned["q"], bounds[i], bounds[i + 1], axis], f"{output}_q{i}", "plain") for i in range(count)]
        scale = self.small(f"scale_{head_width}", np.float32(head_width ** -0.5))
        mixed = []
        for i, part in enumerate(parts):
            name = f"{output}_{i}"
            scaled = self.node("Mul", [part, scale], name + "_q", "plain")
            scores = self.node("MatMul", [scaled, turned["k"]], name + "_s", "plain")
            shares = self.node("Softmax", [scores], name + "_a", "plain", axis=-1)
            mixed.append(self.node("MatMul", [shares, turned["v"]], name, "plain"))
        whole = self.node("Concat", mixed, output + "_m", "plain", axis=2) if count > 1 else mixed[0]
        back = self.node("Transpose", [whole], output + "_t", "plain", perm=[0, 2, 1, 3])
        self.join_heads(back, output, "plain")
        return output

    def attention_pool(self, x, name, heads, output, mask=None):
        """The mean of the tokens asks all tokens once, as PyTorch's MultiheadAttention; → [batch, width].

        Keys and values of single tokens are never made: with one query q, q · (K x) = (Kᵀ q) · x, and the values' mean is the
        value of the mean, so that 100,000 tokens cost two thin products. The keys' bias adds the same to every score.

        `mask`: name of a tensor [batch, tokens] of type int64, 0 for tokens that are none.
        """
        weight, bias = self.take(name + ".in_proj_weight"), self.take(name + ".in_proj_bias")
        width = weight.shape[1]
        size = width // heads
        ask, key, value = (weight[i * width:(i + 1) * width] for i in range(3))
        queries = self.linear(self.mean_token(x, output + "_mean", mask), ask * size ** -0.5, bias[:width] * size ** -0.5, output + "_q")
        # [batch, heads, 1, size] · [heads, size, width]
        shape = self.small(f"{output}_split", np.array([0, heads, 1, size], np.int64))
        split = self.node("Reshape", [queries, shape], output + "_qh")
        asked = self.node("MatMul", [split, self.constant(output + "_k", key.reshape(heads, size, width))], output + "_u")
        flat = self.node("Squeeze", [asked, self.small("axis_2", np.array([2], np.int64))], output + "_uh")
        scores = self.node("MatMul", [flat, self.node("Transpose", [x], output + "_xt", perm=[0, 2, 1])], output + "_s")
        if mask is not None:
            scores = self.node("Add", [scores, self.mask_bias(mask, [1], output + "_m")], output + "_sm")
        mixed = self.node("MatMul", [self.node("Softmax", [scores], output + "_a", axis=-1), x], output + "_c")
        column = self.node("Unsqueeze", [mixed, self.small("axis_2", np.array([2], np.int64))], output + "_ch")
        taken = self.constant(output + "_v", value.reshape(heads, size, width).transpose(0, 2, 1))
        values = self.node("MatMul", [column, taken], output + "_vh")
        joined = self.node("Reshape", [values, self.small("flat", np.array([0, -1], np.int64))], output + "_vj")
        # The shares sum to 1, so that the values' bias goes through as it is.
        out = self.take(name + ".out_proj.weight")
        return self.linear(joined, out, out @ bias[2 * width:] + self.take(name + ".out_proj.bias"), output)

    def mean_token(self, x, output, mask=None):
        """→ [batch, width]"""
        if mask is None:
            return self.node("ReduceMean", [x], output, axes=[1], keepdims=0)
        axes = {"column": np.array([2], np.int64), "tokens": np.array([1], np.int64)}
        floats = self.node("Cast", [mask], output + "_f", to=FLOAT)
        column = self.node("Unsqueeze", [floats, self.small("column", axes["column"])], output + "_c")
        kept = self.node("Mul", [x, column], output + "_k")
        total = self.node("ReduceSum", [kept, self.small("tokens", axes["tokens"])], output + "_t", keepdims=0)
        count = self.node("ReduceSum", [floats, self.small("tokens", axes["tokens"])], output + "_n", keepdims=1)
        return self.node("Div", [total, count], output)

    def mask_bias(self, mask, axes, output):
        """0 for tokens, the lowest number for what is none; with new axes, to be added to scores."""
        floats = self.node("Cast", [mask], output + "_f", to=FLOAT)
        missing = self.node("Sub", [self.small("one", np.float32(1)), floats], output + "_i")
        low = self.node("Mul", [missing, self.small("lowest", np.float32(np.finfo(np.float32).min))], output + "_l")
        name = "axes_" + "_".join(map(str, axes))
        return self.node("Unsqueeze", [low, self.small(name, np.array(axes, np.int64))], output)
