/** C-FIND to a peer. PS3.4 C.4.1. */
import type { DataSet } from "../../dicom/data-set.ts";
import { decodeDataSet } from "../../dicom/decode.ts";
import { keywordOf } from "../../dicom/tags.ts";
import { SOP_CLASS, UID } from "../../dicom/uids.ts";
import { KindredError } from "../../kernel/errors.ts";
import { COMMAND } from "../command-set.ts";
import { exchange, type Target } from "./exchange.ts";
import { library } from "./library.ts";
import { statusText } from "./peer-status.ts";

export interface FindAnswer {
  /** The final status; the matches before a failure or cancel (FE00H) are there too. */
  readonly status: number;
  /** A final status other than success in words. */
  readonly message?: string;
  /** Some match came with FF01H: the peer does not support an optional key. */
  readonly hasIgnoredKeys?: true;
  /** One record a match: keyword → value as text. */
  readonly matches: readonly Readonly<Record<string, string>>[];
}

const IGNORED_KEYS = 0xff01;

/**
 * @param keys - keywords to values; "" asks for the attribute
 * @throws KindredError `PEER_…` when there is no final answer; a final status other than success is an answer
 */
export async function find(
  target: Target,
  query: {
    level: "PATIENT" | "STUDY" | "SERIES" | "IMAGE";
    keys: Readonly<Record<string, string>>;
  },
): Promise<FindAnswer> {
  const { CFindRequest } = library.requests;
  const make = {
    PATIENT: CFindRequest.createPatientFindRequest,
    STUDY: CFindRequest.createStudyFindRequest,
    SERIES: CFindRequest.createSeriesFindRequest,
    IMAGE: CFindRequest.createImageFindRequest,
  }[query.level];
  const isPatientRoot = query.level === "PATIENT";
  const [answer] = await exchange(target, [
    {
      abstractSyntax: isPatientRoot ? SOP_CLASS.patientRootFind : SOP_CLASS.studyRootFind,
      proposals: [[UID.implicitVrLittleEndian, UID.explicitVrLittleEndian]],
      responseField: COMMAND.find | COMMAND.response,
      hasPending: true,
      make: () => make.call(CFindRequest, { ...query.keys }),
    },
  ]);
  if (answer!.kind === "broken") throw answer!.error;
  if (answer!.kind === "refusedContext") throw new KindredError("PEER_REFUSED", answer!.message);
  const { final, pending, transferSyntaxUid } = answer!;
  return {
    status: final.status,
    ...(final.status === 0 ? {} : { message: statusText(final.status) }),
    ...(pending.some((one) => one.status === IGNORED_KEYS)
      ? { hasIgnoredKeys: true as const }
      : {}),
    matches: pending.flatMap(({ dataSet }) =>
      dataSet === undefined ? [] : [texts(readIdentifier(dataSet, transferSyntaxUid))],
    ),
  };
}

function readIdentifier(bytes: Buffer, transferSyntaxUid: string): DataSet {
  try {
    return decodeDataSet(bytes, { transferSyntaxUid });
  } catch (error) {
    throw new KindredError("PEER_REFUSED", "The peer sent a match that cannot be read", {
      cause: error,
    });
  }
}

function texts(identifier: DataSet): Record<string, string> {
  return Object.fromEntries(
    [...identifier.elements.values()].map(({ tag, vr }) => {
      const values = identifier.strings(tag);
      // Of a person name the first (alphabetic) group of components. PS3.5 6.2.1.
      const shown = vr === "PN" ? values.map((one) => one.split("=")[0]!) : values;
      return [keywordOf(tag), shown.join("\\")];
    }),
  );
}
