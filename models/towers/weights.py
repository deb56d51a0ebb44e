"""Reads a PyTorch checkpoint of plain tensors without PyTorch: a zip of a pickle and one raw file a tensor.

Only the few names that such a pickle needs are known; any other one is refused, so that a file cannot run code.
"""
import collections
import math
import pickle
import zipfile

import numpy as np

# Names of torch's storage classes → how their bytes are read. NumPy has no bfloat16: its bits are widened below.
STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "BFloat16Storage": "<u2", "LongStorage": "<i8"}
STORAGE_BYTES_MAX = 1 << 30


class Storage:
    def __init__(self, name):
        self.name = name


def read_checkpoint(file):
    """→ the object that was saved, from a path or an open file; its tensors are float32 or int64 arrays.

    ValueError or zipfile.BadZipFile when it holds anything else.
    """
    with zipfile.ZipFile(file) as archive:
        index = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(index) != 1:
            raise ValueError("it is no PyTorch checkpoint")
        folder = index[0][: -len("data.pkl")]

        def stored(storage, key):
            kind = STORAGES.get(storage.name)
            if kind is None:
                raise ValueError(f"tensors of {storage.name} are not read")
            name = f"{folder}data/{key}"
            if archive.getinfo(name).file_size > STORAGE_BYTES_MAX:
                raise ValueError("a tensor is larger than any of these networks")
            values = np.frombuffer(archive.read(name), dtype=kind)
            if storage.name == "BFloat16Storage":
                values = (values.astype("<u4") << 16).view("<f4")
            return values if values.dtype == np.int64 else values.astype(np.float32, copy=False)

        def tensor(values, offset, size, stride, *_):
            count = math.prod(size)
            contiguous = tuple(math.prod(size[i + 1 :]) for i in range(len(size)))
            if min(size, default=0) < 0 or offset < 0 or offset + count > len(values):
                raise ValueError("a tensor does not fit its data")
            if count > 0 and tuple(stride) != contiguous:
                raise ValueError("a tensor is not stored in order")
            return values[offset : offset + count].reshape(size)

        class Reader(pickle.Unpickler):
            def find_class(self, module, name):
                if (module, name) == ("collections", "OrderedDict"):
                    return collections.OrderedDict
                if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
                    return tensor
                if module == "torch" and name.endswith("Storage"):
                    return Storage(name)
                raise ValueError(f"it asks for {module}.{name}, which no file of plain tensors does")

            def persistent_load(self, saved):
                kind, storage, key, *_ = saved
                if kind != "storage" or not str(key).isalnum():
                    raise ValueError(f"it has an unknown reference {kind}")
                return stored(storage, key)

        with archive.open(index[0]) as pickled:
            return Reader(pickled).load()
