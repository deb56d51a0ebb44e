import { inflateSync } from "node:zlib";
import { expect } from "chai";
import { contactSheet } from "../../../src/cli/demo/contact-sheet.ts";
import { planeSizeMm, viewOf } from "../../../src/cli/demo/plane-views.ts";
import { drawText, fitText, textWidth } from "../../../src/volume/bitmap-font.ts";
import type { CtVolume } from "../../../src/volume/types.ts";

/** A cylinder of soft tissue with two lungs, a couch of thin shell under it. */
function chest(sliceMm = 5, slices = 20): CtVolume {
  const [ny, nx, pixelMm] = [64, 96, 4];
  const voxelsZyx = new Int16Array(slices * ny * nx).fill(-1000);
  for (let z = 0; z < slices; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++) {
        const i = (z * ny + y) * nx + x;
        if (Math.hypot((x - 48) / 40, (y - 28) / 24) < 1) voxelsZyx[i] = 40;
        const isLung = Math.hypot((Math.abs(x - 48) - 18) / 13, (y - 28) / 17) < 1;
        if (isLung && z > 6) voxelsZyx[i] = -850;
        if (y === 60) voxelsZyx[i] = -100;
      }
  return {
    voxelsZyx,
    sizeVoxels: [slices, ny, nx],
    spacingMm: [sliceMm, pixelMm, pixelMm],
    originLps: [0, 0, 0],
    axesZyx: [
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ],
  };
}

function pngSize(png: Buffer): { width: number; height: number; pixels: Buffer } {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const length = png.readUInt32BE(33);
  return { width, height, pixels: inflateSync(png.subarray(41, 41 + length)) };
}

describe("contact sheet", () => {
  it("draws from one to eight columns, wider with each", () => {
    const volume = chest();
    let before = 0;
    for (const count of [1, 2, 5, 8]) {
      const columns = Array.from({ length: count }, (_, k) => ({
        title: `#${k}`,
        lines: ["one", "two"],
        volume,
      }));
      const { width, height, pixels } = pngSize(contactSheet(columns, { title: "Sheet" }));
      expect(width).to.be.greaterThan(before);
      expect(pixels.length).to.equal((width * 3 + 1) * height);
      expect(pixels.some((value) => value > 200)).to.equal(true);
      before = width;
    }
  });

  it("refuses no column and nine columns", () => {
    const column = { title: "", lines: [], volume: chest() };
    expect(() => contactSheet([]))
      .to.throw()
      .with.property("code", "BAD_REQUEST");
    expect(() => contactSheet(Array(9).fill(column)))
      .to.throw()
      .with.property("code", "BAD_REQUEST");
  });

  it("is the same picture every time", () => {
    const columns = [{ title: "query", lines: ["a"], volume: chest() }];
    expect(contactSheet(columns).equals(contactSheet(columns))).to.equal(true);
  });

  it("survives titles of any length and letters it has no shape for", () => {
    const title = "Zo\u00eb \u2014 \u4e2d\u6587 ".repeat(40);
    const png = contactSheet([{ title, lines: Array(9).fill(title), volume: chest() }], { title });
    expect(pngSize(png).width).to.be.lessThan(600);
  });

  it("draws a volume of nothing but air", () => {
    const air = { ...chest(), voxelsZyx: new Int16Array(20 * 64 * 96).fill(-1000) };
    expect(pngSize(contactSheet([{ title: "air", lines: [], volume: air }])).width).to.be.above(0);
  });

  it("finds the body without the couch and takes the axial plane through the lungs", () => {
    const view = viewOf(chest());
    expect(view.high[1]).to.be.lessThan(58);
    expect(view.low[2]).to.be.within(3, 10);
    expect(view.axialSlice).to.be.greaterThan(6);
    expect(view.windows.axial.centerHu).to.be.lessThan(-300);
  });

  it("shows the true proportions whatever the slice spacing", () => {
    const [width, thin] = planeSizeMm(viewOf(chest(2.5, 40)), "coronal");
    expect(thin).to.be.closeTo(planeSizeMm(viewOf(chest(5, 20)), "coronal")[1], 1e-9);
    expect(width).to.be.within(300, 360);
  });

  it("turns a volume stored feet last so that the head is up", () => {
    const upright = chest();
    const [nz, ny, nx] = upright.sizeVoxels;
    const flipped = new Int16Array(upright.voxelsZyx.length);
    for (let z = 0; z < nz; z++)
      flipped.set(
        upright.voxelsZyx.subarray((nz - 1 - z) * ny * nx, (nz - z) * ny * nx),
        z * ny * nx,
      );
    const turned: CtVolume = {
      ...upright,
      voxelsZyx: flipped,
      axesZyx: [
        [0, 0, -1],
        [0, 1, 0],
        [1, 0, 0],
      ],
    };
    const sheet = (volume: CtVolume): Buffer => contactSheet([{ title: "", lines: [], volume }]);
    expect(sheet(turned).equals(sheet(upright))).to.equal(true);
  });
});

describe("bitmap font", () => {
  it("has a shape for every printable ASCII character that people write", () => {
    const shapeOf = (character: string): string => {
      const dots: string[] = [];
      drawText(character, 0, 0, 1, (x, y) => dots.push(`${x},${y}`));
      return dots.join(" ");
    };
    const unknown = shapeOf("\u4e2d");
    const seen = new Map<string, string>();
    for (let code = 33; code < 127; code++) {
      const character = String.fromCharCode(code);
      if ("?$\\`{}".includes(character)) continue;
      const shape = shapeOf(character);
      expect(shape, character).not.to.equal(unknown);
      expect(seen.get(shape), `${character} looks like ${seen.get(shape)}`).to.equal(undefined);
      seen.set(shape, character);
    }
  });

  it("cuts text to a width, with an ellipsis", () => {
    const cut = fitText("a rather long title of a study", 120, 2);
    expect(cut).to.match(/\u2026$/);
    expect(textWidth(cut, 2)).to.be.at.most(120);
    expect(fitText("short", 120, 2)).to.equal("short");
    expect(fitText("Zo\u00eb", 120, 2)).to.equal("Zoe");
  });

  it("stays within its cells at both sizes", () => {
    for (const scale of [1, 2] as const) {
      const text = "gjpqyQ|_@";
      drawText(text, 0, 0, scale, (x, y) => {
        expect(x).to.be.within(-1, textWidth(text, scale));
        expect(y).to.be.within(0, 9 * scale);
      });
    }
  });
});
