"""Trains phantom-vle on painted phantoms, in three stages, everything from the ground truth of the phantoms.

    python train.py --data FOLDER --out FOLDER [--steps 4000 700 900]

1. Cells: the backbone of the image tower learns what lies where (dense.py).
2. Pictures: its pooling learns to tell the attributes of a phantom (texts.TOLD): findings, their side, lobe and size.
3. Towers: what it sees stands still (computed once a phantom, in several positions); its head and the text tower learn
   - reports: a picture finds its report among those of the batch, and beside its own with one thing made wrong;
   - statements: a matrix of pictures × short sentences, each true or false of each picture (sigmoid), and sentence against
     opposite sentence (softmax of the pair);
   - captions: masked words of the report, told from the other words and the picture.
One thread: on a machine that others use too, two wait for each other and are slower.
"""
import argparse
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

import texts
from clock import Clock, optimizer_of, step
from data import Cells
from dense import maps_of, train_backbone
from evaluation import LABELS, auroc, summary, unit
from model import Pair
from words import encode, load_or_train

SEED = 20261126
BATCH, TOWER_BATCH, STATEMENTS, POSITIONS = 32, 64, 128, 3


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, nargs=3, default=[4000, 700, 900])
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def train_pictures(pair, train, val, steps, log):
    """What lies in the cells is known by now; here the pooling learns to tell the attributes of a volume from it."""
    pool, rng = pair.image.pool, np.random.default_rng(SEED)
    cells, sums_of = all_maps(pair, train, rng)
    parameters = [*pool.parameters(), *pair.attributes.parameters()]
    optimizer, clock, order, sums = optimizer_of(parameters), Clock(steps, 2e-3), [], []
    told = torch.tensor([texts.told(r) for r in train.records])
    val_maps = all_maps(pair, val)
    heads = [i for i, r in enumerate(train.records) if r["region"] == "head"]
    while not clock.over():
        if len(order) < BATCH:
            # Heads are few, and nothing is learned of them from trunks: they come twice.
            order = list(rng.permutation([*range(len(train)), *heads]))
        indices, order = order[:BATCH], order[BATCH:]
        pool.train()
        clock.rate(optimizer)
        with torch.autocast("cpu", torch.bfloat16):
            seen = pool(cells[indices], sums_of[indices])
        guessed = pair.attributes(seen)
        true, can = told[indices].unbind(1)
        loss = (F.binary_cross_entropy_with_logits(guessed, true, reduction="none") * can).sum() / can.sum()
        step(loss, optimizer, parameters)
        sums.append(loss.item())
        if clock.steps % 100 == 0 or clock.over():
            one = {"loss": round(float(np.mean(sums[-100:])), 4), **clock.told(), "val": told_figures(pair, val, val_maps)}
            log["pictures"].append(one)
            print(json.dumps(one), flush=True)


def all_maps(pair, phantoms, rng=None):
    parts = [maps_of(pair.image.backbone, phantoms, part, rng) for part in np.array_split(np.arange(len(phantoms)), -(-len(phantoms) // 16))]
    return [torch.cat(one) for one in zip(*parts)]


def pooled(pair, cells, sums):
    pair.eval()
    with torch.no_grad():
        return torch.cat([pair.image.pool(f.float(), g) for f, g in zip(cells.split(16), sums.split(16))])


def told_figures(pair, val, maps):
    """AUROC of each finding, by the attributes' own layer."""
    seen = pooled(pair, *maps)
    with torch.no_grad():
        logits = pair.attributes(seen).numpy()
    true, can = np.array([texts.told(r) for r in val.records]).transpose(1, 0, 2)
    at = {key: texts.TOLD.index(key) for key in LABELS}
    values = {key: auroc(logits[can[:, i] > 0, i], true[can[:, i] > 0, i]) for key, i in at.items()}
    return {"mean": round(float(np.mean(list(values.values()))), 4), **{k: round(v, 3) for k, v in values.items()}}


def text_vectors(pair, ids, mask):
    """Unit vectors; short texts go through without the padding of long ones."""
    order = mask.sum(1).argsort()
    vectors = []
    for part in order.tensor_split(3):
        length = int(mask[part].sum(1).max())
        with torch.autocast("cpu", torch.bfloat16):
            vectors.append(pair.text(ids[part, :length], mask[part, :length]).float())
    return F.normalize(torch.cat(vectors)[order.argsort()], dim=-1)


def report_loss(pair, pictures, records, tokenizer, rng):
    own = [r["report"] if rng.random() < 0.5 else texts.varied_report(r, rng) for r in records]
    wrong = [texts.varied_report(texts.perturbed(r, rng), rng) for r in records[: len(records) // 4]]
    ids, mask = encode(tokenizer, own + wrong)
    vectors = text_vectors(pair, ids, mask)
    logits = pictures @ vectors.T * pair.report_scale.exp().clamp(max=60)
    names = [r["report"] for r in records]
    same = torch.tensor([[float(a == b) for b in names + [None] * len(wrong)] for a in names])
    loss = F.cross_entropy(logits, same / same.sum(1, keepdim=True))
    back = same[:, : len(names)]
    loss = loss + F.cross_entropy(logits[:, : len(names)].T, back / back.sum(1, keepdim=True))
    return loss / 2, ids[: len(own)], mask[: len(own)]


def statement_loss(pair, pictures, records, tokenizer, rng):
    truths = [texts.attributes(r) for r in records]
    chosen = [rng.choice(texts.LIBRARY) for _ in range(STATEMENTS)]
    # Two findings of one picture in one sentence, as people search.
    both = [rng.sample(sorted(t), 2) for t in truths if len(t) >= 2][: STATEMENTS // 6]
    lines = [texts.statement(a, rng) for a in chosen] + [texts.statement(a, rng, False) for a in chosen]
    lines += [f"{texts.phrase(a, rng)} and {texts.phrase(b, rng)}" for a, b in both]
    true = torch.tensor([[a in t for a in chosen] + [a not in t for a in chosen] + [a in t and b in t for a, b in both]
                         for t in truths]).float()
    cosines = pictures @ text_vectors(pair, *encode(tokenizer, lines)).T
    matrix = F.binary_cross_entropy_with_logits(cosines * pair.statement_scale.exp().clamp(max=60) + pair.statement_bias, true)
    margin = (cosines[:, :STATEMENTS] - cosines[:, STATEMENTS : 2 * STATEMENTS]) * pair.pair_scale.exp().clamp(max=60)
    return matrix, F.binary_cross_entropy_with_logits(margin, true[:, :STATEMENTS])


def train_towers(pair, tokenizer, train, val, steps, log):
    parameters = [*pair.image.head.parameters(), *pair.text.parameters(), *pair.to_token.parameters(), pair.words_bias,
                  pair.report_scale, pair.statement_scale, pair.statement_bias, pair.pair_scale]
    noise = np.random.default_rng(SEED)
    positions = torch.stack([pooled(pair, *all_maps(pair, train, noise)) for _ in range(POSITIONS)])
    val_seen = pooled(pair, *all_maps(pair, val))
    optimizer, clock, sums = optimizer_of(parameters), Clock(steps, 2e-3), []
    while not clock.over():
        pair.text.train()
        pair.image.head.train()
        clock.rate(optimizer)
        rng, draw = texts.stream(SEED, "texts", clock.steps), np.random.default_rng([SEED, clock.steps])
        indices = draw.choice(len(train), TOWER_BATCH, replace=False)
        records = [train.records[i] for i in indices]
        seen = positions[draw.integers(0, POSITIONS, TOWER_BATCH), indices]
        pictures = F.normalize(pair.image.head(F.dropout(seen, 0.05)), dim=-1)
        reports, ids, mask = report_loss(pair, pictures, records, tokenizer, rng)
        matrix, opposite = statement_loss(pair, pictures, records, tokenizer, rng)
        some = slice(0, 16)
        with torch.autocast("cpu", torch.bfloat16):
            caption = pair.caption_loss(pictures[some] * 4, ids[some], mask[some], torch.Generator().manual_seed(SEED + clock.steps))
        step(reports + 4 * matrix + 2 * opposite + 0.5 * caption, optimizer, parameters)
        sums.append([reports.item(), matrix.item(), opposite.item(), caption.item()])
        if clock.steps % 60 == 0 or clock.over():
            pair.eval()
            with torch.no_grad():
                vectors = unit(pair.image.head(val_seen).numpy())
                embed = lambda lines: pair.text(*encode(tokenizer, lines)).numpy()
                one = dict(zip(("reports", "statements", "opposites", "captions"), np.mean(sums[-60:], 0).round(4).tolist()))
                one |= {**clock.told(), "val": summary(vectors, val.records, embed)}
            log["towers"].append(one)
            print(json.dumps(one), flush=True)


def main():
    wanted = arguments()
    out = pathlib.Path(wanted.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(wanted.threads)
    train, val = Cells(wanted.data, "train", "train-coarse"), Cells(wanted.data, "val")
    if len(train) < TOWER_BATCH or len(val) == 0:
        raise SystemExit(f"{len(train)} phantoms of train, {len(val)} of val in {wanted.data}: run bench/phantom-vle/phantoms.ts first.")
    tokenizer = load_or_train(out / "tokenizer.json", train.records, SEED)
    pair = Pair(tokenizer.get_vocab_size(), len(texts.TOLD))
    pair.image.to(memory_format=torch.channels_last_3d)
    log = {"seed": SEED, "torch": torch.__version__, "train": len(train), "val": len(val), "attributes": len(texts.TOLD),
           "parameters": {name: sum(p.numel() for p in getattr(pair, name).parameters()) for name in ("image", "text")},
           "cells": [], "pictures": [], "towers": []}
    print(json.dumps(log), flush=True)

    def keep():
        torch.save({"state": pair.state_dict(), "vocabulary": tokenizer.get_vocab_size()}, out / "pair.pt")
        (out / "train-log.json").write_text(json.dumps(log, indent=1) + "\n")

    # A stage that was done already is not done again.
    stages = [("cells", lambda: train_backbone(pair.image.backbone, train, val, wanted.steps[0], log)),
              ("pictures", lambda: train_pictures(pair, train, val, wanted.steps[1], log)),
              ("towers", lambda: train_towers(pair, tokenizer, train, val, wanted.steps[2], log))]
    if (out / "pair.pt").exists():
        pair.load_state_dict(torch.load(out / "pair.pt", weights_only=True)["state"])
        log = json.loads((out / "train-log.json").read_text())
    for name, stage in stages:
        if not log[name]:
            stage()
            keep()


if __name__ == "__main__":
    main()
