"""Inflated 3D ResNet-152 (Merlin's image tower) as an ONNX graph: batch norms folded into the convolutions.

The network sees its volume as [z][x][y]; Kindred's is [z][y][x]. All kernels are square in the plane, so that turning each of
them turns the network. The gray volume in three channels is one channel with the first kernels summed.
"""
import numpy as np
from onnx import TensorProto

from writer import Writer

BLOCKS = (("layer1", 64, 3, 1), ("layer2", 128, 8, 2), ("layer3", 256, 36, 2), ("layer4", 512, 3, 2))
EPSILON = 1e-5


class Tower(Writer):
    def conv(self, x, conv, norm, output, stride=(1, 1, 1), one_channel=False):
        """Convolution and batch norm: y = (w · x − mean) · gain / √(variance + ε) + bias."""
        kernel = self.take(conv + ".weight")
        factor = self.take(norm + ".weight") / np.sqrt(self.take(norm + ".running_var") + EPSILON)
        bias = self.take(norm + ".bias") - self.take(norm + ".running_mean") * factor
        self.tensors.pop(norm + ".num_batches_tracked", None)
        if one_channel:
            kernel = (kernel[:, 0] + kernel[:, 1] + kernel[:, 2])[:, None]
        kernel = np.swapaxes(kernel * factor[:, None, None, None, None], 3, 4)
        pads = [n // 2 for n in kernel.shape[2:]] * 2
        names = [self.constant(output + "_w", kernel), self.constant(output + "_b", bias)]
        return self.node("Conv", [x, *names], output, strides=stride, pads=pads, kernel_shape=kernel.shape[2:])

    def block(self, x, name, stride):
        out = self.node("Relu", [self.conv(x, name + ".conv1", name + ".bn1", name + "_1")], name + "_r1")
        out = self.conv(out, name + ".conv2", name + ".bn2", name + "_2", (stride,) * 3)
        out = self.conv(self.node("Relu", [out], name + "_r2"), name + ".conv3", name + ".bn3", name + "_3")
        if name + ".downsample.0.weight" in self.tensors:
            x = self.conv(x, name + ".downsample.0", name + ".downsample.1", name + "_d", (stride,) * 3)
        return self.node("Relu", [self.node("Add", [out, x], name + "_sum")], name + "_out")


def write_tower(tensors, size_zyx, graph_path, data_path):
    """Writes the graph and its weights. `tensors`: name → array. ValueError when they are not of this network."""
    with open(data_path, "wb") as data:
        tower = Tower(tensors, data, data_path.name.removesuffix(".part"))
        x = tower.conv("volume", "conv1", "bn1", "conv1", (1, 2, 2), one_channel=True)
        x = tower.node("Relu", [x], "conv1_relu")
        x = tower.node("MaxPool", [x], "pool", kernel_shape=[3] * 3, strides=[2] * 3, pads=[1] * 6)
        for layer, _, count, stride in BLOCKS:
            for i in range(count):
                x = tower.block(x, f"{layer}.{i}", stride if i == 0 else 1)
        width = BLOCKS[-1][1] * 4
        tower.node("Flatten", [tower.node("GlobalAveragePool", [x], "mean")], "embedding", axis=1)
    if tower.tensors:
        raise ValueError(f"the weights have tensors that the network has not: {sorted(tower.tensors)[:3]}")
    tower.save(graph_path, "i3resnet152", {"volume": (TensorProto.FLOAT, [1, 1, *size_zyx])},
               {"embedding": (TensorProto.FLOAT, [1, width])})
