/**
 * Input tensors by the real way: DICOM files → headers, split, verdict, slices decoded and reduced, as the node does it.
 *
 *     node bench/phantom-vle/reconstructed.ts --out FOLDER --split test --from 0 --count 200
 *     node bench/phantom-vle/reconstructed.ts --out FOLDER --population 1 --from 0 --count 14
 *     node bench/phantom-vle/reconstructed.ts --out FOLDER --series FOLDER_OF_DICOM_FILES
 *
 * Phantoms are painted on their full grid and written as Part 10 files first. The files are those of phantoms.ts, named
 * `real-…` for series, of which the line says only which series it was. `layout-….i16` beside them holds the inputs of
 * layout-fingerprint, to which the figures are compared.
 */
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { finished } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bySeries, filesBelow } from "../../src/cli/volume/dicom-files.ts";
import { loadBundle } from "../../src/encoder/bundle.ts";
import { messageOf } from "../../src/kernel/errors.ts";
import { phantomInstances } from "../../src/phantom/phantom-instances.ts";
import type { PhantomStudy } from "../../src/phantom/phantom-study.ts";
import { population } from "../../src/phantom/population.ts";
import { tensorFile } from "../../src/pipeline/reconstruct-task.ts";
import { createReconstructor } from "../../src/pipeline/reconstructor.ts";
import { phantomRecord } from "./record.ts";
import { PROFILE } from "./steps.ts";
import { SPLIT_SEEDS, type Split, trainingStudy } from "./training-population.ts";

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    split: { type: "string" },
    population: { type: "string" },
    series: { type: "string" },
    from: { type: "string", default: "0" },
    count: { type: "string", default: "14" },
  },
});
const { out, split, series } = values;
const [from, count] = [Number(values.from), Number(values.count)];
if (out === undefined) {
  console.error(
    "Usage: reconstructed.ts --out FOLDER --split test|--population SEED|--series FOLDER",
  );
  process.exit(64);
}

const folder = await mkdtemp(join(tmpdir(), "kindred-phantom-vle-"));
const reconstructor = createReconstructor();
const SLICES_MIN = 3;
const layoutFolder = fileURLToPath(new URL("../../models/layout-fingerprint/", import.meta.url));
const { manifest: layout } = await loadBundle(layoutFolder);

interface Inputs {
  readonly tensor: Float32Array;
  readonly layoutTensor: Float32Array;
}

/** Inputs of all accepted volumes of one series, main volume first. */
async function tensorsOf(paths: readonly string[]): Promise<Inputs[]> {
  const prefixes = [join(folder, "tensor"), join(folder, "layout")] as const;
  const { volumes } = await reconstructor.run({
    paths,
    rules: { slicesMin: SLICES_MIN },
    outputs: [
      { profile: PROFILE, tensorPrefix: prefixes[0] },
      { profile: layout.profiles[0]!, tensorPrefix: prefixes[1] },
    ],
  });
  const floats = async (prefix: string, ordinal: number): Promise<Float32Array> => {
    const { buffer, byteOffset, byteLength } = await readFile(tensorFile(prefix, ordinal));
    return new Float32Array(buffer, byteOffset, byteLength / 4);
  };
  const tensors: Inputs[] = [];
  for (const { ordinal, verdict } of volumes) {
    if (verdict.outcome === "refused") continue;
    tensors.push({
      tensor: await floats(prefixes[0], ordinal),
      layoutTensor: await floats(prefixes[1], ordinal),
    });
  }
  return tensors;
}

async function phantomTensor(study: PhantomStudy): Promise<Inputs> {
  const slices = join(folder, "slices");
  await mkdir(slices);
  const paths: string[] = [];
  for (const { instanceNumber, bytes } of phantomInstances(study)) {
    const path = join(slices, `${instanceNumber}.dcm`);
    await writeFile(path, bytes);
    paths.push(path);
  }
  const [tensor] = await tensorsOf(paths);
  await rm(slices, { recursive: true });
  if (tensor === undefined) throw new Error(`The phantom ${study.key} was refused as a volume`);
  return tensor;
}

interface Entry extends Inputs {
  readonly line: object;
}

async function* phantoms(): AsyncGenerator<Entry> {
  const seed = Number(values.population);
  const all = values.population === undefined ? null : population(seed, from + count);
  for (let index = from; index < from + count; index++) {
    const study = all === null ? trainingStudy(split as Split, index) : all[index]!;
    yield { line: phantomRecord(study), ...(await phantomTensor(study)) };
  }
}

async function* realSeries(path: string): AsyncGenerator<Entry> {
  const found = await bySeries(await filesBelow(path));
  for (const { modality, paths, seriesInstanceUid } of found.series) {
    if (modality !== "CT") continue;
    const name = { case: basename(path), series: seriesInstanceUid, files: paths.length };
    try {
      for (const [i, inputs] of (await tensorsOf(paths)).entries())
        yield { line: { ...name, volume: i + 1 }, ...inputs };
    } catch (error) {
      console.log(`${name.case} ${seriesInstanceUid}: ${messageOf(error)}`);
    }
  }
}

function sourceName(): string {
  if (series !== undefined) return `real-${basename(series)}`;
  if (values.population !== undefined) return `population${values.population}-${from}`;
  if (split !== undefined && split in SPLIT_SEEDS) return `${split}-${from}`;
  throw new Error("Give one of --split, --population and --series");
}

await mkdir(out, { recursive: true });
const name = join(out, sourceName());
const layouts = createWriteStream(join(out, `layout-${basename(name)}.i16`));
const thousandths = (tensor: Float32Array): Uint8Array =>
  new Uint8Array(Int16Array.from(tensor, (value) => Math.round(value * 1000)).buffer);
const tensors = createWriteStream(`${name}.i16.partial`);
const lines = createWriteStream(`${name}.jsonl`);
let written = 0;
try {
  const entries = series === undefined ? phantoms() : realSeries(series);
  for await (const { line, tensor, layoutTensor } of entries) {
    tensors.write(thousandths(tensor));
    layouts.write(thousandths(layoutTensor));
    lines.write(`${JSON.stringify(line)}\n`);
    if (++written % 20 === 0) console.log(`${written} volumes`);
  }
} finally {
  await reconstructor.stop();
  await rm(folder, { recursive: true, force: true });
}
for (const stream of [tensors, layouts, lines]) stream.end();
await Promise.all([tensors, layouts, lines].map((stream) => finished(stream)));
await rename(`${name}.i16.partial`, `${name}.i16`);
console.log(`${written} volumes in ${name}.i16`);
