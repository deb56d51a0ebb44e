"""The authors' image tower in PyTorch against the exported graph, for a bundle of export.py --random:

git clone https://github.com/ibrahimethemhamamci/CT-CLIP; pip install -r requirements-parity.txt
python parity.py --bundle FOLDER --code CT-CLIP
"""
import argparse
import pathlib
import sys
import time
import types

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "towers"))
import network  # noqa: E402
import numpy as np  # noqa: E402
from golden import golden_input  # noqa: E402
from making import GOLDEN_RANGE, GOLDEN_SEED, RANDOM_SEED  # noqa: E402
from proof import session, unit  # noqa: E402
from random_weights import random_tensors  # noqa: E402


def original(code):
    """Their two modules alone: the package asks for much that the tower does not need, and for CUDA by name."""
    folder = code / "transformer_maskgit" / "transformer_maskgit"
    sys.modules["transformer_maskgit"] = types.ModuleType("transformer_maskgit")
    for name in ("attention", "ctvit"):
        module = sys.modules[f"transformer_maskgit.{name}"] = types.ModuleType(f"transformer_maskgit.{name}")
        source = (folder / f"{name}.py").read_text().replace("torch.device('cuda')", "torch.device('cpu')")
        exec(compile(source, f"{name}.py", "exec"), module.__dict__)
    # As in their scripts/run_zero_shot.py.
    return module.CTViT(dim=512, codebook_size=8192, image_size=480, patch_size=20, temporal_patch_size=10, spatial_depth=4,
                        temporal_depth=4, dim_head=32, heads=8).eval()


def main():
    import torch

    parser = argparse.ArgumentParser()
    parser.add_argument("--bundle", type=pathlib.Path, required=True)
    parser.add_argument("--code", type=pathlib.Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(2)
    tower = original(given.code)
    tensors = random_tensors(network.shapes(), RANDOM_SEED) | network.fixed()
    own = {name[len(network.IMAGE):]: torch.from_numpy(value) for name, value in tensors.items() if name.startswith(network.IMAGE)}
    left = tower.load_state_dict(own, strict=False)
    missing = [name for name in left.missing_keys if "null_kv" not in name and "context_norm" not in name
               and not any(part in name for part in network.UNUSED)]
    if missing or left.unexpected_keys:
        sys.exit(f"the tensors do not fit: {(missing or left.unexpected_keys)[:3]}")
    volume = golden_input(GOLDEN_SEED, network.SIZE, *GOLDEN_RANGE)
    started = time.process_time()
    with torch.inference_mode():
        theirs = tower(torch.from_numpy(volume), return_encoded_tokens=True).mean(1).reshape(1, -1).numpy()
    print(f"CPU s theirs {time.process_time() - started:.1f}")
    started = time.process_time()
    ours = network.features(given.bundle, volume)
    print(f"CPU s ours, with loading {time.process_time() - started:.1f}")
    print(f"features: largest difference {np.abs(theirs - ours).max():.1e} of {np.abs(theirs).max():.2f}")
    latent = session(given.bundle / "project.onnx").run(["latent"], {"features": ours})[0]
    a, b = unit(theirs @ tensors["to_visual_latent.weight"].T), unit(latent)
    print(f"unit vector: largest difference {np.abs(a - b).max():.1e}, cosine {a @ b:.12f}")


if __name__ == "__main__":
    main()
