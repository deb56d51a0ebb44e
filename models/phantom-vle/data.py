"""The painted phantoms: tensors in memory-mapped files, records beside them (bench/phantom-vle/phantoms.ts wrote both)."""
import json
import pathlib

import numpy as np

SIZE = (96, 80, 104)


class Phantoms:
    """All files of a folder whose name begins with one of the given words, in the order of their names."""

    def __init__(self, folder, *prefixes):
        paths = sorted(p for p in pathlib.Path(folder).glob("*.i16") if any(p.name.startswith(f"{x}-") for x in prefixes))
        if not paths:
            raise SystemExit(f"No phantoms of {', '.join(prefixes)} in {folder}: run bench/phantom-vle/phantoms.ts first.")
        self.maps, self.records, self.at = [], [], []
        for path in paths:
            lines = path.with_suffix(".jsonl").read_text().splitlines()
            self.maps.append(np.memmap(path, np.int16, "r", shape=(len(lines), *SIZE)))
            self.at += [(len(self.maps) - 1, i) for i in range(len(lines))]
            self.records += [json.loads(line) for line in lines]

    def __len__(self):
        return len(self.records)

    def batch(self, indices):
        """Float32 [batch, 1, slices, rows, columns] in the model's unit: 1000 HU is 1."""
        out = np.empty((len(indices), 1, *SIZE), np.float32)
        for row, index in enumerate(indices):
            part, i = self.at[index]
            np.multiply(self.maps[part][i], np.float32(0.001), out=out[row, 0])
        return out
