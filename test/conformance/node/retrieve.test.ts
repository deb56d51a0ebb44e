import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { decodeDataSet } from "../../../src/dicom/decode.ts";
import { decodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import type { BulkInstance } from "../../../src/dimse/bulk-sender.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePort } from "../../support/free-port.ts";
import {
  getJson,
  push,
  startTestNode,
  temporaryFolder,
  waitFor,
} from "../../support/node-under-test.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";
import { instancesInAllTransferSyntaxes, sharedData } from "../../support/transfer-syntaxes.ts";

const run = promisify(execFile);
const python = new URL("../../../.cache/py/bin/python", import.meta.url).pathname;
const script = new URL("./pynetdicom_retrieve.py", import.meta.url).pathname;
/** `storescp +xa` takes no presentation context in these: JPEG processes 6 and 8, 10 and 12, and 14 but for SV1. */
const REFUSED_BY_STORESCP = new Set([
  "1.2.840.10008.1.2.4.53",
  "1.2.840.10008.1.2.4.55",
  "1.2.840.10008.1.2.4.57",
]);

const digest = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");
const byUid = (instances: readonly BulkInstance[]) =>
  Object.fromEntries(instances.map((one) => [one.sopInstanceUid, digest(one.dataSet as Buffer)]));

/** Digests of the data sets of DICOM files in a folder, by SOP Instance UID. */
function digestsIn(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      const bytes = readFileSync(join(folder, name));
      const { meta, dataSetOffset } = decodeFileMeta(bytes);
      return [meta.string(0x00020003)!, digest(bytes.subarray(dataSetOffset))];
    }),
  );
}

interface PythonAnswer {
  stored: {
    sopInstanceUid: string;
    transferSyntaxUid: string;
    digest: string;
    originator: string | null;
  }[];
  responses: {
    status: number;
    remaining: number | null;
    completed: number | null;
    failed: number | null;
    warning: number | null;
  }[];
}

describe("retrieve by other people's tools", function () {
  this.timeout(120_000);
  const plain = ctSeries({ name: "plain", slices: 12 });
  const study = ctUids("plain").study;
  let node: Node;
  let ports: { storescp: number; python: number; orthanc: number };
  const children: ChildProcess[] = [];

  before(async () => {
    ports = { storescp: await freePort(), python: await freePort(), orthanc: await freePort() };
    const peer = { host: "127.0.0.1", allow: ["query", "retrieve", "similar"] };
    ({ node } = await startTestNode({
      quietSeconds: 1,
      extra: {
        peers: [
          { aeTitle: "SENDER", host: "127.0.0.1" },
          { aeTitle: "WORKSTATION", ...peer },
          { aeTitle: "STORESCP", ...peer, port: ports.storescp },
          { aeTitle: "PYTHON", ...peer, port: ports.python },
          { aeTitle: "ORTHANC", ...peer, port: ports.orthanc },
        ],
      },
    }));
    await push(node.dicom, plain);
  });
  after(async () => {
    for (const child of children) child.kill();
    await node?.stop();
  });

  async function storescp(): Promise<string> {
    const folder = temporaryFolder();
    const args = ["-aet", "STORESCP", "+xa", "+B", "-od", folder, String(ports.storescp)];
    children.push(spawn("storescp", args, { env: toolEnvironment, stdio: "ignore" }));
    await waitFor(
      () => run("echoscu", ["-aec", "STORESCP", "127.0.0.1", String(ports.storescp)]),
      () => true,
      10,
    );
    return folder;
  }

  const movescu = (args: readonly string[], calledAeTitle = "KINDRED") =>
    run(
      "movescu",
      [
        "-v",
        "-S",
        "-aet",
        "WORKSTATION",
        "-aec",
        calledAeTitle,
        "-aem",
        "STORESCP",
        ...args,
        "127.0.0.1",
        String(node.dicom.port),
      ],
      { env: toolEnvironment },
    );

  describe("dcmtk", () => {
    let folder: string;
    before(async function () {
      for (const tool of ["movescu", "getscu", "storescp", "echoscu", "findscu"])
        requireTool(this, tool);
      folder = await storescp();
    });

    it("movescu to storescp", async () => {
      const { stdout, stderr } = await movescu([
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        `StudyInstanceUID=${study}`,
      ]);
      expect(stdout + stderr).to.include("Received Final Move Response (Success)");
      expect(digestsIn(folder)).to.deep.include(byUid(plain));
    });

    it("movescu --cancel gets the final response of a cancelled move", async () => {
      const { stdout, stderr } = await movescu([
        "--cancel",
        "2",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        `StudyInstanceUID=${study}`,
      ]);
      expect(stdout + stderr).to.match(/Received Final Move Response \((?:Cancel|Success)/);
    });

    it("movescu to a destination that is not known", async () => {
      const failed = await movescu([
        "-aem",
        "NOBODY",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        `StudyInstanceUID=${study}`,
      ]).catch((error: { stderr: string; stdout: string }) => error);
      expect(failed.stdout + failed.stderr).to.match(/MoveDestinationUnknown/);
    });

    it("getscu, bytes as they were sent", async () => {
      const got = temporaryFolder();
      await run(
        "getscu",
        [
          "-S",
          "+B",
          "-aet",
          "WORKSTATION",
          "-aec",
          "KINDRED",
          "-od",
          got,
          "-k",
          "QueryRetrieveLevel=STUDY",
          "-k",
          `StudyInstanceUID=${study}`,
          "127.0.0.1",
          String(node.dicom.port),
        ],
        { env: toolEnvironment },
      );
      expect(digestsIn(got)).to.deep.equal(byUid(plain));
    });

    it("a study found by similarity is moved from the AE title that its answer names, or from SIMILAR", async () => {
      await push(node.dicom, ctSeries({ name: "example", core: 11 }));
      for (const name of ["plain", "example"]) {
        await waitFor(
          () => getJson<{ state: string }>(node, `/api/v1/series/${ctUids(name).series}`),
          (series) => series.state === "reported",
        );
      }
      const { stdout, stderr } = await run("findscu", [
        "-S",
        "-aet",
        "WORKSTATION",
        "-aec",
        "SIMILAR",
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        `StudyInstanceUID=${ctUids("example").study}`,
        "127.0.0.1",
        String(node.dicom.port),
      ]);
      const text = stdout + stderr;
      const title = /\(0008,0054\) AE \[(\S+) *\]/.exec(text)?.[1];
      expect(title).to.equal("KINDRED");
      expect(text).to.include(study);
      for (const called of ["KINDRED", "SIMILAR"]) {
        for (const name of readdirSync(folder)) rmSync(join(folder, name));
        const keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", `StudyInstanceUID=${study}`];
        const moved = await movescu(keys, called);
        expect(moved.stdout + moved.stderr).to.include("Received Final Move Response (Success)");
        expect(digestsIn(folder)).to.deep.equal(byUid(plain));
      }
    });
  });

  describe("every transfer syntax", () => {
    let all: BulkInstance[];
    let shared: string;
    before(async function () {
      if (!existsSync(join(sharedData, "ct-10-transfer-syntaxes"))) {
        console.log("      SKIPPED: the shared test data is not there (KINDRED_TEST_DATA)");
        this.skip();
      }
      all = instancesInAllTransferSyntaxes();
      const outcomes = await push(node.dicom, all);
      expect(outcomes.map((one) => one.kind)).to.deep.equal(all.map(() => "stored"));
      const native = all.find((one) => one.transferSyntaxUid === UID.explicitVrLittleEndian)!;
      shared = decodeDataSet(native.dataSet as Buffer, {
        transferSyntaxUid: UID.explicitVrLittleEndian,
        untilTag: TAG.PixelData,
      }).string(TAG.StudyInstanceUID)!;
    });

    const pynetdicom = async (
      context: Mocha.Context,
      command: "move" | "get",
    ): Promise<PythonAnswer> => {
      const isThere = await run(python, ["-c", "import pynetdicom"]).then(
        () => true,
        () => false,
      );
      if (!isThere) {
        if (process.env.KINDRED_REQUIRE_TOOLS === "1")
          throw new Error("pynetdicom is required and not there");
        console.log("      SKIPPED: pynetdicom is not installed (CONTRIBUTING.md)");
        context.skip();
      }
      const syntaxes = [...new Set(all.map((one) => one.transferSyntaxUid))];
      const args = [
        script,
        command,
        String(node.dicom.port),
        String(ports.python),
        "PYTHON",
        shared,
        SOP_CLASS.ctImageStorage,
        ...syntaxes,
      ];
      const { stdout } = await run(python, args, { env: toolEnvironment });
      return JSON.parse(stdout) as PythonAnswer;
    };

    for (const command of ["move", "get"] as const) {
      it(`comes back bit for bit to pynetdicom by C-${command.toUpperCase()}`, async function () {
        const { stored, responses } = await pynetdicom(this, command);
        expect(
          Object.fromEntries(stored.map((one) => [one.sopInstanceUid, one.digest])),
        ).to.deep.equal(byUid(all));
        for (const one of stored) {
          const sent = all.find((instance) => instance.sopInstanceUid === one.sopInstanceUid)!;
          expect(one.transferSyntaxUid, one.sopInstanceUid).to.equal(sent.transferSyntaxUid);
          expect(one.originator).to.equal(command === "move" ? "PYTHON" : null);
        }
        expect(responses.at(-1)).to.deep.equal({
          status: 0,
          remaining: null,
          completed: all.length,
          failed: 0,
          warning: 0,
        });
        expect(responses).to.have.length(all.length + 1);
      });
    }

    it("comes back bit for bit to storescp, but for what it refuses", async function () {
      for (const tool of ["movescu", "storescp", "echoscu"]) requireTool(this, tool);
      for (const child of children.splice(0)) child.kill();
      const folder = await storescp();
      const known = all.filter((one) => !REFUSED_BY_STORESCP.has(one.transferSyntaxUid));
      const { stdout, stderr } = await movescu([
        "-k",
        "QueryRetrieveLevel=STUDY",
        "-k",
        `StudyInstanceUID=${shared}`,
      ]).catch((error: { stdout: string; stderr: string }) => error);
      expect(stdout + stderr).to.match(/Warning: SubOperationsCompleteOneOrMoreFailures/);
      expect(digestsIn(folder)).to.deep.equal(byUid(known));
    });
  });

  describe("Orthanc", () => {
    let http: string;
    before(async function () {
      requireTool(this, "Orthanc");
      const folder = temporaryFolder();
      const httpPort = await freePort();
      const configFile = join(folder, "orthanc.json");
      mkdirSync(join(folder, "data"));
      writeFileSync(
        configFile,
        JSON.stringify({
          StorageDirectory: join(folder, "data"),
          IndexDirectory: join(folder, "data"),
          Plugins: [],
          DicomPort: ports.orthanc,
          DicomAet: "ORTHANC",
          DicomAlwaysAllowStore: true,
          HttpPort: httpPort,
          RemoteAccessAllowed: false,
          AuthenticationEnabled: false,
          DicomModalities: { KINDRED: ["KINDRED", "127.0.0.1", node.dicom.port] },
        }),
      );
      children.push(spawn("Orthanc", [configFile], { env: toolEnvironment, stdio: "ignore" }));
      http = `http://127.0.0.1:${httpPort}`;
      await waitFor(
        () => fetch(`${http}/system`),
        (answer) => answer.ok,
        60,
      );
    });

    const post = async <T>(path: string, body: object): Promise<T> => {
      const answer = await fetch(`${http}${path}`, { method: "POST", body: JSON.stringify(body) });
      if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as T;
    };

    for (const level of ["Study", "Series", "Instance"]) {
      it(`as requestor and destination: query and retrieve at level ${level}`, async () => {
        for (const one of (await (await fetch(`${http}/studies`)).json()) as string[])
          await fetch(`${http}/studies/${one}`, { method: "DELETE" });
        const uids = ctUids("plain");
        const Query = {
          StudyInstanceUID: uids.study,
          ...(level === "Study" ? {} : { SeriesInstanceUID: uids.series }),
        };
        const { ID } = await post<{ ID: string }>("/modalities/KINDRED/query", {
          Level: level,
          Query,
        });
        await post(`/queries/${ID}/retrieve`, { TargetAet: "ORTHANC", Synchronous: true });
        const instances = (await (await fetch(`${http}/instances?expand`)).json()) as {
          ID: string;
          MainDicomTags: { SOPInstanceUID: string };
        }[];
        expect(instances.map((one) => one.MainDicomTags.SOPInstanceUID).sort()).to.deep.equal(
          plain.map((one) => one.sopInstanceUid).sort(),
        );
        const origin = await fetch(`${http}/instances/${instances[0]!.ID}/metadata/RemoteAET`);
        expect(await origin.text()).to.equal("KINDRED");
      });
    }
  });
});
