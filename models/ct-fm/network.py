"""CT-FM's encoder as an ONNX graph: MONAI's SegResEncoder (arXiv 1810.11654) with the mean of its last level."""
import numpy as np
from onnx import TensorProto

from golden import golden_input
from proof import rounded, session, windows
from writer import Writer

SOURCES = (("https://huggingface.co/project-lighter/ct_fm_feature_extractor/resolve/main/model.safetensors", "model.safetensors"),)
FILES = ("encoder.onnx", "encoder.data")
BLOCKS, FILTERS, WINDOW = (1, 2, 2, 4, 4), 32, (24, 128, 128)
WIDTH = FILTERS << (len(BLOCKS) - 1)
EPSILON = 1e-5
BATCH_NORM = ("weight", "bias", "running_mean", "running_var")


class Encoder(Writer):
    def conv(self, x, name, output, stride=1, norm=None):
        """Without a bias of its own; the batch norm that follows is folded in."""
        kernel, given = self.take(name + ".weight"), []
        if norm is not None:
            gain, bias, mean, variance = (self.take(f"{norm}.{part}") for part in BATCH_NORM)
            factor = gain / np.sqrt(variance + EPSILON)
            kernel, given = kernel * factor[:, None, None, None, None], [self.constant(output + "_b", bias - mean * factor)]
        return self.node("Conv", [x, self.constant(output + "_w", kernel), *given], output,
                         strides=[stride] * 3, pads=[1] * 6, kernel_shape=kernel.shape[2:])

    def block(self, x, name, output):
        """Norm and ReLU stand before each convolution, so that the first norm has none to be folded into."""
        first = [self.constant(f"{output}_n_{part}", self.take(f"{name}norm1.{part}")) for part in BATCH_NORM]
        out = self.node("BatchNormalization", [x, *first], output + "_n", epsilon=EPSILON)
        out = self.conv(self.node("Relu", [out], output + "_r1"), name + "conv1", output + "_1", norm=name + "norm2")
        out = self.conv(self.node("Relu", [out], output + "_r2"), name + "conv2", output + "_2")
        return self.node("Add", [out, x], output)


def named(_, tensors):
    return {name.removeprefix("encoder."): value for name, value in tensors.items()}


def write_graphs(tensors, out):
    tensors = {name: value for name, value in tensors.items() if not name.endswith("num_batches_tracked")}
    with open(out / "encoder.data", "wb") as data:
        net = Encoder(tensors, data, "encoder.data")
        x = net.conv("volume", "conv_init", "c0")
        for level, count in enumerate(BLOCKS):
            for i in range(count):
                x = net.block(x, f"layers.{level}.blocks.{i}.", f"l{level}_{i}")
            if level < len(BLOCKS) - 1:
                x = net.conv(x, f"layers.{level}.downsample", f"d{level}", stride=2)
        net.node("Flatten", [net.node("GlobalAveragePool", [x], "mean")], "embedding", axis=1)
    if net.tensors:
        raise ValueError(f"the weights have tensors that the network has not: {sorted(net.tensors)[:3]}")
    net.save(out / "encoder.onnx", "ctfm", {"volume": (TensorProto.FLOAT, [1, 1, *WINDOW])}, {"embedding": (TensorProto.FLOAT, [1, WIDTH])})


def shapes():
    found = {"conv_init.weight": (FILTERS, 1, 3, 3, 3)}
    for level, count in enumerate(BLOCKS):
        width = FILTERS << level
        for i in range(count):
            name = f"layers.{level}.blocks.{i}."
            found |= {f"{name}norm{k}.{part}": (width,) for k in (1, 2) for part in BATCH_NORM}
            found |= {f"{name}conv{k}.weight": (width, width, 3, 3, 3) for k in (1, 2)}
        if level < len(BLOCKS) - 1:
            found[f"layers.{level}.downsample.weight"] = (2 * width, width, 3, 3, 3)
    return found


def fixed():
    return {}


def volume_vectors(folder, profile, seed, limits):
    run = session(folder / "encoder.onnx")
    volume = golden_input(seed, profile["shape"][2:], *limits)
    found = [run.run(["embedding"], {"volume": cut})[0] for _, cut in windows(volume, profile["tiling"]["window"])]
    return {"encoder.embedding": rounded(np.mean(found, 0))}
