"""MONAI's encoder in PyTorch against the exported graph: pip install -r requirements-parity.txt; python parity.py --bundle FOLDER

Without --weights the bundle is one of export.py --random.
"""
import argparse
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
import network  # noqa: E402
import numpy as np  # noqa: E402
from golden import golden_input  # noqa: E402
from making import RANDOM_SEED, read_tensors  # noqa: E402
from proof import session, unit  # noqa: E402
from random_weights import random_tensors  # noqa: E402


def main():
    import torch
    from monai.networks.nets.segresnet_ds import SegResEncoder

    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--weights", type=pathlib.Path)
    given = parser.parse_args()
    tensors = random_tensors(network.shapes(), RANDOM_SEED) if given.weights is None else network.named("", read_tensors(given.weights))
    torch.set_num_threads(2)
    net = SegResEncoder(init_filters=network.FILTERS, blocks_down=network.BLOCKS).eval()
    print(f"{sum(one.numel() for one in net.parameters()):,} parameters")
    left = net.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()}, strict=False)
    wrong = [name for name in (*left.missing_keys, *left.unexpected_keys) if not name.endswith("num_batches_tracked")]
    if wrong:
        sys.exit(f"the tensors do not fit: {wrong[:3]}")
    run = session(given.bundle / "encoder.onnx")
    for seed in (1, 2):
        volume = golden_input(seed, network.WINDOW, 0.0, 1.0)
        with torch.inference_mode():
            theirs = unit(net(torch.from_numpy(volume))[-1].mean(dim=(2, 3, 4)).numpy())
        ours = unit(run.run(["embedding"], {"volume": volume})[0])
        print(f"seed {seed}: largest difference {np.abs(theirs - ours).max():.1e}, cosine {theirs @ ours:.12f}")


if __name__ == "__main__":
    main()
