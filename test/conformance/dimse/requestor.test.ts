import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { decodeFileMeta, encodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { sendInstances } from "../../../src/dimse/requestor/send-instances.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import { freePort } from "../../support/free-port.ts";
import { temporaryFolder, waitFor } from "../../support/node-under-test.ts";
import { requireTool, toolEnvironment } from "../../support/tools.ts";

describe("the requestor and dcmtk's storescp", function () {
  this.timeout(60_000);
  const folder = temporaryFolder();
  const instance = {
    path: join(folder, "report.dcm"),
    sopClassUid: SOP_CLASS.basicTextSr,
    sopInstanceUid: "2.25.42",
    transferSyntaxUid: UID.explicitVrLittleEndian,
  };
  const dataSet = new DataSet()
    .setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192")
    .setString(TAG.SOPClassUID, "UI", instance.sopClassUid)
    .setString(TAG.SOPInstanceUID, "UI", instance.sopInstanceUid)
    .setString(TAG.PatientName, "PN", "Müller^Jörg")
    .setString(0x00990010, "LO", "KINDRED TEST")
    .setString(0x00991001, "LO", "private");
  const body = encodeDataSet(dataSet, UID.explicitVrLittleEndian);
  let child: ChildProcess | undefined;

  before(function () {
    requireTool(this, "storescp");
    writeFileSync(instance.path, Buffer.concat([encodeFileMeta(instance), body]));
  });

  afterEach(() => void child?.kill("SIGKILL"));

  async function storescp(...options: string[]) {
    const received = join(folder, options.join("") || "plain");
    mkdirSync(received);
    const port = await freePort();
    child = spawn("storescp", [...options, "-od", received, String(port)], {
      env: toolEnvironment,
      stdio: "ignore",
    });
    const target = {
      host: "127.0.0.1",
      port,
      callingAeTitle: "KINDRED",
      calledAeTitle: "PACS",
      responseSeconds: 5,
    };
    // It listens when an association gets an answer, whichever.
    await waitFor(
      () => echo(target).then(() => "ok", codeOf),
      (answer) => answer !== "PEER_UNREACHABLE",
      10,
    );
    return { target, received };
  }

  it("stores the bytes of the file (bit preserving)", async () => {
    const { target, received } = await storescp("+B");
    const [outcome] = await sendInstances(target, [instance]);
    expect(outcome).to.include({ kind: "stored", status: 0 });
    const kept = readFileSync(join(received, readdirSync(received)[0]!));
    expect(kept.subarray(decodeFileMeta(kept).dataSetOffset).equals(body)).to.equal(true);
  });

  it("stores every element where only Implicit VR Little Endian is taken", async () => {
    const { target, received } = await storescp("+B", "+xi");
    const [outcome] = await sendInstances(target, [instance]);
    expect(outcome).to.include({ kind: "stored", status: 0 });
    const kept = readFileSync(join(received, readdirSync(received)[0]!));
    const meta = decodeFileMeta(kept);
    expect(meta.transferSyntaxUid).to.equal(UID.implicitVrLittleEndian);
    const expected = encodeDataSet(dataSet, UID.implicitVrLittleEndian);
    expect(kept.subarray(meta.dataSetOffset).equals(expected)).to.equal(true);
  });

  it("says that the association was refused", async () => {
    const { target } = await storescp("--refuse");
    const [outcome] = await sendInstances(target, [instance]);
    expect(outcome!.kind).to.equal("failed");
    expect(outcome!.message).to.match(/rejected the association/);
  });

  it("takes an abort after the request for ambiguous", async () => {
    const { target } = await storescp("--abort-after");
    const [outcome] = await sendInstances(target, [instance]);
    expect(outcome).to.include({ kind: "failed", retry: "ambiguous" });
    expect(outcome!.message).to.match(/aborted/);
  });
});
