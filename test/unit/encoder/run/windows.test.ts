import { expect } from "chai";
import fc from "fast-check";
import { countOf, type HostTensor } from "../../../../src/encoder/run/host-tensor.ts";
import {
  cutWindows,
  reduceWindows,
  stitchWindows,
  windowsOf,
} from "../../../../src/encoder/run/windows.ts";
import { KindredError } from "../../../../src/kernel/errors.ts";

type Triple = [number, number, number];
const triple = (min: number, max: number) =>
  fc.tuple(...([0, 1, 2] as const).map(() => fc.integer({ min, max }))) as fc.Arbitrary<Triple>;

/** Window, overlap and grid in elements of the map, so that everything divides. */
const cases = fc
  .record({ window: triple(1, 4), more: triple(0, 5), lost: triple(0, 3), by: triple(1, 2) })
  .map(({ window, more, lost, by }) => ({
    window: window.map((n, i) => n * by[i]!) as Triple,
    overlap: window.map((n, i) => Math.min(lost[i]!, n - 1) * by[i]!) as Triple,
    grid: window.map((n, i) => (n + more[i]!) * by[i]!) as Triple,
    downsample: by,
  }));

function filled(dims: number[], of: (i: number) => number): HostTensor {
  return { dims, data: Float32Array.from({ length: countOf(dims) }, (_, i) => of(i)) };
}

describe("windows", () => {
  it("lie inside the grid, cover it, begin at 0 and end where it ends", () => {
    fc.assert(
      fc.property(cases, ({ window, overlap, grid }) => {
        const { starts, counts } = windowsOf({ window, overlap }, grid);
        expect(starts.length).to.equal(countOf(counts));
        for (const axis of [0, 1, 2] as const) {
          const along = [...new Set(starts.map((one) => one[axis]))];
          expect(along[0]).to.equal(0);
          expect(along.at(-1)! + window[axis]).to.equal(grid[axis]);
          along.slice(1).forEach((start, i) => {
            expect(start - along[i]!).to.be.within(1, window[axis] - overlap[axis]);
          });
        }
      }),
    );
  });

  it("hold the voxels of their place, channel by channel", () => {
    fc.assert(
      fc.property(cases, fc.integer({ min: 1, max: 2 }), ({ window, overlap, grid }, channels) => {
        const whole = filled([1, channels, ...grid], (i) => i);
        const windows = windowsOf({ window, overlap }, grid);
        const last = windows.starts.length - 1;
        const { dims, data } = cutWindows(whole, windows, last, 1);
        expect(dims).to.deep.equal([1, channels, ...window]);
        let i = 0;
        const [z, y, x] = windows.starts[last]!;
        for (let c = 0; c < channels; c++)
          for (let k = 0; k < window[0]; k++)
            for (let j = 0; j < window[1]; j++)
              for (let n = 0; n < window[2]; n++)
                expect(data[i++]).to.equal(
                  ((c * grid[0] + z + k) * grid[1] + y + j) * grid[2] + x + n,
                );
      }),
    );
  });

  it("are stitched to the mean of all that cover an element", () => {
    fc.assert(
      fc.property(
        cases,
        fc.integer({ min: 1, max: 3 }),
        ({ window, overlap, grid, downsample }, batch) => {
          const windows = windowsOf({ window, overlap }, grid);
          const size = window.map((n, i) => n / downsample[i]!) as Triple;
          const map = grid.map((n, i) => n / downsample[i]!) as Triple;
          const channels = 2;
          const outputs = windows.starts.map((_, w) =>
            filled([1, channels, ...size], (i) => Math.sin(w * 100 + i)),
          );
          const join = stitchWindows(windows, grid, downsample);
          for (let first = 0; first < outputs.length; first += batch) {
            const some = outputs.slice(first, first + batch);
            join.add({
              dims: [some.length, channels, ...size],
              data: Float32Array.from(some.flatMap((one) => [...one.data])),
            });
          }
          const { dims, data } = join.finish();
          expect(dims).to.deep.equal([1, channels, ...map]);
          // Brute force: every element asks every window.
          let at = 0;
          for (let c = 0; c < channels; c++)
            for (let z = 0; z < map[0]; z++)
              for (let y = 0; y < map[1]; y++)
                for (let x = 0; x < map[2]; x++) {
                  const values = windows.starts.flatMap((start, w) => {
                    const [k, j, i] = [z, y, x].map((n, a) => n - start[a]! / downsample[a]!);
                    const isInside = [k, j, i].every((n, a) => n! >= 0 && n! < size[a]!);
                    const place = ((c * size[0] + k!) * size[1] + j!) * size[2] + i!;
                    return isInside ? [outputs[w]!.data[place]!] : [];
                  });
                  const mean = values.reduce((sum, n) => sum + n, 0) / values.length;
                  expect(data[at++]).to.be.closeTo(mean, 1e-5);
                }
        },
      ),
      { numRuns: 40 },
    );
  });

  it("are reduced element by element, whatever the batches", () => {
    const one = filled([2, 3], (i) => i);
    const two = filled([1, 3], (i) => -i);
    for (const [how, wanted] of [
      ["mean", [1, 4 / 3, 5 / 3]],
      ["max", [3, 4, 5]],
    ] as const) {
      const join = reduceWindows(how);
      join.add(one);
      join.add(two);
      const { dims, data } = join.finish();
      expect(dims).to.deep.equal([1, 3]);
      wanted.forEach((value, i) => {
        expect(data[i]).to.be.closeTo(value, 1e-6);
      });
    }
  });

  it("let NaN of one window be seen, and refuse a window of another shape", () => {
    for (const how of ["mean", "max"] as const) {
      const join = reduceWindows(how);
      join.add({ dims: [3, 1], data: Float32Array.of(1, Number.NaN, 2) });
      expect(join.finish().data[0]).to.be.NaN;
      expect(() => join.add(filled([1, 2], (i) => i))).to.throw(KindredError, "A window gave");
    }
    const windows = windowsOf({ window: [2, 2, 2], overlap: 0 }, [4, 2, 2]);
    const stitch = stitchWindows(windows, [4, 2, 2], [1, 1, 1]);
    expect(() => stitch.add(filled([1, 1, 2, 2, 1], (i) => i))).to.throw(KindredError);
  });
});
