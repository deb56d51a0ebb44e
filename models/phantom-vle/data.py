"""The painted phantoms: tensors in memory-mapped files, records beside them (bench/phantom-vle/phantoms.ts wrote all)."""
import json
import pathlib

import numpy as np
import torch

from model import BITS, CHANNELS, FINDING_BITS, front

SIZE = (96, 80, 104)
CELLS = (CHANNELS, 48, 40, 52)
GRID = (24, 20, 26)


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


class Cells:
    """What the fixed front of the image tower makes of phantoms, computed once and kept beside them, and what each cell holds."""

    def __init__(self, folder, *prefixes):
        self.phantoms = Phantoms(folder, *prefixes)
        self.records = self.phantoms.records
        self.maps = [self.kept(part, path) for part, path in enumerate(self.phantoms.paths)]
        self.bits = [self.bits_of(part, path) for part, path in enumerate(self.phantoms.paths)]

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

    def bits_of(self, part, path):
        """[phantoms, 24, 20, 26]; None where no labels lie beside the tensors."""
        labels = path.with_suffix(".u16")
        return np.memmap(labels, np.uint16, "r", shape=(len(self.phantoms.maps[part]), *GRID)) if labels.exists() else None

    def __len__(self):
        return len(self.records)

    def labelled(self):
        return [i for i, (part, _) in enumerate(self.phantoms.at) if self.bits[part] is not None]

    def labels(self, index):
        """[24, 20, 26] bits. A label that the record has no finding for (the calcified pineal of a head) is no finding."""
        part, i = self.phantoms.at[index]
        codes = {f["code"] for f in self.records[index]["findings"]}
        mask = sum(1 << b for b, name in enumerate(BITS) if b >= FINDING_BITS or name in codes)
        return np.asarray(self.bits[part][i]) & np.uint16(mask)

    def cells(self, index):
        part, i = self.phantoms.at[index]
        return self.maps[part][i]

    def volumes(self, indices):
        """Float32 [batch, 1, 96, 80, 104], as the bundle's profile gives them: what lies in cells is rounded."""
        at = [self.phantoms.at[index] for index in indices]
        return torch.from_numpy(np.stack([self.phantoms.maps[part][i] for part, i in at])[:, None] * np.float32(0.001))

    def batch(self, indices, shifts=None):
        """
        Float16 [batch, 7, 48, 40, 52]. `shifts` [batch, 3] moves each phantom by so many cells; what comes in from outside is air.
        """
        if shifts is None:
            return torch.from_numpy(np.stack([self.cells(i) for i in indices]))
        out = np.full((len(indices), *CELLS), -1, np.float16)
        for row, index in enumerate(indices):
            to, of = zip(*((slice(max(0, by), n + min(0, by)), slice(max(0, -by), n + min(0, -by))) for by, n in zip(shifts[row], CELLS[1:])))
            out[row][(slice(None), *to)] = self.cells(index)[(slice(None), *of)]
        return torch.from_numpy(out)
