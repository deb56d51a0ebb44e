"""The figures of card.md, from the exported graphs in ONNX Runtime: no torch, no part of the training but its wording.

    python evaluate.py --data FOLDER

Reads what bench/phantom-vle/reconstructed.ts wrote: phantoms of test, painted on their full grid, as DICOM files through Kindred's
reconstruction; the demo's population; real series. Writes results.json and the tables of card.md.
"""
import argparse
import json
import pathlib
import time

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

import texts
from evaluation import LABELS, PROMPTS, auroc, precision, summary, unit
from fit import distances

HERE = pathlib.Path(__file__).parent
MANIFEST = json.loads((HERE / "model.json").read_text())
SIZE = MANIFEST["profiles"][0]["shape"][2:]
LAYOUT_SIZE = [64, 64, 64]


def session(path):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def text_embedder():
    tower, tokenizer = session(HERE / "text.onnx"), Tokenizer.from_file(str(HERE / "tokenizer.json"))
    tokenizer.enable_truncation(MANIFEST["text"]["tokenizer"]["maxTokens"])
    tokenizer.enable_padding()

    def embed(lines):
        encoded = tokenizer.encode_batch(list(lines))
        ids = np.array([one.ids for one in encoded], np.int64)
        mask = np.array([one.attention_mask for one in encoded], np.int64)
        return tower.run(None, {"ids": ids, "mask": mask})[0]

    return embed


def tensors(path, size):
    """[volumes, slices, rows, columns]: memory-mapped thousandths."""
    count = path.stat().st_size // (2 * int(np.prod(size)))
    return np.memmap(path, np.int16, "r", shape=(count, *size)) if count else np.zeros((0, *size), np.int16)


def read(path):
    return [json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()]


def run(tower, inputs, name, seconds=None):
    found = []
    for one in inputs:
        started = time.perf_counter()
        found.append(tower.run(None, {name: one[None, None].astype(np.float32) * np.float32(0.001)}))
        if seconds is not None:
            seconds.append(time.perf_counter() - started)
    return [np.concatenate(part) for part in zip(*found)]


def probes(vectors, records):
    head = json.loads((HERE / "heads.json").read_text())
    scores = vectors @ np.array(head["weights"]).T + np.array(head["bias"])
    out = {}
    for at, key in enumerate(LABELS):
        seen = [i for i, r in enumerate(records) if key in texts.SEEN_IN[r["region"]]]
        out[key] = round(auroc(scores[seen, at], [key in texts.attributes(records[i]) for i in seen]), 3)
    return out


def queries(vectors, records, embed):
    """Short searches: of the first 5 answers, the part that is right, beside the part in the whole pool."""
    asked = {"pleural effusion on the left": ["pleural-effusion/left"], "lung nodule in the right upper lobe": ["lung-nodule/right upper lobe"],
             "emphysema and cardiomegaly": ["emphysema", "cardiomegaly"], "intracranial hemorrhage": ["intracranial-hemorrhage"],
             "hydrocephalus": ["hydrocephalus"], "cyst of the right kidney": ["renal-cyst/right"], "liver lesion": ["liver-lesion"],
             "consolidation in the left lower lobe": ["consolidation/left lower lobe"], "rib fracture": ["rib-fracture"],
             "large pleural effusion": ["pleural-effusion/large"]}
    out = {}
    for query, wanted in asked.items():
        right = np.array([all(a in texts.attributes(r) for a in wanted) for r in records])
        order = np.argsort(-(vectors @ unit(embed([query]))[0]))
        out[query] = {"precision5": float(right[order[:5]].mean()), "inPool": round(float(right.mean()), 3)}
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--population", default="20261124", help="seed of the demo's population")
    wanted = parser.parse_args()
    data = pathlib.Path(wanted.data)
    tower, embed, seconds = session(HERE / "image.onnx"), text_embedder(), []
    guard = json.loads((HERE / "guard.json").read_text())
    mean, whitening, limit = np.array(guard["mean"]), np.array(guard["whitening"]), MANIFEST["guard"]["threshold"]
    results = {"prompts": PROMPTS}

    path = data / "test-0.i16"
    records = read(path)
    raw, features = run(tower, tensors(path, SIZE), "volume", seconds)
    vectors = unit(raw)
    results["test"] = summary(vectors, records, embed) | {"probes": probes(vectors, records), "queries": queries(vectors, records, embed)}
    results["test"]["probesMean"] = round(float(np.mean(list(results["test"]["probes"].values()))), 4)
    results["secondsMedian"] = round(float(np.median(seconds)), 3)

    layout = session(HERE.parent / "layout-fingerprint" / "model.onnx")
    flat = unit(run(layout, tensors(data / "layout-test-0.i16", LAYOUT_SIZE), "volume")[0])
    near, chance = precision(flat, records, 5)
    results["layoutFingerprint"] = {"precision5": round(near, 4), "precisionChance": round(chance, 4)}

    far = {"phantoms of test": distances(features, mean, whitening)}
    path = data / f"population{wanted.population}-0.i16"
    demo_raw, demo_features = run(tower, tensors(path, SIZE), "volume")
    far["phantoms of the demo"] = distances(demo_features, mean, whitening)
    demo, demo_records = unit(demo_raw), read(path)
    reports = unit(embed([r["report"] for r in demo_records]))
    results["demo"] = {"recall1": float(np.mean((reports @ demo.T).argmax(1) == np.arange(len(demo)))),
                       "probes": probes_if_any(demo, demo_records), "pool": len(demo)}
    for path in sorted(data.glob("real-*.i16")):
        inputs = tensors(path, SIZE)
        if len(inputs):
            far[path.stem.removeprefix("real-")] = distances(run(tower, inputs, "volume")[1], mean, whitening)
    results["guard"] = {name: {"volumes": len(d), "beyond": int((d > limit).sum()), "least": round(float(d.min()), 1),
                               "most": round(float(d.max()), 1)} for name, d in far.items()}
    results["guardLimit"] = limit
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    show(results)


def probes_if_any(vectors, records):
    head = json.loads((HERE / "heads.json").read_text())
    scores = vectors @ np.array(head["weights"]).T + np.array(head["bias"])
    out = {}
    for at, key in enumerate(LABELS):
        value = auroc(scores[:, at], [key in texts.attributes(r) for r in records])
        if value is not None:
            out[key] = round(value, 3)
    return out


def tables(results):
    test, layout = results["test"], results["layoutFingerprint"]
    lines = [f"Of {test['pool']} phantoms of test:", "", "| finding | zero-shot AUROC | probe AUROC |", "|---|---|---|"]
    lines += [f"| {LABELS[key]} | {test['zeroShot'][key]:.3f} | {test['probes'][key]:.3f} |" for key in test["zeroShot"]]
    lines += [f"| **mean** | **{test['zeroShotMean']:.3f}** | **{test['probesMean']:.3f}** |", "", "| question | result |", "|---|---|"]
    lines += [f"| side or lobe of a finding, zero-shot AUROC, mean of {len(test['places'])} | {test['placesMean']:.3f} |"]
    lines += [f"| text → image recall@{k} | {value:.3f} |" for k, value in test["recall"].items()]
    lines += [f"| recall@10, any picture with the very same report counts | {test['recallAnyEqual10']:.3f} |",
              f"| same-finding precision@5 | {test['precision5']:.3f} |",
              f"| the same, layout-fingerprint | {layout['precision5']:.3f} |",
              f"| the same, at random | {test['precisionChance']:.3f} |",
              f"| the demo's {results['demo']['pool']} phantoms: report → picture, first answer right | {results['demo']['recall1']:.3f} |",
              f"| one image on one thread, median | {results['secondsMedian']:.2f} s |", ""]
    lines += ["| search, first five answers | right | in the pool |", "|---|---|---|"]
    lines += [f"| {query} | {one['precision5']:.1f} | {one['inPool']:.3f} |" for query, one in test["queries"].items()]
    lines += ["", f"The guard (limit {results['guardLimit']}):", "", "| scans | volumes | turned away | distances |", "|---|---|---|---|"]
    lines += [f"| {name} | {one['volumes']} | {one['beyond']} | {one['least']} to {one['most']} |" for name, one in results["guard"].items()]
    return "\n".join(lines)


def show(results):
    text = tables(results)
    print(text)
    card = HERE / "card.md"
    before, rest = card.read_text().split("<!-- results -->", 1)
    after = rest.split("<!-- /results -->", 1)[1]
    card.write_text(f"{before}<!-- results -->\n{text}\n<!-- /results -->{after}")


if __name__ == "__main__":
    main()
