"""Writes test/fixtures/resample-flavours.json: small volumes through the real resamplers.

pip install torch monai torchio SimpleITK; python test/support/flavour-golden.py > test/fixtures/resample-flavours.json

Arrays are [z][y][x]; spacings and sizes in that order. The expected values are those of the libraries, nothing of ours.
"""
import json
import warnings

warnings.filterwarnings("ignore")
import monai
import numpy as np
import SimpleITK as sitk
import torch
import torchio
from monai.transforms import CropForeground, ResizeWithPadOrCrop, Spacing

random = np.random.default_rng(7)
F = torch.nn.functional


def volume(size):
    return random.integers(-1000, 1500, size).astype(np.float32)


def as_list(array):
    rounded = (round(float(v), 3) for v in np.asarray(array).ravel())
    return [int(v) if v == int(v) else v for v in rounded]


def torch_size(v, size, antialias):
    t = torch.from_numpy(v)[None, None]
    if not antialias:
        return F.interpolate(t, size=size, mode="trilinear", align_corners=False)[0, 0].numpy()
    # Torch filters two axes at a time: rows and columns, then slices.
    plane = F.interpolate(t[0].transpose(0, 1), size=size[1:], mode="bilinear", antialias=True, align_corners=False)
    flat = plane.reshape(1, 1, v.shape[0], -1)
    out = F.interpolate(flat, size=(size[0], flat.shape[3]), mode="bilinear", antialias=True, align_corners=False)
    return out.reshape(size).numpy()


def torch_spacing(v, spacing, wanted):
    factor = [s / w for s, w in zip(spacing, wanted)]
    t = torch.from_numpy(v)[None, None]
    return F.interpolate(t, scale_factor=factor, mode="trilinear", align_corners=False)[0, 0].numpy()


def monai_spacing(v, spacing, wanted):
    image = monai.data.MetaTensor(torch.from_numpy(v)[None], affine=np.diag([*spacing, 1.0]))
    out = Spacing(pixdim=wanted, mode="bilinear", padding_mode="border", align_corners=False)(image)
    return out[0].numpy(), np.asarray(out.affine)[:3, 3]


def torchio_spacing(v, spacing, wanted):
    image = torchio.ScalarImage(tensor=torch.from_numpy(v)[None], affine=np.diag([*spacing, 1.0]))
    out = torchio.Resample(wanted)(image)
    return out.data[0].numpy(), out.affine[:3, 3]


def simpleitk_spacing(v, spacing, wanted):
    image = sitk.GetImageFromArray(v)
    image.SetSpacing(spacing[::-1])
    size = [int(np.ceil(n * s / w)) for n, s, w in zip(v.shape, spacing, wanted)]
    out = sitk.Resample(
        image, size[::-1], sitk.Transform(), sitk.sitkLinear, image.GetOrigin(), wanted[::-1], image.GetDirection(), 0.0
    )
    return sitk.GetArrayFromImage(out), np.zeros(3)


resampled = []


def add(step, v, spacing, out, origin=None):
    resampled.append({
        "step": step, "sizeVoxels": list(v.shape), "spacingMm": spacing, "voxels": as_list(v),
        "expectedSize": list(out.shape), "expected": as_list(out),
        **({} if origin is None else {"expectedOriginMm": [round(float(o), 6) for o in origin]}),
    })


for size, target in [((5, 9, 7), (3, 4, 5)), ((4, 6, 5), (7, 5, 9)), ((3, 8, 8), (3, 3, 3))]:
    for antialias in (False, True):
        v = volume(size)
        add({"sizeVoxels": target, "antialias": antialias, "flavour": "torch"}, v, [1, 1, 1], torch_size(v, target, antialias))

spacings = [
    ((5, 9, 7), [3.0, 0.7, 0.8], [2.0, 1.5, 1.1]),
    ((6, 8, 5), [1.25, 0.9, 0.9], [2.0, 2.0, 0.6]),
    ((4, 7, 10), [5.0, 1.0, 0.5], [2.5, 2.0, 1.3]),
]
for size, spacing, wanted in spacings:
    v = volume(size)
    base = {"spacingMm": wanted, "antialias": False}
    add({**base, "flavour": "torch", "sizeRule": "floor"}, v, spacing, torch_spacing(v, spacing, wanted))
    target = [int(n * s / w) for n, s, w in zip(size, spacing, wanted)]
    stretched = {**base, "flavour": "torch", "sizeRule": "floor", "stepFrom": "size"}
    add(stretched, v, spacing, torch_size(v, target, False))
    add({**base, "flavour": "monai"}, v, spacing, *monai_spacing(v, spacing, wanted))
    add({**base, "flavour": "torchio"}, v, spacing, *torchio_spacing(v, spacing, wanted))
    add({**base, "flavour": "simpleitk"}, v, spacing, *simpleitk_spacing(v, spacing, wanted))

for size, target in [((5, 9, 7), (3, 4, 5)), ((4, 6, 5), (7, 5, 9)), ((3, 16, 11), (8, 7, 4))]:
    v = volume(size)
    out = F.interpolate(torch.from_numpy(v)[None, None], size=target, mode="area")[0, 0].numpy()
    add({"sizeVoxels": target, "antialias": False, "flavour": "area"}, v, [1, 1, 1], out)

foreground = []
for seen in range(5):
    v = np.full((4, 5, 6), -1000, np.float32)
    for at in zip(*(random.integers(0, n, seen) for n in v.shape)):
        v[at] = random.integers(-999, 1500)
    image = monai.data.MetaTensor(torch.from_numpy(v)[None], affine=np.diag([5.0, 0.7, 0.8, 1.0]))
    out = CropForeground(select_fn=lambda x: x > -1000)(image) if seen > 0 else image
    foreground.append({
        "above": -1000, "sizeVoxels": list(v.shape), "spacingMm": [5, 0.7, 0.8], "voxels": as_list(v),
        "expectedSize": list(out.shape[1:]), "expected": as_list(out[0]),
        "expectedOriginMm": [round(float(o), 6) for o in np.asarray(out.affine)[:3, 3]],
    })

cropped = []
for n in (4, 5, 6, 7):
    for target in (1, 2, 3, 4, 5, 8, 9, 10):
        line = torch.arange(1, n + 1, dtype=torch.float32).reshape(1, 1, 1, n)
        by_monai = ResizeWithPadOrCrop((1, 1, target), mode="constant", value=0)(line)
        by_torchio = torchio.CropOrPad((1, 1, target))(torchio.ScalarImage(tensor=line)).data
        for flavour, out in (("monai", by_monai), ("torchio", by_torchio)):
            cropped.append({"flavour": flavour, "size": n, "target": target, "expected": as_list(out)})

modules = {"torch": torch, "monai": monai, "torchio": torchio}
versions = {name: module.__version__ for name, module in modules.items()}
versions["SimpleITK"] = sitk.Version_VersionString()
lines = lambda items: ",\n".join(json.dumps(one, separators=(",", ":")) for one in items)
print(f'{{"versions":{json.dumps(versions)},\n"resampled":[\n{lines(resampled)}\n],\n"foreground":[\n{lines(foreground)}\n],\n"cropped":[\n{lines(cropped)}\n]}}')
