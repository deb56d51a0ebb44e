"""First stage of training: the image tower's backbone learns what lies in each cell, from crops of labelled phantoms.

A painter knows where everything is. One bit a volume would have to be found among 12,480 cells; told cell by cell, the same phantoms
hold thousands of examples of each thing, and a net that looks the same way at every place learns a nodule once for all places.
"""
import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

from clock import Clock, optimizer_of, step
from data import GRID
from evaluation import auroc
from model import BITS, FINDING_BITS, gathered
from texts import SEEN_IN

SEED = 20261126
BATCH, CROP = 24, (8, 10, 14)
# Cells of the grid that a trunk or a head fills in height, around the middle.
EXTENT = {"chest": 16, "abdomen": 16, "chest-abdomen": 24, "head": 10}


def prevalence(train, indices):
    counts = np.zeros(len(BITS))
    for i in indices:
        bits = train.labels(i)
        counts += [((bits >> b) & 1).mean() for b in range(len(BITS))]
    return np.maximum(counts / len(indices), 1e-6)


class Crops:
    """Blocks of CROP cells of the grid: two of three around a finding, picked by kind so that no kind is rare, others anywhere."""

    def __init__(self, train, rng):
        self.train, self.rng, self.by_bit = train, rng, {}
        self.labelled = train.labelled()
        for i in self.labelled:
            bits = train.labels(i)
            for b in range(FINDING_BITS):
                places = np.argwhere((bits >> b) & 1)
                if len(places):
                    self.by_bit.setdefault(b, []).append((i, places))
        self.kinds = sorted(self.by_bit)

    def one(self):
        rng = self.rng
        if rng.random() < 0.65:
            found = self.by_bit[self.kinds[rng.integers(len(self.kinds))]]
            index, places = found[rng.integers(len(found))]
            middle = places[rng.integers(len(places))] + rng.integers(-3, 4, 3)
        else:
            index = self.labelled[rng.integers(len(self.labelled))]
            height = EXTENT[self.train.records[index]["region"]] // 2
            middle = [n // 2 + rng.integers(-h, h) for n, h in zip(GRID, (height, 7, 9))]
        low = [int(np.clip(m - s // 2, 0, n - s)) for m, s, n in zip(middle, CROP, GRID)]
        of = tuple(slice(2 * at, 2 * (at + s)) for at, s in zip(low, CROP))
        return self.train.cells(index)[(slice(None), *of)], self.train.labels(index)[tuple(slice(at, at + s) for at, s in zip(low, CROP))]

    def batch(self):
        cells, bits = zip(*(self.one() for _ in range(BATCH)))
        bits = torch.from_numpy(np.stack(bits).astype(np.int32))
        truth = torch.stack([(bits >> b) & 1 for b in range(len(BITS))], 1).float()
        cells = torch.from_numpy(np.stack(cells)).to(torch.bfloat16)
        cells += torch.randn(cells.shape, dtype=torch.bfloat16) * float(self.rng.uniform(0, 0.04))
        return cells.contiguous(memory_format=torch.channels_last_3d), truth


def train_backbone(backbone, train, val, steps, log):
    crops = Crops(train, np.random.default_rng(SEED))
    share = torch.tensor(prevalence(train, crops.labelled[::3]), dtype=torch.float32).reshape(1, -1, 1, 1, 1)
    # A positive weighs as much as 15 negatives; all are lifted so that every bit's loss is of one size.
    positive = (1 / share).clamp(max=2e4)
    negative = positive / 15
    parameters = list(backbone.parameters())
    optimizer, clock, sums = optimizer_of(parameters), Clock(steps, 3e-3), []
    reader = ThreadPoolExecutor(1)
    coming = reader.submit(crops.batch)
    while not clock.over():
        backbone.train()
        clock.rate(optimizer)
        cells, truth = coming.result()
        coming = reader.submit(crops.batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits = backbone(cells)[1]
        weight = truth * positive + (1 - truth) * negative
        each = (F.binary_cross_entropy_with_logits(logits.float(), truth, reduction="none") * weight).mean((0, 2, 3, 4))
        step(each.mean(), optimizer, parameters)
        sums.append(each.detach().numpy())
        if clock.steps % 100 == 0:
            print(clock.steps, clock.told(), np.round(np.mean(sums[-100:], 0), 2).tolist(), flush=True)
        if clock.steps % 500 == 0 or clock.over():
            one = {"loss": round(float(np.mean(sums[-200:])), 4), **clock.told(), "val": bit_figures(backbone, val)}
            log["cells"].append(one)
            print(json.dumps(one), flush=True)


def shaken(phantoms, indices, rng):
    """Another place in the field and a little noise: what a scan range, a table height and a tube change."""
    cells = phantoms.batch(indices, rng.integers(-2, 3, (len(indices), 3))).to(torch.bfloat16)
    return cells + torch.randn(cells.shape, dtype=torch.bfloat16) * float(rng.uniform(0, 0.04))


def maps_of(backbone, phantoms, indices, rng=None):
    """What pooling starts from (model.gathered): [phantoms, 1560, 64] in half precision, [phantoms, 32]; with rng, of shaken phantoms."""
    backbone.eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        cells = phantoms.batch(indices).to(torch.bfloat16) if rng is None else shaken(phantoms, indices, rng)
        x, logits = backbone(cells.contiguous(memory_format=torch.channels_last_3d))
    x, sums = gathered(x.float(), logits.float())
    return x.bfloat16(), sums


def bit_figures(backbone, val):
    """AUROC of each finding by the sum of its evidence over the cells: no pooling is learned yet."""
    sums = []
    for at in range(0, len(val), 8):
        sums.append(maps_of(backbone, val, range(at, min(at + 8, len(val))))[1])
    sums, out = torch.cat(sums).numpy(), {}
    for b, code in enumerate(BITS[:FINDING_BITS]):
        seen = [i for i, r in enumerate(val.records) if code in SEEN_IN[r["region"]]]
        out[code] = round(auroc(sums[seen, b], [code in {f["code"] for f in val.records[i]["findings"]} for i in seen]), 3)
    return out
