/**
 * Paints phantoms and writes what phantom-vle is trained on: input tensors as the profile of its bundle makes them, and what
 * is to be seen on them.
 *
 *     node bench/phantom-vle/phantoms.ts --out FOLDER --split train|val|test --from 0 --count 100 [--coarse] [--cells]
 *
 * Writes `<split>[-coarse]-<from>.i16`: one tensor after the other, `[slices][rows][columns]`, little-endian 16-bit whole
 * numbers, thousandths of the model's unit; with --cells `.u16`, what each cell holds (label-bits.ts); and `.jsonl`, one line
 * a phantom, in the same order.
 */
import { createWriteStream } from "node:fs";
import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import { finished } from "node:stream/promises";
import { parseArgs } from "node:util";
import { preprocess } from "../../src/encoder/preprocess.ts";
import { phantomVolume } from "../../src/phantom/phantom-volume.ts";
import { labelBits } from "./label-bits.ts";
import { phantomRecord } from "./record.ts";
import { PROFILE } from "./steps.ts";
import { coarse, SPLIT_SEEDS, type Split, trainingStudy } from "./training-population.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    split: { type: "string" },
    from: { type: "string", default: "0" },
    count: { type: "string", default: "100" },
    coarse: { type: "boolean", default: false },
    cells: { type: "boolean", default: false },
  },
});
const { out, split } = values;
const [from, count] = [Number(values.from), Number(values.count)];
if (out === undefined || split === undefined || !(split in SPLIT_SEEDS) || !(count > 0)) {
  console.error("Usage: phantoms.ts --out FOLDER --split train|val|test --from N --count N");
  process.exit(64);
}

await mkdir(out, { recursive: true });
const name = join(out, `${split}${values.coarse ? "-coarse" : ""}-${from}`);
const tensors = createWriteStream(`${name}.i16.partial`);
const lines = createWriteStream(`${name}.jsonl`);
const cells = values.cells ? createWriteStream(`${name}.u16`) : null;
const started = performance.now();
for (let index = from; index < from + count; index++) {
  const study = trainingStudy(split as Split, index);
  const volume = phantomVolume(values.coarse ? coarse(study) : study);
  const { tensor } = preprocess(volume, PROFILE);
  const whole = Int16Array.from(tensor, (value) => Math.round(value * 1000));
  if (!tensors.write(new Uint8Array(whole.buffer)))
    await new Promise<void>((resolve) => tensors.once("drain", resolve));
  cells?.write(new Uint8Array(labelBits(volume).buffer));
  lines.write(`${JSON.stringify(phantomRecord(study))}\n`);
  if ((index - from + 1) % 50 === 0) {
    const seconds = (performance.now() - started) / 1000;
    console.log(`${split}: ${index - from + 1} of ${count}, ${seconds.toFixed(0)} s`);
  }
}
const streams = [tensors, lines, ...(cells === null ? [] : [cells])];
for (const stream of streams) stream.end();
await Promise.all(streams.map((stream) => finished(stream)));
await rename(`${name}.i16.partial`, `${name}.i16`);
