"""Writes the bundle: image.onnx, text.onnx, tokenizer.json, heads.json, guard.json, model.json, from what train.py left.

    python export.py --data FOLDER --trained FOLDER

Weights are rounded to float16 first and the golden vectors are computed by torch from the rounded weights, so they prove the
export. Probes are fitted on phantoms of train, calibration, thresholds and the guard's limit on those of val; test is not read.
"""
import argparse
import json
import pathlib
import shutil
import sys

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer
from torch.nn.utils.fusion import fuse_conv_bn_eval

HERE = pathlib.Path(__file__).parent
# Behind our own folder: both have texts.py.
sys.path.append(str(HERE.parent / "towers"))

import texts
from data import SIZE, Cells
from evaluation import LABELS, PLACES, prompt_vectors, unit
from fit import distances, logistic, mahalanobis, platt
from golden import golden_input
from manifest import write_manifest
from model import Pair
from words import encode

OPSET = 18
# Smaller tensors stay float32: they are few, and scales and biases are worth it.
HALF_VALUES_MIN = 2048


def fused(module):
    """Conv and batch normalization as one."""
    for name, child in list(module.named_children()):
        is_pair = isinstance(child, nn.Sequential) and len(child) == 2 and isinstance(child[1], nn.BatchNorm3d)
        setattr(module, name, fuse_conv_bn_eval(child[0], child[1]) if is_pair else fused(child))
    return module


def trained(folder):
    saved = torch.load(folder / "pair.pt", weights_only=True)
    pair = Pair(saved["vocabulary"], len(texts.TOLD)).eval()
    pair.load_state_dict(saved["state"])
    pair.image = fused(pair.image).to(memory_format=torch.contiguous_format)
    for tower in (pair.image, pair.text):
        for p in tower.parameters():
            p.requires_grad_(False)
            if p.numel() >= HALF_VALUES_MIN:
                p.copy_(p.half().float())
    return pair


def halved(path):
    """Large weights as float16 in the file, cast back where they are used."""
    model = onnx.load(path)
    casts = []
    for one in model.graph.initializer:
        if one.data_type != TensorProto.FLOAT or np.prod(one.dims) < HALF_VALUES_MIN:
            continue
        name, half = one.name, numpy_helper.to_array(one).astype(np.float16)
        one.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    for at, cast in enumerate(casts):
        model.graph.node.insert(at, cast)
    # Where the exporter stood on the disk is nobody's business.
    for node in model.graph.node:
        node.ClearField("metadata_props")
        node.ClearField("doc_string")
    for one in [*model.graph.initializer, *model.graph.value_info, *model.graph.input, *model.graph.output]:
        one.ClearField("doc_string")
    model.graph.ClearField("value_info")
    onnx.checker.check_model(model)
    onnx.save(model, path)


def export(pair, tokenizer, out):
    volume = torch.zeros(1, 1, *SIZE)
    torch.onnx.export(pair.image, (volume,), str(out / "image.onnx"), input_names=["volume"], output_names=["embedding", "features"],
                      opset_version=OPSET, dynamo=False)
    ids, mask = encode(tokenizer, ["No pleural effusion.", "CT of the head."])
    torch.onnx.export(pair.text, (ids, mask), str(out / "text.onnx"), input_names=["ids", "mask"], output_names=["embedding"],
                      dynamic_axes={"ids": {0: "N", 1: "T"}, "mask": {0: "N", 1: "T"}, "embedding": {0: "N"}},
                      opset_version=OPSET, dynamo=False)
    for name in ("image.onnx", "text.onnx"):
        halved(out / name)


def vectors_of(pair, phantoms, indices):
    """Unit vectors and guard features, by torch in float32."""
    found = []
    for at in range(0, len(indices), 8):
        found.append([one.numpy() for one in pair.image(phantoms.volumes(indices[at : at + 8]))])
    return unit(np.concatenate([e for e, _ in found])), np.concatenate([f for _, f in found])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    parser.add_argument("--trained", required=True)
    parser.add_argument("--probe-phantoms", type=int, default=1600)
    wanted = parser.parse_args()
    folder = pathlib.Path(wanted.trained)
    torch.set_num_threads(1)
    pair, tokenizer = trained(folder), Tokenizer.from_file(str(folder / "tokenizer.json"))
    shutil.copy(folder / "tokenizer.json", HERE / "tokenizer.json")
    shutil.copy(folder / "train-log.json", HERE / "train-log.json")
    with torch.no_grad():
        export(pair, tokenizer, HERE)
        train, val = Cells(wanted.data, "train", "train-coarse"), Cells(wanted.data, "val")
        some = np.linspace(0, len(train) - 1, min(len(train), wanted.probe_phantoms)).astype(int)
        tv, tf = vectors_of(pair, train, some)
        vv, vf = vectors_of(pair, val, np.arange(len(val)))
    embed = lambda lines: pair.text(*encode(tokenizer, lines)).detach().numpy()
    facts = {"texts": {}}

    # Probes: one logistic regression a label, calibrated on val.
    weights, biases, slopes, intercepts = [], [], [], []
    for key in LABELS:
        w, b = logistic(tv, [key in texts.attributes(train.records[i]) for i in some], 1e-3)
        slope, intercept = platt(vv @ w + b, [key in texts.attributes(r) for r in val.records])
        weights.append([round(float(x), 5) for x in w])
        biases.append(round(b, 5))
        slopes.append(round(slope, 4))
        intercepts.append(round(intercept, 4))
    (HERE / "heads.json").write_text(json.dumps({"weights": weights, "bias": biases}) + "\n")
    facts |= {"slopes": slopes, "intercepts": intercepts}

    # Zero-shot: one scale for all labels of a list, so that the softmax of a pair is a likelihood on val.
    for name, labels in (("findings", LABELS), ("places", PLACES)):
        margins, truths = [], []
        for key, words in labels.items():
            positive, negative = prompt_vectors(words, embed)
            seen = [i for i, r in enumerate(val.records) if key.split("/")[0] in texts.SEEN_IN[r["region"]]]
            margins += list(vv[seen] @ (positive - negative))
            truths += [key in texts.attributes(val.records[i]) for i in seen]
        facts[name] = scale_and_threshold(np.array(margins), np.array(truths, float))

    # The guard: phantoms of both grids are its world. Its limit leaves out no phantom of val but is no wider than that.
    mean, whitening = mahalanobis(np.concatenate([tf, vf[::2]]))
    far = distances(vf[1::2], mean, whitening)
    facts["guardThreshold"] = round(float(far.max() * 1.15), 2)
    facts["guardVal"] = {"median": round(float(np.median(far)), 2), "max": round(float(far.max()), 2)}
    (HERE / "guard.json").write_text(json.dumps({"mean": [round(float(x), 6) for x in mean],
                                                 "whitening": [[round(float(x), 5) for x in row] for row in whitening]}) + "\n")

    golden = []
    for seed in (1, SEED := 20261126):
        with torch.no_grad():
            embedding, features = pair.image(torch.from_numpy(golden_input(seed, SIZE, -1.024, 1.5)))
        golden.append((seed, unit(embedding.numpy())[0], features.numpy()[0]))
    lines = ["No pleural effusion.", "CT of the chest with intravenous contrast. Solid nodule of 14 mm in the left upper lobe."]
    write_manifest(HERE, facts, golden, [(line, unit(embed([line]))[0]) for line in lines], OPSET)
    print(json.dumps(facts))


def scale_and_threshold(margins, truth):
    """The scale of least log loss, and the likelihood that parts val best (sensitivity + specificity)."""
    scales = np.geomspace(1, 400, 60)
    losses = [F.binary_cross_entropy_with_logits(torch.tensor(margins * s), torch.tensor(truth)).item() for s in scales]
    scale = round(float(scales[int(np.argmin(losses))]), 2)
    likelihood = 1 / (1 + np.exp(-margins * scale))
    cuts = np.linspace(0.05, 0.95, 91)
    youden = [(likelihood[truth > 0] > c).mean() + (likelihood[truth == 0] <= c).mean() for c in cuts]
    return {"logitScale": scale, "threshold": round(float(cuts[int(np.argmax(youden))]), 2)}


if __name__ == "__main__":
    main()
