/** Real series, which are not part of the repository. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const SHARED_DATA =
  process.env.KINDRED_TEST_DATA ?? fileURLToPath(new URL("../../../shared/data/", import.meta.url));

/** Skips the running suite or test, visibly, when the real series are not there. */
export function requireSharedData(context: Mocha.Context): void {
  if (existsSync(SHARED_DATA)) return;
  console.log(`      skipped: no test data at ${SHARED_DATA} (set KINDRED_TEST_DATA)`);
  context.skip();
}
