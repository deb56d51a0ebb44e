"""Trains phantom-vle on painted phantoms; at most half an hour on two cores with AVX-512 BF16 or AMX.

    python train.py --data FOLDER --out FOLDER [--epochs 9]

Three objectives, each on a report or statement made from the phantom's ground truth:
 - reports: a picture finds its report among those of the batch, of other phantoms, and of itself with one thing made wrong;
 - statements: a matrix of pictures × short sentences, each true or false of each picture (sigmoid), and sentence against
   opposite sentence (softmax of the pair);
 - captions: masked words of the report are told from the other words and the picture.
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
from evaluation import summary, unit
from model import Pair
from words import encode, load_or_train

SEED = 20261126
BATCH, STATEMENTS, EXTRA_REPORTS = 32, 96, 24


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--minutes", type=float, default=30, help="the learning rate falls to nothing by then at the latest")
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def shaken(phantoms, indices, rng):
    """Another place in the field and a little noise: what a scan range, a table height and a tube change."""
    cells = phantoms.batch(indices, rng.integers(-1, 2, (len(indices), 3))).to(torch.bfloat16)
    cells += torch.randn(cells.shape, dtype=torch.bfloat16) * float(rng.uniform(0, 0.04))
    return cells.contiguous(memory_format=torch.channels_last_3d)


def text_vectors(pair, ids, mask):
    with torch.autocast("cpu", torch.bfloat16):
        vectors = pair.text(ids, mask)
    return F.normalize(vectors.float(), dim=-1)


def report_loss(pair, pictures, records, others, tokenizer, rng):
    own = [r["report"] if rng.random() < 0.4 else texts.varied_report(r, rng) for r in records]
    wrong = [texts.varied_report(texts.perturbed(r, rng), rng) for r in records]
    ids, mask = encode(tokenizer, own + wrong + [texts.varied_report(r, rng) for r in others])
    vectors = text_vectors(pair, ids, mask)
    logits = pictures @ vectors.T * pair.report_scale.exp().clamp(max=60)
    names = [texts.signature(r) for r in records]
    columns = names + [None] * len(wrong) + [texts.signature(r) for r in others]
    same = torch.tensor([[float(a == b) for b in columns] for a in names])
    # The wrong report of another phantom is as wrong as any; its own is the hard one.
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
    true = np.array([[a in t for a in chosen] + [a not in t for a in chosen] + [a in t and b in t for a, b in both]
                     for t in truths], np.float32)
    true = torch.from_numpy(true)
    vectors = text_vectors(pair, *encode(tokenizer, lines))
    cosines = pictures @ vectors.T
    matrix = F.binary_cross_entropy_with_logits(cosines * pair.statement_scale.exp().clamp(max=60) + pair.statement_bias, true)
    margin = (cosines[:, :STATEMENTS] - cosines[:, STATEMENTS : 2 * STATEMENTS]) * pair.pair_scale.exp().clamp(max=60)
    return matrix, F.binary_cross_entropy_with_logits(margin, true[:, :STATEMENTS])


def figures(pair, tokenizer, phantoms):
    """Of the model as it is."""
    pair.eval()
    vectors = []
    with torch.no_grad():
        for at in range(0, len(phantoms), 16):
            cells = phantoms.batch(range(at, min(at + 16, len(phantoms)))).to(torch.bfloat16)
            with torch.autocast("cpu", torch.bfloat16):
                vectors.append(pair.image.body(cells)[0].float().numpy())
        return summary(unit(np.concatenate(vectors)), phantoms.records, lambda lines: pair.text(*encode(tokenizer, lines)).numpy())


def main():
    wanted = arguments()
    out = pathlib.Path(wanted.out)
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.set_num_threads(wanted.threads)
    shuffle = np.random.default_rng(SEED)
    train = Cells(wanted.data, "train", "train-coarse")
    if len(train) < BATCH:
        raise SystemExit(f"{len(train)} phantoms of train in {wanted.data}: run bench/phantom-vle/phantoms.ts first.")
    tokenizer = load_or_train(out / "tokenizer.json", train.records, SEED)
    pair = Pair(tokenizer.get_vocab_size())
    pair.image.to(memory_format=torch.channels_last_3d)
    log = {"seed": SEED, "batch": BATCH, "torch": torch.__version__,
           "parameters": {name: sum(p.numel() for p in getattr(pair, name).parameters()) for name in ("image", "text")}, "epochs": []}
    print(json.dumps(log), flush=True)
    plain = [p for n, p in pair.named_parameters() if p.ndim < 2]
    heavy = [p for n, p in pair.named_parameters() if p.ndim >= 2]
    optimizer = torch.optim.AdamW([{"params": heavy, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0.0}], lr=1e-3)
    steps = wanted.epochs * (len(train) // BATCH)
    started, step, seconds_max = time.time(), 0, wanted.minutes * 60
    for epoch in range(wanted.epochs):
        # Painting may still go on beside: each epoch takes what is there, and says how much that was.
        train = Cells(wanted.data, "train", "train-coarse")
        sums, count, order = np.zeros(4), 0, shuffle.permutation(len(train))
        pair.train()
        for at in range(0, len(order) - BATCH + 1, BATCH):
            # Whichever comes first, the planned steps or the planned time, brings the learning rate down.
            progress = max(step / steps, (time.time() - started) / seconds_max)
            if progress >= 1:
                break
            for group in optimizer.param_groups:
                group["lr"] = 1.5e-3 * min(1, (step + 1) / 60) * 0.5 * (1 + np.cos(np.pi * progress)) + 1e-6
            indices = order[at : at + BATCH]
            rng, noise = texts.stream(SEED, "texts", step), np.random.default_rng([SEED, step])
            records = [train.records[i] for i in indices]
            others = [train.records[i] for i in noise.integers(0, len(train), EXTRA_REPORTS)]
            cells = shaken(train, indices, noise)
            with torch.autocast("cpu", torch.bfloat16):
                raw, _ = pair.image.body(cells)
            pictures = F.normalize(raw.float(), dim=-1)
            reports, ids, mask = report_loss(pair, pictures, records, others, tokenizer, rng)
            matrix, opposite = statement_loss(pair, pictures, records, tokenizer, rng)
            with torch.autocast("cpu", torch.bfloat16):
                caption = pair.caption_loss(pictures * 4, ids, mask, torch.Generator().manual_seed(SEED + step))
            loss = reports + 4 * matrix + 2 * opposite + 0.5 * caption
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(pair.parameters(), 2.0)
            optimizer.step()
            sums += [reports.item(), matrix.item(), opposite.item(), caption.item()]
            count, step = count + 1, step + 1
            if step % 20 == 0:
                print(step, f"{time.time() - started:.0f} s", (sums / count).round(3), flush=True)
        one = dict(zip(("reports", "statements", "opposites", "captions"), (sums / max(1, count)).round(4).tolist()))
        one |= {"epoch": epoch + 1, "phantoms": len(train), "steps": step, "minutes": round((time.time() - started) / 60, 1),
                "cpuMinutes": round(time.process_time() / 60, 1)}
        if len(val := Cells(wanted.data, "val")) > 0:
            one |= {"val": figures(pair, tokenizer, val)}
        log["epochs"].append(one)
        print(json.dumps(one), flush=True)
        if progress >= 1:
            log["stopped"] = "by the planned minutes"
        torch.save({"state": pair.state_dict(), "vocabulary": tokenizer.get_vocab_size()}, out / "pair.pt")
        (out / "train-log.json").write_text(json.dumps(log, indent=1) + "\n")


if __name__ == "__main__":
    main()
