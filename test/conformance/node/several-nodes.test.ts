import { execFile } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect } from "chai";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { freePorts } from "../../support/free-ports.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { ended, getJson, spawnNode, temporaryFolder } from "../../support/node-under-test.ts";
import { startTcpBalancer, type TcpBalancer } from "../../support/tcp-balancer.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";

const run = promisify(execFile);
const SLICES = 30;
const PUSHES = 4;

describe("dcmtk before a balancer and two nodes", function () {
  this.timeout(180_000);
  const native = nativeOrSkip("postgresql");
  const nodes: Awaited<ReturnType<typeof spawnNode>>[] = [];
  let balancer: TcpBalancer;
  let ports: number[];

  before(async function () {
    for (const tool of ["storescu", "findscu", "getscu"]) requireTool(this, tool);
    const dataDir = temporaryFolder();
    const databaseUrl = await native()!.freshDatabase();
    ports = await freePorts(4);
    for (const [role, dicom, http] of [
      ["all", ports[0]!, ports[1]!],
      ["receiver", ports[2]!, ports[3]!],
    ] as const) {
      const dimse = { port: dicom, receivers: 1, releaseSeconds: 1, proxyFrom: ["127.0.0.1"] };
      const peers = [
        { aeTitle: "SENDER", host: "127.0.0.1", allow: ["store", "query", "retrieve"] },
      ];
      const extra = { node: { role }, dimse, peers };
      nodes.push(
        await spawnNode({ dataDir, databaseUrl, quietSeconds: 3_600, extra }, { dicom, http }),
      );
    }
    balancer = await startTcpBalancer([ports[0]!, ports[2]!]);
  });
  after(async () => {
    for (const node of nodes.reverse()) node.child.kill("SIGTERM");
    for (const node of nodes) expect(await ended(node.child)).to.equal(0);
    await balancer?.stop();
    await native()?.stop();
  });

  const dcmtk = (tool: string, args: readonly string[]) =>
    run(tool, ["-aet", "SENDER", "-aec", "KINDRED", "127.0.0.1", String(balancer.port), ...args], {
      env: toolEnvironment,
    });
  const study = (push: number) => ctUids(`balanced-${push}`).study;

  it("storescu: every file of every push is taken, by both nodes", async () => {
    await Promise.all(
      Array.from({ length: PUSHES }, async (_, push) => {
        const folder = temporaryFolder();
        for (const [index, one] of ctSeries({ name: `balanced-${push}`, slices: SLICES }).entries())
          writeFileSync(
            join(folder, `${index}.dcm`),
            Buffer.concat([encodeFileMeta({ ...one, sourceAeTitle: "SENDER" }), one.dataSet]),
          );
        await dcmtk("storescu", ["+sd", folder]);
      }),
    );
    expect([...balancer.given.values()]).to.deep.equal([PUSHES / 2, PUSHES / 2]);
    const { studies } = await getJson<{ studies: { instances: number }[] }>(
      nodes[0]!,
      "/api/v1/studies",
    );
    expect(studies.map((one) => one.instances)).to.deep.equal(Array(PUSHES).fill(SLICES));
  });

  it("findscu and getscu: each node gives what both took", async () => {
    for (let push = 0; push < PUSHES; push++) {
      // In turn: the same question to both nodes.
      for (let again = 0; again < 2; again++) {
        const keys = ["-k", "QueryRetrieveLevel=STUDY", "-k", `StudyInstanceUID=${study(push)}`];
        const { stderr, stdout } = await dcmtk("findscu", [
          "-S",
          ...keys,
          "-k",
          "NumberOfStudyRelatedInstances",
        ]);
        expect(`${stdout}${stderr}`).to.match(new RegExp(`IS \\[${SLICES}\\s*\\]`));
        const folder = join(temporaryFolder(), "got");
        mkdirSync(folder);
        await dcmtk("getscu", ["-S", ...keys, "-od", folder]);
        expect(readdirSync(folder)).to.have.length(SLICES);
      }
    }
  });
});
