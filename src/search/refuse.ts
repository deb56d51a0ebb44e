/** What a key that cannot be matched is answered with: A900H and a sentence that names it, never its value. */
import { keywordOf } from "../dicom/tags.ts";
import { KindredError } from "../kernel/errors.ts";

/** @throws KindredError `QUERY_INVALID` always */
export function refuse(tag: number, why: string): never {
  throw new KindredError("QUERY_INVALID", `${keywordOf(tag)} ${why}`);
}
