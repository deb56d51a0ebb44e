"""Writes model.json: what stands fixed here, and what export.py measured."""
import hashlib
import json

from evaluation import LABELS, PLACES, PROMPTS
from model import DIM, TOKENS_MAX
from texts import NAMES

PROFILE = "trunk-and-head-5x4x4mm"
SHAPE = [1, 1, 96, 80, 104]
# Lowest and highest value of the input that the golden vectors use: the whole range of the profile.
RANGE = [-1.024, 1.5]
SNOMED = {
    "lung-nodule": ("786838002", "Nodule of lung"),
    "pleural-effusion": ("60046008", "Pleural effusion"),
    "emphysema": ("87433001", "Pulmonary emphysema"),
    "consolidation": ("95436008", "Lung consolidation"),
    "cardiomegaly": ("8186001", "Cardiomegaly"),
    "arterial-wall-calcification": ("81817003", "Atherosclerosis of aorta"),
    "liver-lesion": ("300331000", "Lesion of liver"),
    "renal-cyst": ("722223000", "Cyst of kidney"),
    "rib-fracture": ("33737001", "Fracture of rib"),
    "intracranial-hemorrhage": ("1386000", "Intracranial hemorrhage"),
    "hydrocephalus": ("230745008", "Hydrocephalus"),
}


def label(key, name):
    code, meaning = SNOMED[key.split("/")[0]]
    item = {"key": key.replace("/", ".").replace(" ", "-"), "name": name, "snomed": {"code": code, "meaning": meaning}}
    return item if "/" in key else item | {"synonyms": NAMES[key][1:]}


def rounded(values):
    return [round(float(v), 7) for v in values]


def write_manifest(folder, facts, golden, golden_texts, opset):
    files = []
    for name in ("image.onnx", "text.onnx", "tokenizer.json", "heads.json", "guard.json"):
        data = (folder / name).read_bytes()
        files.append({"path": name, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)})
    zero_shot = [{
        "id": name, "space": "global", "labels": labels,
        "prompts": {"kind": "templates", **PROMPTS}, "aggregate": "meanVector", "score": "softmaxPair", **facts[name],
    } for name, labels in (("findings", "phantom-findings"), ("places", "phantom-places"))]
    computed = {"profile": PROFILE, "formula": "blocks-and-noise", "range": RANGE}
    proofs = []
    for seed, vector, features in golden:
        proofs.append({"kind": "volume", **computed, "seed": seed, "expected": rounded(vector), "tolerance": 1e-4})
        proofs.append({"kind": "stage", **computed, "seed": seed, "output": "image.features", "expected": rounded(features), "tolerance": 1e-4})
        proofs.append({"kind": "stage", **computed, "seed": seed, "output": "unit", "expected": rounded(vector), "tolerance": 1e-4})
    proofs += [{"kind": "text", "text": line, "expected": rounded(vector), "tolerance": 1e-4} for line, vector in golden_texts]
    tokens = {"shape": ["N", "T"], "dtype": "int64"}
    manifest = {
        "formatVersion": 1,
        "id": "phantom-vle",
        "version": "1.0.0",
        "title": "Phantom language-image model",
        "summary": "A small language-image model that knows Kindred's synthetic phantoms and nothing else: text search, likelihoods, probes and a guard that turns real scans away. It shows the whole way that a real encoder takes.",
        "vendor": "Kindred",
        "intendedUse": "Trying text search, likelihoods and reports on the demo's phantoms. Research only; not for diagnostic use.",
        "limits": "Trained on synthetic phantoms only. What it says of a real patient means nothing: its guard withholds findings outside the world of the phantoms, and was tried on a few real scans only. Not for diagnostic use.",
        "licence": {"weights": "MIT", "code": "MIT", "researchOnly": True, "nonCommercial": False, "acceptanceRequired": False},
        "files": files,
        "runtime": {"opset": opset, "ramMb": 320, "providers": [
            {"provider": "cpu", "precision": "fp32", "verified": True, "notes": "Large weights are kept as float16 and cast when the graph is loaded."},
            {"provider": "cuda", "precision": "fp32", "verified": True},
            {"provider": "webgpu", "precision": "fp32", "verified": True}]},
        "applicability": {"modalities": ["CT"], "slicesMin": 12, "bodyParts": ["CHEST", "ABDOMEN", "HEAD"],
                          "series": "Any axial series of one of Kindred's phantoms."},
        "profiles": [{
            "id": PROFILE,
            "ops": [
                {"op": "reorient", "axes": "LPS"},
                {"op": "resample", "spacingMm": [5, 4, 4], "antialias": True},
                {"op": "cropPad", "sizeVoxels": SHAPE[2:], "value": -1024},
                {"op": "clipHu", "min": -1024, "max": 1500},
                {"op": "scale", "multiply": 0.001, "add": 0},
            ],
            "shape": SHAPE,
            "tiling": {"mode": "none"},
        }],
        "graphs": {
            "image": {
                "file": "image.onnx",
                "inputs": {"volume": {"shape": SHAPE, "dtype": "float32", "role": "volume"}},
                "outputs": {"embedding": {"shape": [1, DIM], "dtype": "float32", "role": "pooled"},
                            "features": {"shape": [1, len(golden[0][2])], "dtype": "float32", "role": "pooled"}},
            },
            "text": {
                "file": "text.onnx",
                "inputs": {"ids": {**tokens, "role": "ids"}, "mask": {**tokens, "role": "mask"}},
                "outputs": {"embedding": {"shape": ["N", DIM], "dtype": "float32", "role": "pooled"}},
            },
        },
        "stages": [{"id": "image", "op": "graph", "graph": "image", "in": ["input"]}, {"id": "unit", "op": "l2", "in": ["image.embedding"]}],
        "spaces": [{"id": "global", "dimension": DIM, "from": "image.embedding", "metric": "inner-product", "storage": "vector",
                    "granularity": "volume", "sharedWithText": True, "profile": PROFILE}],
        "text": {"kind": "tower", "graph": "text", "output": "embedding", "pool": "none",
                 "tokenizer": {"kind": "tokenizer.json", "file": "tokenizer.json", "maxTokens": TOKENS_MAX, "pad": "longest"}},
        "zeroShot": zero_shot,
        "heads": [{"id": "probes", "profile": PROFILE, "labels": "phantom-findings", "kind": "linear", "input": "unit", "weights": "heads.json",
                   "activation": "sigmoid", "calibration": {"kind": "platt", "slope": facts["slopes"], "intercept": facts["intercepts"]}}],
        "labels": [{"id": name, "items": [label(key, words) for key, words in labels.items()]}
                   for name, labels in (("phantom-findings", LABELS), ("phantom-places", PLACES))],
        "guard": {"kind": "mahalanobis", "profile": PROFILE, "input": "image.features", "file": "guard.json",
                  "threshold": facts["guardThreshold"],
                  "statement": "This scan does not look like the synthetic phantoms that the model was trained on; its findings are withheld."},
        "comparison": {"mode": "delta"},
        "golden": proofs,
    }
    (folder / "model.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
