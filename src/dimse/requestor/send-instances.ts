/** C-STORE of our own small objects to a peer, the bytes exactly as in the file. PS3.4 Annex B. */
import { readFile } from "node:fs/promises";
import { decodeDataSet } from "../../dicom/decode.ts";
import { encodeDataSet } from "../../dicom/encode.ts";
import { decodeFileMeta } from "../../dicom/part10.ts";
import { UID } from "../../dicom/uids.ts";
import { codeOf, KindredError, messageOf } from "../../kernel/errors.ts";
import { STATUSES } from "../../kernel/statuses.ts";
import { COMMAND } from "../command-set.ts";
import { type Answer, exchange, type PlannedRequest, type Target } from "./exchange.ts";
import { library } from "./library.ts";
import { classifyStoreStatus, refusedContext, type SendOutcome } from "./store-outcome.ts";

export interface InstanceFile {
  readonly path: string;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

/**
 * Sends files over one association; a failure of the association is an outcome of each file that it leaves open.
 *
 * @returns one outcome a file, in order
 */
export async function sendInstances(
  target: Target,
  files: readonly InstanceFile[],
): Promise<SendOutcome[]> {
  const plans = await Promise.all(
    files.map((file) => plan(file).catch((error: unknown) => fileError(error))),
  );
  const readable = plans.filter((one): one is PlannedRequest => !(one instanceof KindredError));
  const answers = await exchangeAll(target, readable);
  return plans.map((one) =>
    one instanceof KindredError ? failed(one) : outcomeOf(answers.shift()!),
  );
}

async function exchangeAll(target: Target, plans: readonly PlannedRequest[]): Promise<Answer[]> {
  if (plans.length === 0) return [];
  try {
    return await exchange(target, plans);
  } catch (error) {
    const known =
      error instanceof KindredError
        ? error
        : new KindredError("INTERNAL", messageOf(error), { cause: error });
    return plans.map(() => ({ kind: "broken", error: known }));
  }
}

async function plan(file: InstanceFile): Promise<PlannedRequest> {
  const bytes = await readFile(file.path);
  const body = bytes.subarray(decodeFileMeta(bytes).dataSetOffset);
  const { implicitVrLittleEndian, explicitVrLittleEndian } = UID;
  return {
    abstractSyntax: file.sopClassUid,
    // A peer may take the default transfer syntax only (PS3.5 10.1); what is compressed cannot be sent in it.
    proposals:
      file.transferSyntaxUid === explicitVrLittleEndian
        ? [[explicitVrLittleEndian], [implicitVrLittleEndian]]
        : [[file.transferSyntaxUid]],
    responseField: COMMAND.store | COMMAND.response,
    hasPending: false,
    make(transferSyntaxUid) {
      const dataSet = new library.Dataset(
        { SOPClassUID: file.sopClassUid, SOPInstanceUID: file.sopInstanceUid },
        transferSyntaxUid,
      );
      const sent =
        transferSyntaxUid === file.transferSyntaxUid
          ? body
          : encodeDataSet(
              decodeDataSet(body, { transferSyntaxUid: file.transferSyntaxUid }),
              transferSyntaxUid,
            );
      // The library would decode and write anew, and lose private elements; what goes out is what we keep.
      dataSet.getDenaturalizedDataset = () => sent;
      return new library.requests.CStoreRequest(dataSet);
    },
  };
}

function outcomeOf(answer: Answer): SendOutcome {
  switch (answer.kind) {
    case "answered":
      return classifyStoreStatus(answer.final.status);
    case "refusedContext":
      return refusedContext(answer.message);
    case "broken":
      return failed(answer.error);
  }
}

function failed(error: KindredError): SendOutcome {
  const code = codeOf(error);
  const { retry } = STATUSES[code];
  return { kind: "failed", status: undefined, retry, message: error.message, code };
}

/** A file that is not there will not come; any other trouble of the disk may pass. */
function fileError(error: unknown): KindredError {
  if (error instanceof KindredError) return error;
  const { code } = error as NodeJS.ErrnoException;
  return new KindredError(
    code === "ENOENT" ? "NOT_FOUND" : "UNAVAILABLE",
    `The file to send cannot be read (${code ?? messageOf(error)})`,
    { cause: error },
  );
}
