/** Who we are on the wire and in documents. */
import { readFileSync } from "node:fs";

const packageFile = new URL("../../package.json", import.meta.url);

export const VERSION: string = JSON.parse(readFileSync(packageFile, "utf8")).version;

/** Implementation Class UID (PS3.7 D.3.3.2): a UUID-derived UID (PS3.5 B.2), fixed for the product. */
export const IMPLEMENTATION_CLASS_UID = "2.25.231943508218617291835672440194683421776";

/** Implementation Version Name, at most 16 characters (PS3.7 D.3.3.2.3). */
export const IMPLEMENTATION_VERSION_NAME = `KINDRED_${VERSION}`.slice(0, 16);
