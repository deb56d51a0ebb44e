"""The reduction of bench/volume.ts by torch: separable, antialiased, in blocks of slices so that memory stays small.

python volume-torch.py FRAMES FRAME_COUNT SLICES ROWS COLUMNS OUT_SLICES OUT_ROWS OUT_COLUMNS

Prints CPU seconds (in-plane, along z), wall seconds and peak RSS in MB.
"""
import resource
import sys
import time

import torch

path, frames, slices, rows, columns, *out = sys.argv[1], *map(int, sys.argv[2:])
torch.manual_seed(1)
stored = torch.frombuffer(bytearray(open(path, "rb").read()), dtype=torch.int16).view(frames, 1, rows, columns)


def shrink(block, size):
    return torch.nn.functional.interpolate(block, size=size, mode="bilinear", antialias=True, align_corners=False)


def run(slices):
    cpu, wall = time.process_time(), time.perf_counter()
    reduced = torch.empty(slices, out[1], out[2])
    for k in range(0, slices, frames):
        part = min(frames, slices - k)
        hu = stored[:part].to(torch.float32).mul_(1).add_(-1024)
        reduced[k : k + part] = shrink(hu, (out[1], out[2]))[:, 0]
    between = time.process_time()
    # Along z the planes are columns of one image.
    shrink(reduced.view(1, 1, slices, -1), (out[0], out[1] * out[2]))
    end = time.process_time()
    return between - cpu, end - between, time.perf_counter() - wall


run(2 * frames)
print(*run(slices), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6, torch.__version__)
