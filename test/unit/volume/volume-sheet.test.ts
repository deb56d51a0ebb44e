import { inflateSync } from "node:zlib";
import { expect } from "chai";
import { CELL, drawText, textWidth } from "../../../src/volume/bitmap-font.ts";
import type { CtVolume } from "../../../src/volume/types.ts";
import { volumeSheet } from "../../../src/volume/volume-sheet.ts";
import { AXIAL } from "../../support/axial.ts";
import { viewsOf } from "../../support/body-views.ts";

const WORDS = "not for diagnostic use";

function box(size: readonly [number, number, number], mm: readonly [number, number, number]) {
  const volume: CtVolume = {
    voxelsZyx: new Int16Array(size[0] * size[1] * size[2]).fill(-1024),
    sizeVoxels: size,
    spacingMm: mm,
    originLps: [0, 0, 0],
    axesZyx: AXIAL,
  };
  return volume;
}

interface Gray {
  readonly width: number;
  readonly height: number;
  at(x: number, y: number): number;
}

function read(png: Buffer): Gray {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const lines = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33)));
  return { width, height, at: (x, y) => lines[y * (width + 1) + 1 + x]! };
}

/** Where the dots of a text are all lit. */
function findText(picture: Gray, text: string): [number, number] | undefined {
  const dots: [number, number][] = [];
  drawText(text, 0, 0, 1, (x, y) => void dots.push([x, y]));
  for (let top = 0; top + CELL.height <= picture.height; top++)
    for (let left = 0; left + textWidth(text, 1) <= picture.width; left++)
      if (dots.every(([x, y]) => picture.at(left + x, top + y) > 100)) return [left, top];
  return undefined;
}

describe("the sheet of a volume", () => {
  it("says that it is not for diagnostic use, and what it was given to say", () => {
    for (const volume of [box([2, 2, 2], [1, 1, 1]), box([40, 64, 64], [5, 5, 5])]) {
      const picture = read(volumeSheet(viewsOf(volume), ["Volume 7", "somewhat smaller words"]));
      for (const text of [WORDS, "Volume 7", "somewhat smaller words", "5 cm"])
        expect(findText(picture, text), text).not.to.equal(undefined);
      expect(findText(picture, "Volume 8")).to.equal(undefined);
    }
  });

  it("stays within bounds for any text and any shape", () => {
    const lines = Array.from({ length: 50 }, () => "\u202e<b>山\ud800".repeat(500));
    for (const volume of [
      box([1, 1, 1], [1000, 1000, 1000]),
      box([300, 4, 4], [1000, 0.1, 0.1]),
      box([2, 2, 300], [0.001, 0.001, 1000]),
    ]) {
      const { width, height } = read(volumeSheet(viewsOf(volume), lines));
      expect(width).to.be.at.most(800);
      expect(height).to.be.at.most(1500);
    }
  });
});
