"""The authors' classes in PyTorch against the exported graphs: pip install -r requirements-parity.txt; python parity.py --bundle FOLDER

For a bundle of export.py --random. Compares one whole scan: 36 crops and what combines them.
"""
import argparse
import json
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
import network  # noqa: E402
import numpy as np  # noqa: E402
from golden import golden_input  # noqa: E402
from making import GOLDEN_SEED, RANDOM_SEED  # noqa: E402
from proof import unit  # noqa: E402
from random_weights import random_tensors  # noqa: E402


def main():
    import torch
    from spectre.model import SpectreImageFeatureExtractor
    from spectre.windowing import grid_patch

    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(2)
    manifest = json.loads((given.bundle / "model.json").read_text())
    net = SpectreImageFeatureExtractor.from_pretrained("spectre-large", pretrained=False)
    print(f"{sum(one.numel() for one in net.parameters()):,} parameters")
    for name, value in network.fixed().items():
        part = net.backbone if name.startswith("backbone.") else net.feature_combiner
        print(f"{name}: largest difference {np.abs(part.rope.periods.numpy() - value).max():.1e}")
    tensors = random_tensors(network.shapes(), RANDOM_SEED) | network.fixed()
    net.load_state_dict({name.replace("combiner.", "feature_combiner."): torch.from_numpy(value) for name, value in tensors.items()})
    del tensors
    volume = torch.from_numpy(golden_input(GOLDEN_SEED, manifest["profiles"][0]["shape"][2:], 0.0, 1.0))
    started = time.process_time()
    with torch.inference_mode():
        crops, grid = grid_patch(volume[0], network.CROP)
        features = torch.cat([net.extract_backbone_features(crop[None, None]) for crop in crops], 1)
        combined = net.combine_features(features, tuple(grid))[0].numpy()
    print(f"CPU s theirs {time.process_time() - started:.1f}")
    theirs = {"combine.scan": combined[0], "combine.scan_and_mean": np.concatenate([combined[0], combined[1:].mean(0)])}
    reference = {one["id"]: one["from"] for one in manifest["spaces"]}
    for one in manifest["golden"]:
        a, b = unit(theirs[reference[one["space"]]]), np.asarray(one["expected"])
        print(f"{one['space']}: largest difference {np.abs(a - b).max():.1e}, cosine {a @ b:.12f}")


if __name__ == "__main__":
    main()
