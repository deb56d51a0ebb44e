"""The authors' own classes in PyTorch against the exported graphs: pip install -r requirements-parity.txt, then

python parity.py --bundle FOLDER --window 96                  a bundle of export.py --random --window 96
python parity.py --bundle FOLDER --weights model.safetensors  the real one

Prints the largest difference of unit vectors; `--write` puts PyTorch's vectors into the bundle's golden vectors.
"""
import argparse
import json
import pathlib
import resource
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
import numpy as np  # noqa: E402

THREADS = 2


def original(tensors, window):
    """→ image and text encoder of colipri with these tensors. The text tower is BERT as colipri takes it out of CXR-BERT."""
    import torch
    from colipri.checkpoint import load_model_config
    from colipri.model.text import TextEncoder
    from colipri.pooling import AttentionPool1D
    from hydra.utils import instantiate
    from network import HEADS, IMAGE, SHARED, TEXT, VOCABULARY
    from transformers import BertConfig, BertModel

    torch.set_num_threads(THREADS)
    image = instantiate(load_model_config(overrides=[f"input_size={window}"]).image_encoder)
    text = TextEncoder(BertModel(BertConfig(vocab_size=VOCABULARY), add_pooling_layer=False), AttentionPool1D(SHARED, HEADS))
    for net, prefix in ((image, IMAGE), (text, TEXT)):
        own = {name[len(prefix):]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith(prefix)}
        net.load_state_dict(own, strict=True)
        net.eval()
    return image, text


def compare(given, tensors):
    import torch
    from export import GOLDEN_RANGE, GOLDEN_SEEDS
    from golden import golden_input
    from proof import session, unit
    from run_graphs import dense_map
    from texts import GOLDEN_TEXTS, encoded

    manifest = json.loads((given.bundle / "model.json").read_text())
    image, text = original(tensors, given.window)

    def told(what, theirs, ours):
        theirs, ours = unit(theirs), unit(ours)
        print(f"{what}: largest difference {np.abs(theirs - ours).max():.1e}, cosine {theirs @ ours:.12f}", flush=True)
        return [round(float(v), 8) for v in theirs]

    vectors = {}
    for profile in manifest["profiles"]:
        if given.profiles and profile["id"] not in given.profiles:
            continue
        volume = golden_input(GOLDEN_SEEDS[profile["id"]], profile["shape"][2:], *GOLDEN_RANGE)
        started = time.process_time()
        dense = dense_map(given.bundle, volume, given.window)
        tokens = np.ascontiguousarray(dense.reshape(*dense.shape[:2], -1).transpose(0, 2, 1))
        ours = session(given.bundle / "pool.onnx").run(["pooled"], {"tokens": tokens})[0]
        aligned = session(given.bundle / "dense.onnx").run(["aligned"], {"tokens": tokens[:, :1]})[0]
        ours_at = time.process_time()
        how = {"window_size": given.window} if profile["tiling"]["mode"] == "grid" else {}
        with torch.inference_mode():
            pooled = image(torch.from_numpy(volume), project=True, pool=True, normalize=True, **how)
            print(f"{profile['id']}: CPU s ours {ours_at - started:.1f}, theirs {time.process_time() - ours_at:.1f}")
            every = image(torch.from_numpy(volume), project=True, pool=False, normalize=True, **how)
        vectors[profile["id"], "pool.pooled"] = told(f"{profile['id']} pooled, {tokens.shape[1]} tokens", pooled.numpy(), ours)
        first = every[0, :, 0, 0, 0].numpy()
        vectors[profile["id"], "aligned.aligned"] = told(f"{profile['id']} first token", first, aligned)
        if given.plain and not how:
            told("plain against fused attention, all tokens", dense_map(given.bundle, volume, given.window, "backbone-plain.onnx"), dense)
    ids, mask = encoded(given.bundle, GOLDEN_TEXTS)
    with torch.inference_mode():
        theirs = text(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    ours = session(given.bundle / "text.onnx").run(["pooled"], {"ids": ids, "mask": mask})[0]
    for what, a, b in zip(GOLDEN_TEXTS, theirs, ours):
        vectors[what] = told(f"text of {ids.shape[1]} tokens", a, b)
    if given.write:
        reference = {one["id"]: one["from"] for one in manifest["spaces"]}
        for one in manifest["golden"]:
            key = one["text"] if one["kind"] == "text" else (one["profile"], reference[one["space"]])
            one["expected"] = vectors.get(key, one["expected"])
        (given.bundle / "model.json").write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MiB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path)
    parser.add_argument("--window", type=int, default=192)
    parser.add_argument("--profiles", nargs="*", help="default: all of the bundle")
    parser.add_argument("--plain", action="store_true", help="plain attention as well")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if given.weights is None:
        from export import RANDOM_SEED
        from network import shapes
        from random_weights import random_tensors

        compare(given, random_tensors(shapes(), RANDOM_SEED))
    else:
        from safetensors.numpy import load_file

        compare(given, load_file(given.weights))


if __name__ == "__main__":
    main()
