"""Inflated 3D ResNet-152 (Merlin's image tower) as an ONNX graph: batch norms folded into the convolutions.

The network sees its volume as [z][x][y]; Kindred's is [z][y][x]. All kernels are square in the plane, so that turning each of
them turns the network. The gray volume in three channels is one channel with the first kernels summed.
"""
import numpy as np
from onnx import TensorProto, external_data_helper, helper

BLOCKS = (("layer1", 64, 3, 1), ("layer2", 128, 8, 2), ("layer3", 256, 36, 2), ("layer4", 512, 3, 2))
EPSILON = 1e-5
# Large tensors may be mapped into memory where they start on a page.
PAGE = 4096
OPSET = 17


class Tower:
    """Collects nodes, and the weights as they are appended to a file of raw little-endian float32."""

    def __init__(self, tensors, data, location):
        self.tensors, self.data, self.location = dict(tensors), data, location
        self.nodes, self.constants, self.at = [], [], 0

    def take(self, name):
        try:
            return self.tensors.pop(name).astype(np.float64)
        except KeyError:
            raise ValueError(f"the weights have no tensor {name}") from None

    def constant(self, name, values):
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        self.data.write(bytes(-self.at % PAGE))
        self.at += -self.at % PAGE
        one = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=values.shape)
        one.raw_data = b""
        external_data_helper.set_external_data(one, self.location, self.at, len(raw))
        one.ClearField("raw_data")
        self.constants.append(one)
        self.data.write(raw)
        self.at += len(raw)
        return name

    def node(self, kind, inputs, output, **attributes):
        self.nodes.append(helper.make_node(kind, inputs, [output], name=output, **attributes))
        return output

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
    graph = helper.make_graph(
        tower.nodes, "i3resnet152",
        [helper.make_tensor_value_info("volume", TensorProto.FLOAT, [1, 1, *size_zyx])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, width])],
        tower.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="kindred")
    model.ir_version = 8
    graph_path.write_bytes(model.SerializeToString())
