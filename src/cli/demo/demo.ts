/**
 * `npm run demo`: the whole road on one machine. A node with the embedded database, a stand-in PACS, a population of
 * synthetic CT studies (or a folder of real ones) pushed over real C-STORE associations, the similarity question
 * asked by a real C-FIND, the reports that came back, and one picture.
 */
import { mkdtemp, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { configSchema } from "../../config/schema.ts";
import { type BulkInstance, sendBulk } from "../../dimse/bulk-sender.ts";
import { find } from "../../dimse/requestor/find.ts";
import type { SendOutcome } from "../../dimse/requestor/store-outcome.ts";
import { KindredError } from "../../kernel/errors.ts";
import { createLogger } from "../../kernel/log.ts";
import { type Node, startNode } from "../../main.ts";
import { callNode, printable, table } from "../api.ts";
import type { Command } from "../commands.ts";
import { parseCommand } from "../options.ts";
import { hints } from "./hints.ts";
import { picture } from "./picture.ts";
import { type StandInPacs, startStandInPacs } from "./stand-in-pacs.ts";
import { type DemoStudy, folderStudies, phantomStudies } from "./studies.ts";
import { askInWords, DEMO_TEXT } from "./text-question.ts";

const SEED = 20_261_124;
const QUIET_SECONDS = 2;
const WAIT_MS_MAX = 600_000;
const LOOK_ALIKES = 4;
const DEMO_AE = "WORKSTATION";
/** The first one answers who looks alike. The second one knows the synthetic patients' findings and words, and no real scan. */
const MODELS = ["layout-fingerprint", "phantom-vle"] as const;

interface SeriesState {
  studyInstanceUid: string;
  seriesInstanceUid: string;
  state: string;
  reason: string | null;
}

export const demo: Command = {
  name: "demo",
  usage: "demo [FOLDER] [--keep]",
  summary:
    "a whole story on this machine: synthetic CT (or FOLDER), look-alikes, reports, a picture",
  async run(argv) {
    const parsed = parseCommand(
      argv,
      this.usage,
      { keep: { type: "boolean" } },
      { min: 0, max: 1 },
    );
    const startedAt = Date.now();
    const isReal = parsed.positionals[0] !== undefined;
    const folder = await mkdtemp(join(tmpdir(), "kindred-demo-"));
    const [dicomPort, httpPort, pacsPort] = await freePorts(3);
    const settings = {
      dataDir: join(folder, "data"),
      dimse: { port: dicomPort, receivers: 0 },
      http: { port: httpPort },
      series: { quietSeconds: QUIET_SECONDS },
      encoder: { models: isReal ? MODELS : MODELS.toReversed() },
      peers: [
        {
          aeTitle: "PACS",
          host: "127.0.0.1",
          port: pacsPort,
          allow: ["store", "query"],
          sendReports: true,
          retrieveFrom: true,
        },
        { aeTitle: DEMO_AE, host: "127.0.0.1", allow: ["store", "query", "similar"] },
      ],
    };
    const config = configSchema.parse(settings);
    const configFile = join(folder, "kindred.json");
    await writeFile(configFile, JSON.stringify(settings, null, 2));
    console.log(
      "Kindred demo. Everything below is synthetic or research data; not for diagnostic use.\n",
    );
    step(`starting a node (embedded database in ${folder}) and a stand-in PACS`);
    const logFile: string[] = [];
    const log = createLogger(
      { level: "warn", identifiers: "hash" },
      { write: (line) => void logFile.push(line) },
    );
    const node = await startNode({ config, log });
    const pacs = await startStandInPacs(join(folder, "pacs"), pacsPort!);
    try {
      const studies = await chooseStudies(parsed.positionals[0]);
      const kept = await pushAll(node, studies);
      const series = await waitForAll(node);
      const example = await tell(node, pacs, folder, studies, kept, series);
      if (!isReal) {
        step(`asking in words, as kindred search does: ${DEMO_TEXT}`);
        await askInWords(node);
      }
      hints({
        node,
        pacsPort: pacs.port,
        folder,
        example,
        text: isReal ? undefined : DEMO_TEXT,
        aeTitle: DEMO_AE,
        restartWith: parsed.values.keep === true ? undefined : configFile,
        dicomFolder:
          parsed.positionals[0] === undefined ? undefined : resolve(parsed.positionals[0]),
      });
    } finally {
      await writeFile(join(folder, "demo.log"), logFile.join(""));
      if (!parsed.values.keep) {
        await node.stop();
        await pacs.listener.stop();
      }
    }
    console.log(
      `\nDone in ${((Date.now() - startedAt) / 1000).toFixed(0)} s. Everything stays in ${folder} until you delete it.`,
    );
    if (parsed.values.keep) {
      console.log("The node is still running; Ctrl-C ends it.");
      await new Promise<void>((done) => {
        process.once("SIGINT", () => done());
        process.once("SIGTERM", () => done());
      });
      await node.stop();
      await pacs.listener.stop();
    }
    return 0;
  },
};

async function chooseStudies(folder: string | undefined): Promise<DemoStudy[]> {
  if (folder === undefined) {
    const studies = phantomStudies(SEED);
    step(
      `painting and pushing ${studies.length} synthetic CT studies of ${new Set(studies.map((one) => one.patientId)).size} patients`,
    );
    return studies;
  }
  const found = await folderStudies(resolve(folder));
  if (found.studies.length === 0)
    throw new KindredError("NOT_FOUND", `No DICOM file under ${folder}`);
  step(
    `pushing ${counted(found.studies.length, "study", "studies")} from ${folder}${found.skipped > 0 ? ` (and not ${counted(found.skipped, "file that is", "files that are")} no DICOM)` : ""}`,
  );
  return found.studies;
}

/** Pushes every study over an association of its own; keeps the data sets of CT for the picture. */
async function pushAll(
  node: Node,
  studies: readonly DemoStudy[],
): Promise<Map<string, BulkInstance[]>> {
  const kept = new Map<string, BulkInstance[]>();
  let stored = 0;
  let refused = 0;
  for (const [index, study] of studies.entries()) {
    progress(index, studies.length, `${study.patientName} ${study.label}`);
    const instances: BulkInstance[] = [];
    for await (const instance of study.instances()) instances.push(instance);
    const outcomes = await push(node, instances, (count) =>
      progress(
        index,
        studies.length,
        `${study.patientName} ${study.label}: ${count} of ${instances.length} slices`,
      ),
    );
    const lost = outcomes.filter(
      (one) => one.kind === "failed" || one.kind === "refusedContext",
    ).length;
    refused += lost;
    stored += outcomes.length - lost;
    kept.set(study.studyInstanceUid, instances);
  }
  progress(
    studies.length,
    studies.length,
    `${stored} instances stored${refused > 0 ? `, ${refused} refused` : ""}`,
  );
  process.stdout.write("\n");
  return kept;
}

async function push(
  node: Node,
  instances: readonly BulkInstance[],
  onSent: (count: number) => void,
): Promise<SendOutcome[]> {
  const pairs = new Map(
    instances.map((one) => [`${one.sopClassUid} ${one.transferSyntaxUid}`, one]),
  );
  const target = {
    ...node.dicom,
    callingAeTitle: DEMO_AE,
    calledAeTitle: "KINDRED",
    responseSeconds: 60,
  };
  return sendBulk(target, [...pairs.values()], instances, (_outcome, index) => onSent(index + 1));
}

async function waitForAll(node: Node): Promise<SeriesState[]> {
  step("waiting: volume and verdict, embedding, report, delivery");
  const config = { http: node.http } as Parameters<typeof callNode>[0];
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const page = await callNode<{ studies: { studyInstanceUid: string; series: SeriesState[] }[] }>(
      config,
      "/api/v1/studies?limit=500",
    );
    const series = page.studies.flatMap((study) =>
      study.series.map((one) => ({ ...one, studyInstanceUid: study.studyInstanceUid })),
    );
    const ended = series.filter((one) =>
      ["delivered", "refused", "failed"].includes(one.state),
    ).length;
    progress(ended, series.length, "series finished");
    if (ended === series.length && series.length > 0) {
      process.stdout.write("\n");
      return series;
    }
    if (Date.now() > deadline)
      throw new KindredError("UNAVAILABLE", "The series did not finish in time; see demo.log");
    await new Promise((later) => setTimeout(later, 500));
  }
}

async function tell(
  node: Node,
  pacs: StandInPacs,
  folder: string,
  studies: readonly DemoStudy[],
  kept: ReadonlyMap<string, readonly BulkInstance[]>,
  series: readonly SeriesState[],
): Promise<DemoStudy> {
  for (const one of series.filter((state) => state.state !== "delivered"))
    console.log(`  ${one.state}: ${one.reason ?? ""}`);
  const delivered = series.filter((one) => one.state === "delivered");
  // The last one pushed: its report was written when the others could be compared with it.
  const example = studies.findLast((study) =>
    delivered.some((one) => one.studyInstanceUid === study.studyInstanceUid),
  );
  if (example === undefined)
    throw new KindredError(
      "NOT_A_VOLUME",
      "No series became a volume, so there is nothing to compare",
    );
  step(
    `asking AE SIMILAR by C-FIND: who looks like ${printable(example.patientName)}, ${printable(example.label)}?`,
  );
  const target = {
    host: node.dicom.host,
    port: node.dicom.port,
    callingAeTitle: DEMO_AE,
    calledAeTitle: "SIMILAR",
    responseSeconds: 30,
  };
  const answer = await find(target, {
    level: "STUDY",
    keys: {
      StudyInstanceUID: example.studyInstanceUid,
      StudyDescription: "",
      PatientID: "",
      PatientName: "",
      StudyDate: "",
    },
  });
  const rows = answer.matches.map((match) =>
    [
      match.StudyDescription ?? "",
      match.PatientID ?? "",
      match.PatientName ?? "",
      match.StudyDate ?? "",
    ].map(printable),
  );
  if (rows.length > 0)
    console.log(`\n${table(["rank, score | study", "patient", "name", "date"], rows)}\n`);
  const seriesUid = delivered.find(
    (one) => one.studyInstanceUid === example.studyInstanceUid,
  )!.seriesInstanceUid;
  if (rows.length === 0) await tellOfSamePatient(node, seriesUid);
  await printReport(node, seriesUid, pacs, folder);
  const file = await picture(folder, example, answer.matches.slice(0, LOOK_ALIKES), studies, kept);
  if (file !== undefined) step(`picture: ${file}`);
  return example;
}

/** What there is to say when no other patient is here: the query leaves the patient asked about out. */
async function tellOfSamePatient(node: Node, seriesUid: string): Promise<void> {
  const config = { http: node.http } as Parameters<typeof callNode>[0];
  const { answers } = await callNode<{
    answers: { rank: number; score: number; seriesInstanceUid: string }[];
  }>(config, `/api/v1/similar?series=${seriesUid}&samePatient=include`);
  console.log(
    "\n  No answer: there is no other patient to compare with, and a patient is not their own look-alike.",
  );
  if (answers.length > 0) {
    const rows = answers.map((one) => [
      String(one.rank),
      one.score.toFixed(3),
      one.seriesInstanceUid,
    ]);
    console.log("  Series of the same patient, by the HTTP API with samePatient=include:\n");
    console.log(table(["#", "score", "series"], rows));
  }
  console.log("");
}

async function printReport(
  node: Node,
  seriesUid: string,
  pacs: StandInPacs,
  folder: string,
): Promise<void> {
  const config = { http: node.http } as Parameters<typeof callNode>[0];
  const state = await callNode<{ documents: { title: string; textLines: string[] }[] }>(
    config,
    `/api/v1/series/${seriesUid}`,
  );
  const text =
    state.documents.find((document) => /text/i.test(document.title)) ?? state.documents.at(-1);
  step(
    `the PACS holds ${pacs.files.length} structured reports in ${join(folder, "pacs")}; one of them reads:`,
  );
  console.log(`\n${(text?.textLines ?? []).map((line) => `    ${printable(line)}`).join("\n")}\n`);
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`;
}

function step(text: string): void {
  console.log(`▸ ${text}`);
}

const BAR = 30;

function progress(done: number, total: number, text: string): void {
  if (!process.stdout.isTTY && done !== total) return;
  const full = total === 0 ? 0 : Math.round((done / total) * BAR);
  const bar = `${"█".repeat(full)}${"░".repeat(BAR - full)}`;
  const line = `  ${bar} ${String(done).padStart(String(total).length)}/${total} ${printable(text)}`;
  process.stdout.write(process.stdout.isTTY ? `\r${line.slice(0, 110).padEnd(110)}` : line);
}

/** Ports that are free at this moment. */
async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((done) => {
          const server = createServer();
          server.listen(0, "127.0.0.1", () => done(server));
        }),
    ),
  );
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}
