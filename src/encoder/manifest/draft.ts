/** `manifest.json` of an exporter: what is known of a bundle before it is made. The rest is judged when it is there. */
import { z } from "zod";
import { KindredError, messageOf } from "../../kernel/errors.ts";
import { MANIFEST_BYTES_MAX } from "../../kernel/limits.ts";
import { file, licence } from "./identity.ts";
import type { Licence } from "./schema.ts";

export interface Draft {
  readonly licence: Licence;
  /** Of the files whose sizes are known. */
  readonly bytes: number;
}

const schema = z.object({ licence, files: z.array(file).max(64).optional() });

/** @throws KindredError `MODEL_INVALID` listing every problem of these parts */
export function parseDraft(text: string): Draft {
  const invalid = (why: string) => new KindredError("MODEL_INVALID", `manifest.json ${why}`);
  if (Buffer.byteLength(text) > MANIFEST_BYTES_MAX)
    throw invalid(`is larger than ${MANIFEST_BYTES_MAX} bytes`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw invalid(`is no JSON: ${messageOf(error)}`);
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw invalid(`is invalid:\n${z.prettifyError(parsed.error)}`);
  const { files = [] } = parsed.data;
  return { licence: parsed.data.licence, bytes: files.reduce((sum, one) => sum + one.bytes, 0) };
}
