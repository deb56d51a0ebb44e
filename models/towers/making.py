"""Makes a bundle of one image network: what an exporter brings is a module `network` beside its export.py, with

SOURCES       (address, file name) of its weights, the first one is what --weights names; the others lie beside it
FILES         names of the graphs and data that it writes
shapes()      name → shape of every tensor; fixed(): those that random weights may not replace
write_graphs(tensors, out)            ValueError when the tensors are not of this network
volume_vectors(out, profile, seed, limits)    unit vectors of the golden input, by the references that spaces have

and with a text tower vocab.txt among SOURCES, WORDS (the tensor with a row a token) and logit_scale(tensors).
"""
import argparse
import json
import pathlib
import pickle
import shutil
import sys
import zipfile

from common import ExportError, code_digest, entry, is_made, sha256_of, tell, write_json

HERE = pathlib.Path(__file__).resolve().parent
WEIGHTS_BYTES_MAX = 8 << 30
RANDOM_SEED, GOLDEN_SEED, GOLDEN_RANGE, GOLDEN_TOLERANCE = 20261126, 1, (0.0, 1.0), 1e-4
VOCABULARY = "vocab.txt"
NOTICES = ("card.md", "LICENSE.txt")
STEPS = 4


def read_tensors(path):
    """→ name → float32 array, from safetensors or a PyTorch checkpoint of plain tensors."""
    import numpy as np
    from weights import read_checkpoint

    try:
        if path.suffix == ".safetensors":
            from safetensors import SafetensorError
            from safetensors.numpy import load_file

            try:
                found = load_file(path)
            except SafetensorError as error:
                raise ValueError(error) from None
        else:
            found = read_checkpoint(path)
            for key in ("state_dict", "model"):
                found = found.get(key, found)
        return {name: np.asarray(value, np.float32) for name, value in found.items()}
    except (ValueError, TypeError, AttributeError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ExportError(f"{path} cannot be read as weights: {error}") from None


def weight_files(network, given):
    if given.weights is None:
        from download import download

        # Beside the bundle, so that another try goes on with them.
        cache = given.out.with_name(given.out.name + ".download")
        return [download(url, cache / name, WEIGHTS_BYTES_MAX) for url, name in network.SOURCES]
    found = [given.weights, *(given.weights.with_name(name) for _, name in network.SOURCES[1:])]
    missing = [str(path) for path in found if not path.is_file()]
    if missing:
        raise ExportError(f"There is no file {', '.join(missing)}: card.md says where the weights are from")
    return found


def make_files(source, network, given, state):
    """Leaves what an earlier run made of the same weights as it is."""
    paths = [] if given.random else weight_files(network, given)
    key = " ".join([code_digest(source, HERE), "random" if given.random else "", *map(sha256_of, paths)])
    if state.get("key") == key and all(is_made(given.out, one) for one in state["files"]):
        return
    state.clear()
    if given.random:
        from random_weights import random_tensors

        tensors = random_tensors(network.shapes(), RANDOM_SEED) | network.fixed()
    else:
        files = [path for path in paths if path.name != VOCABULARY]
        tensors = {name: value for path in files for name, value in network.named(path.name, read_tensors(path)).items()}
    tell("weights read", 1, STEPS)
    try:
        network.write_graphs(tensors, given.out)
    except ValueError as error:
        raise ExportError(f"These weights are not of this network: {error}") from None
    if hasattr(network, "WORDS"):
        write_tokenizer(network, given, tensors, paths)
        state["logitScale"] = network.logit_scale(tensors)
    for name in NOTICES:
        shutil.copyfile(source / name, given.out / name)
    state |= {"key": key, "files": [entry(given.out / name) for name in (*network.FILES, *NOTICES)], "golden": {}}
    write_json(given.out / "steps.json", state)


def write_tokenizer(network, given, tensors, paths):
    from texts import random_vocabulary
    from wordpiece import read_vocabulary, tokenizer_json

    rows = len(tensors[network.WORDS])
    tokens = random_vocabulary(rows) if given.random else read_vocabulary(next(path for path in paths if path.name == VOCABULARY))
    if len(tokens) != rows:
        raise ExportError(f"The vocabulary has {len(tokens)} tokens, the text tower {rows}: it belongs to another model")
    (given.out / "tokenizer.json").write_text(json.dumps(tokenizer_json(tokens), ensure_ascii=False), encoding="utf-8")


def export(source, given):
    import network

    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / "steps.json"
    state = json.loads(path.read_text()) if path.is_file() else {}
    make_files(source, network, given, state)
    tell("graphs written", 2, STEPS)
    manifest = json.loads((source / "manifest.json").read_text())
    if given.random:
        manifest["title"] = f"{manifest['title'][:40]}, random weights"
        manifest["limits"] = "Random weights: its vectors mean nothing. For tests of the export alone."
    manifest["golden"] = []
    for profile in manifest["profiles"]:
        if profile["id"] not in state["golden"]:
            state["golden"][profile["id"]] = network.volume_vectors(given.out, profile, GOLDEN_SEED, GOLDEN_RANGE)
            write_json(path, state)
        manifest["golden"] += [
            {"kind": "volume", "profile": profile["id"], "space": space["id"], "formula": "blocks-and-noise", "seed": GOLDEN_SEED,
             "range": list(GOLDEN_RANGE), "expected": state["golden"][profile["id"]][space["from"]], "tolerance": GOLDEN_TOLERANCE}
            for space in manifest["spaces"] if space["profile"] == profile["id"]]
    if "text" in manifest:
        from texts import text_goldens

        manifest["golden"] += text_goldens(given.out, manifest["text"]["output"], GOLDEN_TOLERANCE)
        for one in manifest.get("zeroShot", []):
            one["logitScale"] = state["logitScale"]
    tell("golden vectors made", 3, STEPS)
    manifest["files"] = state["files"]
    write_json(given.out / "model.json", manifest)
    path.unlink()
    shutil.rmtree(given.out.with_name(given.out.name + ".download"), ignore_errors=True)
    tell("bundle written", STEPS, STEPS)


def main(source):
    parser = argparse.ArgumentParser(description=f"Makes the bundle {source.name}.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the bundle")
    parser.add_argument("--weights", type=pathlib.Path, help="the weights, in place of a download; see card.md")
    parser.add_argument("--random", action="store_true", help="weights that mean nothing, to prove the export")
    try:
        export(source, parser.parse_args())
    except (ExportError, OSError, json.JSONDecodeError) as error:
        sys.exit(f"{error}")
