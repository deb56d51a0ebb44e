/** The trained bundle, from DICOM files of phantoms that it never saw to likelihoods and answers to a sentence. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { PROFILE } from "../../../bench/phantom-vle/steps.ts";
import { bySeries, filesBelow } from "../../../src/cli/volume/dicom-files.ts";
import { configSchema } from "../../../src/config/schema.ts";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import type { Judgement } from "../../../src/encoder/findings/judge.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";
import type { FindingPlan } from "../../../src/phantom/cast.ts";
import { phantomInstances } from "../../../src/phantom/phantom-instances.ts";
import { studiesOf } from "../../../src/phantom/population.ts";
import type { ProtocolName } from "../../../src/phantom/protocols.ts";
import { tensorFile } from "../../../src/pipeline/reconstruct-task.ts";
import { createReconstructor } from "../../../src/pipeline/reconstructor.ts";
import { requireSharedData, SHARED_DATA } from "../../support/shared-data.ts";

const MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));
const ID = "phantom-vle";
/** A population of this test's own. */
const SEED = 4_711;

interface Case {
  readonly protocol: ProtocolName;
  readonly findings: readonly FindingPlan[];
}

const CASES = {
  normal: { protocol: "chest-routine", findings: [] },
  effusion: {
    protocol: "chest-routine",
    findings: [{ code: "pleural-effusion", side: "left", volumeMl: 500, meanHu: 8 }],
  },
  nodule: {
    protocol: "chest-routine",
    findings: [{ code: "lung-nodule", lobe: "right upper lobe", diameterMm: 24, meanHu: 40 }],
  },
  bleeding: {
    protocol: "head-routine",
    findings: [
      { code: "intracranial-hemorrhage", side: "right", diameterMm: 36, meanHu: 66 },
      { code: "hydrocephalus", ventricleScale: 2 },
    ],
  },
} as const satisfies Record<string, Case>;
type CaseName = keyof typeof CASES;

describe("phantom-vle", function () {
  this.timeout(180_000);
  const reconstructor = createReconstructor();
  let folder: string;
  let encoder: Encoder;
  const seen = new Map<CaseName, { judgement: Judgement; vector: Float32Array }>();

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "kindred-phantom-vle-"));
    encoder = createEncoder({
      config: configSchema.parse({ encoder: { models: [ID], providers: ["cpu"], threads: 1 } })
        .encoder,
      bundles: await discoverBundles([MODELS], [ID]),
      log: silentLogger(),
      metrics: createMetrics(),
    });
    await encoder.start();
    for (const [index, name] of (Object.keys(CASES) as CaseName[]).entries())
      seen.set(name, await judged(await phantomFiles(index, name)));
  });
  after(async () => {
    await encoder?.stop();
    await reconstructor.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function phantomFiles(index: number, name: CaseName): Promise<string[]> {
    const { protocol, findings } = CASES[name];
    const [study] = studiesOf(SEED, index, {
      givenName: name,
      sex: "F",
      birthDate: "19600101",
      build: "average",
      visits: [{ date: "20240601", protocol, findings }],
    });
    await mkdir(join(folder, name));
    const paths: string[] = [];
    for (const { instanceNumber, bytes } of phantomInstances(study!)) {
      const path = join(folder, name, `${instanceNumber}.dcm`);
      await writeFile(path, bytes);
      paths.push(path);
    }
    return paths;
  }

  async function judged(paths: readonly string[]) {
    const tensorPrefix = join(folder, "tensor");
    const { volumes } = await reconstructor.run({
      paths,
      rules: { slicesMin: 3 },
      outputs: [{ profile: PROFILE, tensorPrefix }],
    });
    const volume = volumes.find(({ verdict }) => verdict.outcome !== "refused");
    const answer = await encoder.embedFile(
      ID,
      PROFILE.id,
      tensorFile(tensorPrefix, volume!.ordinal),
    );
    const judgement = await encoder.judge(ID, new Map([[PROFILE.id, answer]]));
    return { judgement: judgement!, vector: answer.vectors[0]!.vector };
  }

  const found = (name: CaseName, sourceId: string, key: string) => {
    const { judgement } = seen.get(name)!;
    expect(judgement.statement, name).to.equal(null);
    expect(judgement.problems, name).to.deep.equal([]);
    return judgement.findings.find((one) => one.sourceId === sourceId && one.label.key === key)!;
  };
  const likelihood = (...asked: Parameters<typeof found>) => found(...asked).value;
  /** The cases from the one that a sentence fits best. */
  const ranked = async (sentence: string): Promise<CaseName[]> => {
    const { vector: text } = await encoder.embedText(sentence);
    const score = ({ vector }: { vector: Float32Array }) =>
      vector.reduce((sum, value, i) => sum + value * text[i]!, 0);
    return [...seen].sort(([, a], [, b]) => score(b) - score(a)).map(([name]) => name);
  };

  it("proves itself with what PyTorch computed of its weights, volumes and texts", () => {
    expect(encoder.status().map(({ state, reason }) => [state, reason])).to.deep.equal([
      ["ready", null],
    ]);
    expect(encoder.profiles().map(({ modelId, profile }) => [modelId, profile.id])).to.deep.equal([
      [ID, PROFILE.id],
    ]);
  });

  for (const source of ["probes", "findings"])
    it(`sees by its ${source} the finding where it is, and nowhere else`, () => {
      for (const [key, having] of [
        ["pleural-effusion", "effusion"],
        ["lung-nodule", "nodule"],
        ["intracranial-hemorrhage", "bleeding"],
        ["hydrocephalus", "bleeding"],
      ] as const) {
        const { value: mine, threshold } = found(having, source, key);
        // Nodules are what it sees least well (card.md): at its grid they look like vessels.
        const most = key === "lung-nodule" ? 0.75 * mine : 0.5 * mine;
        expect(mine, `${key} of ${having}`).to.be.greaterThan(threshold ?? 0.5);
        for (const other of [...seen.keys()].filter((name) => name !== having))
          expect(likelihood(other, source, key), `${key} of ${other}`).to.be.lessThan(most);
      }
    });

  it("tells sides and lobes", () => {
    const place = (name: CaseName, key: string) => likelihood(name, "places", key);
    expect(place("effusion", "pleural-effusion.left")).to.be.greaterThan(
      2 * place("effusion", "pleural-effusion.right"),
    );
    expect(place("nodule", "lung-nodule.right-upper-lobe")).to.be.greaterThan(
      2 * place("nodule", "lung-nodule.left-lower-lobe"),
    );
  });

  it("finds the volume that a sentence is about", async () => {
    expect((await ranked("pleural effusion on the left"))[0]).to.equal("effusion");
    expect((await ranked("Solid nodule of the right upper lobe."))[0]).to.equal("nodule");
    expect((await ranked("brain bleeding"))[0]).to.equal("bleeding");
    expect((await ranked("No pleural effusion.")).at(-1)).to.not.equal("normal");
  });

  it("turns a real scan away", async function () {
    requireSharedData(this);
    const { series } = await bySeries(
      await filesBelow(join(SHARED_DATA, "ct-02-abdomen-ge-revolution-feet-first")),
    );
    const { judgement } = await judged(series[0]!.paths);
    expect(judgement.guard!.distance).to.be.greaterThan(judgement.guard!.threshold);
    expect(judgement.findings).to.deep.equal([]);
    expect(judgement.statement).to.match(/does not look like the synthetic phantoms/);
  });
});
