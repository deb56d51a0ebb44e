"""Trains phantom-vle on painted phantoms, in two stages, everything from the ground truth of the phantoms.

    python train.py --data FOLDER --out FOLDER [--minutes 18 6]

1. Pictures: the image tower learns to tell the attributes of a phantom (texts.TOLD): findings, their side, lobe and size.
2. Towers: what it sees stands still (computed once a phantom, in several positions); its head and the text tower learn
   - reports: a picture finds its report among those of the batch, and beside its own with one thing made wrong;
   - statements: a matrix of pictures × short sentences, each true or false of each picture (sigmoid), and sentence against
     opposite sentence (softmax of the pair);
   - captions: masked words of the report, told from the other words and the picture.
Each stage ends when its minutes are over; the learning rate falls to nothing by then.
"""
import argparse
import json
import pathlib
import time

import numpy as np
import torch
import torch.nn.functional as F

import texts
from data import Cells
from evaluation import LABELS, auroc, summary, unit
from model import Pair
from words import encode, load_or_train

SEED = 20261126
BATCH, TOWER_BATCH, STATEMENTS, POSITIONS = 32, 128, 160, 2


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, nargs=2, default=[18, 6])
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def optimizer_of(parameters):
    heavy, plain = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
    return torch.optim.AdamW([{"params": heavy, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}])


class Clock:
    """How much of the planned minutes is over, and the learning rate that belongs to it."""

    def __init__(self, minutes, peak):
        self.started, self.cpu, self.seconds, self.peak, self.steps = time.time(), time.process_time(), minutes * 60, peak, 0

    def rate(self, optimizer):
        for group in optimizer.param_groups:
            group["lr"] = self.peak * min(1, (self.steps + 1) / 30) * 0.5 * (1 + np.cos(np.pi * min(1, self.part()))) + 1e-6
        self.steps += 1

    def part(self):
        return (time.time() - self.started) / self.seconds

    def told(self):
        return {"steps": self.steps, "minutes": round((time.time() - self.started) / 60, 1),
                "cpuMinutes": round((time.process_time() - self.cpu) / 60, 1)}


def step(loss, optimizer, parameters):
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 2.0)
    optimizer.step()


def shaken(phantoms, indices, rng):
    """Another place in the field and a little noise: what a scan range, a table height and a tube change."""
    cells = phantoms.batch(indices, rng.integers(-1, 2, (len(indices), 3))).to(torch.bfloat16)
    cells += torch.randn(cells.shape, dtype=torch.bfloat16) * float(rng.uniform(0, 0.04))
    return cells.contiguous(memory_format=torch.channels_last_3d)


def seen_of(pair, cells):
    with torch.autocast("cpu", torch.bfloat16):
        return pair.image.body(cells)[0].float()


def train_pictures(pair, train, val, minutes, log):
    parameters = [*pair.image.parameters(), *pair.attributes.parameters()]
    optimizer, clock, order, sums = optimizer_of(parameters), Clock(minutes, 2e-3), [], []
    told = torch.tensor([texts.told(r) for r in train.records])
    shuffle = np.random.default_rng(SEED)
    while clock.part() < 1:
        if len(order) < BATCH:
            order = list(shuffle.permutation(len(train)))
        indices, order = order[:BATCH], order[BATCH:]
        pair.train()
        clock.rate(optimizer)
        logits = pair.attributes(seen_of(pair, shaken(train, indices, np.random.default_rng([SEED, clock.steps]))))
        true, can = told[indices].unbind(1)
        loss = (F.binary_cross_entropy_with_logits(logits, true, reduction="none") * can).sum() / can.sum()
        step(loss, optimizer, parameters)
        sums.append(loss.item())
        if clock.steps % 75 == 0 or clock.part() >= 1:
            one = {"loss": round(float(np.mean(sums[-75:])), 4), **clock.told(), "val": told_figures(pair, val)}
            log["pictures"].append(one)
            print(json.dumps(one), flush=True)
        elif clock.steps % 15 == 0:
            print(clock.steps, clock.told(), round(float(np.mean(sums[-15:])), 4), flush=True)


def all_seen(pair, phantoms, rng=None):
    pair.eval()
    found = []
    with torch.no_grad():
        for at in range(0, len(phantoms), 16):
            indices = range(at, min(at + 16, len(phantoms)))
            cells = phantoms.batch(indices).to(torch.bfloat16) if rng is None else shaken(phantoms, indices, rng)
            found.append(seen_of(pair, cells))
    return torch.cat(found)


def told_figures(pair, val):
    """AUROC of each finding, by the attributes' own layer."""
    seen = all_seen(pair, val)
    with torch.no_grad():
        logits = pair.attributes(seen).numpy()
    true, can = np.array([texts.told(r) for r in val.records]).transpose(1, 0, 2)
    at = {key: texts.TOLD.index(key) for key in LABELS}
    values = {key: auroc(logits[can[:, i] > 0, i], true[can[:, i] > 0, i]) for key, i in at.items()}
    return {"mean": round(float(np.mean(list(values.values()))), 4), **{k: round(v, 3) for k, v in values.items()}}


def text_vectors(pair, ids, mask):
    with torch.autocast("cpu", torch.bfloat16):
        vectors = pair.text(ids, mask)
    return F.normalize(vectors.float(), dim=-1)


def report_loss(pair, pictures, records, tokenizer, rng):
    own = [r["report"] if rng.random() < 0.5 else texts.varied_report(r, rng) for r in records]
    wrong = [texts.varied_report(texts.perturbed(r, rng), rng) for r in records[: len(records) // 2]]
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


def train_towers(pair, tokenizer, train, val, minutes, log):
    parameters = [*pair.image.head.parameters(), *pair.text.parameters(), *pair.to_token.parameters(), pair.words_bias,
                  pair.report_scale, pair.statement_scale, pair.statement_bias, pair.pair_scale]
    noise = np.random.default_rng(SEED)
    positions = torch.stack([all_seen(pair, train, None if i == 0 else noise) for i in range(POSITIONS)])
    val_seen = all_seen(pair, val)
    optimizer, clock, sums = optimizer_of(parameters), Clock(minutes, 2e-3), []
    while clock.part() < 1:
        pair.train()
        clock.rate(optimizer)
        rng, draw = texts.stream(SEED, "texts", clock.steps), np.random.default_rng([SEED, clock.steps])
        indices = draw.choice(len(train), TOWER_BATCH, replace=False)
        records = [train.records[i] for i in indices]
        seen = positions[draw.integers(0, POSITIONS, TOWER_BATCH), indices]
        pictures = F.normalize(pair.image.head(F.dropout(seen, 0.05)), dim=-1)
        reports, ids, mask = report_loss(pair, pictures, records, tokenizer, rng)
        matrix, opposite = statement_loss(pair, pictures, records, tokenizer, rng)
        some = slice(0, 32)
        with torch.autocast("cpu", torch.bfloat16):
            caption = pair.caption_loss(pictures[some] * 4, ids[some], mask[some], torch.Generator().manual_seed(SEED + clock.steps))
        step(reports + 4 * matrix + 2 * opposite + 0.5 * caption, optimizer, parameters)
        sums.append([reports.item(), matrix.item(), opposite.item(), caption.item()])
        if clock.steps % 60 == 0 or clock.part() >= 1:
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
           "pictures": [], "towers": []}
    print(json.dumps(log), flush=True)

    def keep():
        torch.save({"state": pair.state_dict(), "vocabulary": tokenizer.get_vocab_size()}, out / "pair.pt")
        (out / "train-log.json").write_text(json.dumps(log, indent=1) + "\n")

    train_pictures(pair, train, val, wanted.minutes[0], log)
    keep()
    train_towers(pair, tokenizer, train, val, wanted.minutes[1], log)
    keep()


if __name__ == "__main__":
    main()
