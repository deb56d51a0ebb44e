import { expect } from "chai";
import fc from "fast-check";
import { readJpegFrame } from "../../../../src/dicom/pixels/jpeg-markers.ts";
import { decodeLossless } from "../../../../src/dicom/pixels/jpeg-scans.ts";
import { encodeLosslessJpeg, type LosslessJpeg } from "../../../support/pixel-encoders.ts";

const decode = (bytes: Uint8Array) => [...decodeLossless(bytes, readJpegFrame(bytes))];

const images = fc
  .record({
    rows: fc.integer({ min: 1, max: 9 }),
    columns: fc.integer({ min: 1, max: 9 }),
    precision: fc.integer({ min: 2, max: 16 }),
    predictor: fc.integer({ min: 1, max: 7 }),
    restartRows: fc.integer({ min: 0, max: 3 }),
    pointTransform: fc.integer({ min: 0, max: 1 }),
  })
  .chain((image) => {
    const size = image.rows * image.columns;
    const sample = fc.nat(2 ** image.precision - 1);
    return fc.tuple(fc.constant(image), fc.array(sample, { minLength: size, maxLength: size }));
  });

const IMAGE: LosslessJpeg = { rows: 8, columns: 8, precision: 12, restartRows: 2 };
const SAMPLES = Array.from({ length: 64 }, (_, i) => (i * 517) % 4096);

describe("JPEG lossless", () => {
  it("gives back every image of every predictor, precision, restart interval and point transform", () => {
    fc.assert(
      fc.property(images, ([image, samples]) => {
        const kept = samples.map((one) => (one >>> image.pointTransform) << image.pointTransform);
        expect(decode(encodeLosslessJpeg(samples, image))).to.deep.equal(kept);
      }),
      { numRuns: 400 },
    );
  });

  it("refuses a code stream that is cut anywhere", () => {
    const whole = encodeLosslessJpeg(SAMPLES, IMAGE);
    expect(decode(whole)).to.deep.equal(SAMPLES);
    for (let end = 0; end < whole.length; end++)
      expect(() => decode(whole.subarray(0, end)), `cut at ${end}`).to.throw();
  });

  it("refuses data that end early behind a mended end, in every way", () => {
    const whole = encodeLosslessJpeg(SAMPLES, { ...IMAGE, restartRows: 0 });
    const { scanStart } = readJpegFrame(whole);
    for (let end = scanStart; end < whole.length - 2; end++) {
      const mended = Buffer.concat([whole.subarray(0, end), Buffer.of(0xff, 0xd9)]);
      // A cut between FF and its 00 leaves FF FF D9, a marker with a fill byte.
      expect(() => decode(mended), `cut at ${end}`).to.throw();
    }
  });

  it("refuses markers inside the scan, a second image and what follows the end", () => {
    const whole = encodeLosslessJpeg(SAMPLES, { ...IMAGE, restartRows: 0 });
    const { scanStart } = readJpegFrame(whole);
    const at = scanStart + 20;
    for (const marker of [0xd0, 0xd3, 0xd8, 0xd9, 0xda, 0xc3, 0xfe]) {
      const parts = [whole.subarray(0, at), Buffer.of(0xff, marker), whole.subarray(at)];
      expect(() => decode(Buffer.concat(parts)), marker.toString(16)).to.throw();
    }
    expect(() => decode(Buffer.concat([whole, whole]))).to.throw(/follows/);
    expect(decode(Buffer.concat([whole, Buffer.of(0)]))).to.deep.equal(SAMPLES);
  });

  it("refuses restart markers that do not run on", () => {
    const whole = encodeLosslessJpeg(SAMPLES, IMAGE);
    const second = whole.indexOf(Buffer.of(0xff, 0xd1));
    const wrong = Buffer.from(whole);
    wrong[second + 1] = 0xd2;
    expect(() => decode(wrong)).to.throw(/restart/);
  });
});
