"""Files in PyTorch's format for the test of models/towers/weights.py: checkpoints.py FOLDER writes plain.pt and hostile ones."""
import collections
import io
import pathlib
import pickle
import struct
import sys
import types
import zipfile

OUT = pathlib.Path(sys.argv[1])


def rebuild(*_):
    """Stands for torch._utils._rebuild_tensor_v2: only its name is written."""


def named(module, name):
    one = types.new_class(name)
    one.__module__ = module
    setattr(sys.modules.setdefault(module, types.ModuleType(module)), name, one)
    return one


sys.modules["torch"], sys.modules["torch._utils"] = types.ModuleType("torch"), types.ModuleType("torch._utils")
rebuild.__module__, rebuild.__name__, rebuild.__qualname__ = "torch._utils", "_rebuild_tensor_v2", "_rebuild_tensor_v2"
sys.modules["torch._utils"]._rebuild_tensor_v2 = rebuild
STORAGE = {kind: named("torch", kind) for kind in ("FloatStorage", "BFloat16Storage", "LongStorage", "ComplexFloatStorage")}


class Tensor:
    def __init__(self, kind, key, count, offset, size, stride):
        self.kind, self.key, self.count, self.rest = kind, key, count, (offset, size, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return rebuild, (Saved(self.kind, self.key, self.count), *self.rest)


class Saved:
    def __init__(self, kind, key, count):
        self.reference = ("storage", STORAGE[kind], key, "cpu", count)


class Writer(pickle.Pickler):
    def persistent_id(self, one):
        return one.reference if isinstance(one, Saved) else None


class Attack:
    def __reduce__(self):
        return __import__("os").system, (f"touch {OUT}/was-run",)


def save(name, what, data):
    pickled = io.BytesIO()
    Writer(pickled, protocol=2).dump(what)
    with zipfile.ZipFile(OUT / name, "w") as archive:
        archive.writestr("archive/data.pkl", pickled.getvalue())
        for key, raw in data.items():
            archive.writestr(f"archive/data/{key}", raw)


FLOATS, BF16 = struct.pack("<6f", 0, 1, 2, 3, 4, 5), struct.pack("<2H", 0x3FC0, 0xC000)
DATA = {"0": FLOATS, "1": BF16, "2": struct.pack("<q", 7)}
save("plain.pt", {"state_dict": collections.OrderedDict(
    a=Tensor("FloatStorage", "0", 6, 2, (2, 2), (2, 1)), b=Tensor("BFloat16Storage", "1", 2, 0, (2,), (1,)),
    c=Tensor("LongStorage", "2", 1, 0, (), ()))}, DATA)
save("code.pt", {"a": Attack()}, DATA)
save("too-long.pt", {"a": Tensor("FloatStorage", "0", 6, 3, (2, 2), (2, 1))}, DATA)
save("strides.pt", {"a": Tensor("FloatStorage", "0", 6, 0, (2, 2), (1, 2))}, DATA)
save("huge.pt", {"a": Tensor("FloatStorage", "0", 6, 0, (1 << 20, 1 << 20), (1 << 20, 1))}, DATA)
save("negative.pt", {"a": Tensor("FloatStorage", "0", 6, -1, (2,), (1,))}, DATA)
save("minus.pt", {"a": Tensor("FloatStorage", "0", 6, 0, (-1, -2), (2, 1))}, DATA)
save("kind.pt", {"a": Tensor("ComplexFloatStorage", "0", 3, 0, (3,), (1,))}, DATA)
save("path.pt", {"a": Tensor("FloatStorage", "../data.pkl", 6, 0, (2,), (1,))}, DATA)
(OUT / "text.pt").write_text("no zip")
with zipfile.ZipFile(OUT / "empty.pt", "w"):
    pass
