"""Makes the bundle of COLIPRI: pip install -r requirements.txt; python export.py --out FOLDER

The weights and the vocabulary come from their hub, or from --weights FILE (model.safetensors) with vocab.txt beside it. With --random
they mean nothing and have the right shapes. The graphs are written node by node: neither PyTorch nor the authors' code is needed.
"""
import argparse
import json
import pathlib
import shutil
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
from common import ExportError, code_digest, entry, is_made, sha256_of, tell, write_json  # noqa: E402

HUB = "https://huggingface.co/"
WEIGHTS_URL = HUB + "microsoft/colipri/resolve/main/model.safetensors"
VOCABULARY_URL = HUB + "microsoft/BiomedVLP-CXR-BERT-specialized/resolve/5157bdba1437a3aed316dacb1a5b68edf96b9902/vocab.txt"
WEIGHTS_BYTES_MAX, VOCABULARY_BYTES_MAX = 4 << 30, 1 << 24
FILES = ("backbone.onnx", "backbone-plain.onnx", "backbone.data", "pool.onnx", "pool.data", "dense.onnx", "dense.data",
         "text.onnx", "text.data", "tokenizer.json", "card.md", "LICENSE.txt")
WINDOW, PATCH, RANDOM_SEED = 192, 8, 20261126
GOLDEN_SEEDS, GOLDEN_RANGE, GOLDEN_TOLERANCE = {"default": 1, "paper-eval": 20261124}, (-1.0, 1.0), 1e-4
STEPS = 5


def parsed():
    parser = argparse.ArgumentParser(description="Makes the bundle colipri.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the bundle")
    parser.add_argument("--weights", type=pathlib.Path, help="model.safetensors, in place of a download; vocab.txt beside it")
    parser.add_argument("--random", action="store_true", help="weights that mean nothing, to prove the export")
    parser.add_argument("--window", type=int, default=WINDOW, help="voxels a side that the network sees at once; another than 192 needs --random")
    parser.add_argument("--profiles", nargs="+", choices=list(GOLDEN_SEEDS), default=list(GOLDEN_SEEDS))
    parser.add_argument("--orientation", choices=["SAR", "RAS"], default="SAR", help="axes of the input, see card.md")
    given = parser.parse_args()
    if given.window < 2 * PATCH or given.window % PATCH != 0 or (given.window != WINDOW and not given.random):
        parser.error(f"--window must be a multiple of {PATCH}, at least {2 * PATCH}, and another than {WINDOW} needs --random")
    return given


def sources(given):
    """→ tensors, tokens of the vocabulary, and what tells this source from others."""
    import numpy as np
    from wordpiece import read_vocabulary

    if given.random:
        from network import VOCABULARY, shapes
        from random_weights import random_tensors
        from texts import random_vocabulary

        return (lambda: random_tensors(shapes(), RANDOM_SEED)), random_vocabulary(VOCABULARY), "random"
    if given.weights is None:
        from download import download

        # Beside the bundle, so that another try goes on with them.
        cache = given.out.with_name(given.out.name + ".download")
        weights = download(WEIGHTS_URL, cache / "model.safetensors", WEIGHTS_BYTES_MAX)
        vocabulary = download(VOCABULARY_URL, cache / "vocab.txt", VOCABULARY_BYTES_MAX)
    else:
        weights, vocabulary = given.weights, given.weights.with_name("vocab.txt")
        for path in (weights, vocabulary):
            if not path.is_file():
                raise ExportError(f"There is no file {path}: put model.safetensors and vocab.txt into one folder (card.md says where they are from)")

    def read():
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            return {name: np.asarray(value, np.float32) for name, value in load_file(weights).items()}
        except (SafetensorError, TypeError, ValueError, KeyError) as error:
            raise ExportError(f"{weights} cannot be read as safetensors: {error}") from None

    return read, read_vocabulary(vocabulary), sha256_of(weights) + sha256_of(vocabulary)


def make_files(given, state):
    from network import TEMPERATURE_NAME, VOCABULARY, write_graphs
    from wordpiece import tokenizer_json

    read, tokens, source = sources(given)
    key = f"{code_digest(HERE, HERE.parent / 'towers')} {source} {given.window}"
    out = given.out
    if state.get("key") == key and all(is_made(out, one) for one in state["files"]):
        return
    (out / "steps.json").unlink(missing_ok=True)
    state.clear()
    if len(tokens) != VOCABULARY:
        raise ExportError(f"The vocabulary has {len(tokens)} tokens, COLIPRI's text tower {VOCABULARY}: it belongs to another model")
    tensors = read()
    tell("weights read", 1, STEPS)
    try:
        write_graphs(tensors, given.window, out)
    except ValueError as error:
        raise ExportError(f"These weights are not COLIPRI's: {error}") from None
    (out / "tokenizer.json").write_text(json.dumps(tokenizer_json(tokens), ensure_ascii=False), encoding="utf-8")
    for name in ("card.md", "LICENSE.txt"):
        shutil.copyfile(HERE / name, out / name)
    temperature = float(tensors[TEMPERATURE_NAME]) if TEMPERATURE_NAME in tensors else None
    state |= {"key": key, "files": [entry(out / name) for name in FILES], "temperature": temperature, "golden": {}}
    write_json(out / "steps.json", state)


def draft(given, state):
    """The manifest for this window, these profiles and this orientation."""
    manifest = json.loads((HERE / "manifest.json").read_text())
    profiles = [one for one in manifest["profiles"] if one["id"] in given.profiles]
    if given.random:
        manifest["title"] = "COLIPRI's network, random weights"
        manifest["limits"] = "Random weights: its vectors mean nothing. For tests of the export alone."
    manifest["profiles"] = profiles
    manifest["spaces"] = [one for one in manifest["spaces"] if one["profile"] in given.profiles]
    scale = lambda values: [n * given.window // WINDOW for n in values]  # noqa: E731
    for profile in profiles:
        for op in profile["ops"]:
            if op["op"] == "reorient":
                op["axes"] = given.orientation[::-1]
            if op["op"] == "cropPad":
                op["sizeVoxels"] = scale(op["sizeVoxels"])
        profile["shape"][2:] = scale(profile["shape"][2:])
        if "window" in profile["tiling"]:
            profile["tiling"]["window"] = scale(profile["tiling"]["window"])
    backbone = manifest["graphs"]["backbone"]
    for shape in (backbone["inputs"]["volume"]["shape"], backbone["outputs"]["dense"]["shape"]):
        shape[2:] = scale(shape[2:])
    kept = {one["id"] for one in manifest["spaces"]}
    manifest["zeroShot"] = [one for one in manifest["zeroShot"] if one["space"] in kept]
    for one in manifest["zeroShot"]:
        if state["temperature"] is not None:
            one["logitScale"] = round(1 / state["temperature"], 6)
    return manifest


def golden(given, manifest, state):
    """Vectors of ONNX Runtime, each kept as soon as it is there: a whole-window run takes minutes."""
    from run_graphs import volume_vectors
    from texts import text_goldens

    found = []
    for profile in manifest["profiles"]:
        key, seed = f"{profile['id']} {given.window}", GOLDEN_SEEDS[profile["id"]]
        if key not in state["golden"]:
            state["golden"][key] = volume_vectors(given.out, profile, seed, GOLDEN_RANGE)
            write_json(given.out / "steps.json", state)
        for space in manifest["spaces"]:
            if space["profile"] == profile["id"]:
                found.append({"kind": "volume", "profile": profile["id"], "space": space["id"], "formula": "blocks-and-noise", "seed": seed,
                              "range": list(GOLDEN_RANGE), "expected": state["golden"][key][space["from"]], "tolerance": GOLDEN_TOLERANCE})
    return found + text_goldens(given.out, "pooled", GOLDEN_TOLERANCE)


def export(given):
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "steps.json"
    state = json.loads(path.read_text()) if path.is_file() else {}
    make_files(given, state)
    tell("graphs written", 2, STEPS)
    manifest = draft(given, state)
    manifest["golden"] = golden(given, manifest, state)
    tell("golden vectors made", 4, STEPS)
    manifest["files"] = state["files"]
    write_json(given.out / "model.json", manifest)
    path.unlink()
    shutil.rmtree(given.out.with_name(given.out.name + ".download"), ignore_errors=True)
    tell("bundle written", STEPS, STEPS)


if __name__ == "__main__":
    try:
        export(parsed())
    except (ExportError, OSError, json.JSONDecodeError) as error:
        sys.exit(f"{error}")
