"""The painted phantoms: tensors in memory-mapped files, records beside them (bench/phantom-vle/phantoms.ts wrote both)."""
import json
import pathlib

import numpy as np
import torch

from model import front

SIZE = (96, 80, 104)
CELLS = (6, 48, 40, 52)


class Phantoms:
    """All files of a folder whose name begins with one of the given words, in the order of their names."""

    def __init__(self, folder, *prefixes):
        paths = sorted(p for p in pathlib.Path(folder).glob("*.i16") if any(p.name.startswith(f"{x}-") for x in prefixes))
        self.paths, self.maps, self.records, self.at = paths, [], [], []
        for path in paths:
            lines = path.with_suffix(".jsonl").read_text().splitlines()
            self.maps.append(np.memmap(path, np.int16, "r", shape=(len(lines), *SIZE)))
            self.at += [(len(self.maps) - 1, i) for i in range(len(lines))]
            self.records += [json.loads(line) for line in lines]

    def __len__(self):
        return len(self.records)

    def volumes(self, indices):
        """Float32 [batch, 1, slices, rows, columns] in the model's unit: 1000 HU is 1."""
        return np.stack([self.maps[self.at[i][0]][self.at[i][1]] for i in indices])[:, None] * np.float32(0.001)


class Cells:
    """What the fixed front of the image tower makes of phantoms, computed once and kept beside them."""

    def __init__(self, folder, *prefixes):
        self.phantoms = Phantoms(folder, *prefixes)
        self.records = self.phantoms.records
        self.maps = [self.kept(part, path) for part, path in enumerate(self.phantoms.paths)]

    def kept(self, part, path):
        shape = (len(self.phantoms.maps[part]), *CELLS)
        cache = path.with_suffix(".f16")
        if not cache.exists():
            out = np.lib.format.open_memmap(cache.with_suffix(".partial"), "w+", np.float16, shape)
            for at in range(0, shape[0], 8):
                volumes = self.phantoms.maps[part][at : at + 8][:, None] * np.float32(0.001)
                out[at : at + 8] = front(torch.from_numpy(volumes)).numpy()
            out.flush()
            cache.with_suffix(".partial").rename(cache)
        return np.lib.format.open_memmap(cache, "r")

    def __len__(self):
        return len(self.records)

    def batch(self, indices, shifts=None):
        """
        Float16 [batch, 6, 48, 40, 52]. `shifts` [batch, 3] moves each phantom by so many cells; what comes in from outside is
        air.
        """
        out = np.full((len(indices), *CELLS), -1, np.float16)
        for row, index in enumerate(indices):
            part, i = self.phantoms.at[index]
            moves = [0, 0, 0] if shifts is None else [int(by) for by in shifts[row]]
            to = tuple(slice(max(0, by), n + min(0, by)) for by, n in zip(moves, CELLS[1:]))
            of = tuple(slice(max(0, -by), n + min(0, -by)) for by, n in zip(moves, CELLS[1:]))
            out[row][(slice(None), *to)] = self.maps[part][i][(slice(None), *of)]
        return torch.from_numpy(out)
