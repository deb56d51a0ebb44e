"""Collects the nodes of an ONNX graph; its weights are appended to a file of raw little-endian float32."""
import numpy as np
from onnx import TensorProto, external_data_helper, helper, numpy_helper

# Large tensors may be mapped into memory where they start on a page.
PAGE = 4096
OPSET = 17
IR_VERSION = 8
# Operators of ONNX Runtime that are not of the standard.
RUNTIME_DOMAIN = "com.microsoft"


class Writer:
    """Nodes belong to all variants of the graph, or to one that is named; the weights are shared."""

    def __init__(self, tensors, data, location):
        self.tensors, self.data, self.location = dict(tensors), data, location
        self.nodes, self.constants, self.at = [], [], 0

    def take(self, name):
        """The tensor in 64 bits; what nobody took is left in `tensors`."""
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

    def small(self, name, values):
        """A constant inside the graph: shapes, axes, single numbers. Given twice, it is one."""
        if all(one.name != name for one in self.constants):
            self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind, inputs, output, only=None, domain=None, **attributes):
        """`output`: one name, or a list; the first one names the node. `only`: the variant that it belongs to."""
        outputs = [output] if isinstance(output, str) else output
        one = helper.make_node(kind, inputs, outputs, name=outputs[0], domain=domain, **attributes)
        self.nodes.append((only, one))
        return output

    def save(self, path, name, inputs, outputs, variant=None):
        """`inputs`, `outputs`: name → (type, shape)."""
        nodes = [one for only, one in self.nodes if only in (None, variant)]
        used = {given for one in nodes for given in one.input}
        values = [[helper.make_tensor_value_info(key, *one) for key, one in part.items()] for part in (inputs, outputs)]
        graph = helper.make_graph(nodes, name, *values, [one for one in self.constants if one.name in used])
        opsets = [helper.make_opsetid("", OPSET)]
        if any(one.domain == RUNTIME_DOMAIN for one in nodes):
            opsets.append(helper.make_opsetid(RUNTIME_DOMAIN, 1))
        model = helper.make_model(graph, opset_imports=opsets, producer_name="kindred")
        model.ir_version = IR_VERSION
        path.write_bytes(model.SerializeToString())
