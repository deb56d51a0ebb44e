/** Other people's tools: found on the path or the test is skipped, visibly; required when the environment says so. */
import { spawnSync } from "node:child_process";

export const toolEnvironment = { ...process.env, TCP_NODELAY: "1" };

/** Skips the running suite or test when a tool is absent; fails when KINDRED_REQUIRE_TOOLS=1. */
export function requireTool(context: Mocha.Context, tool: string): void {
  const found = spawnSync("which", [tool]).status === 0;
  if (found) return;
  if (process.env.KINDRED_REQUIRE_TOOLS === "1")
    throw new Error(`${tool} is required and not there`);
  console.log(`      SKIPPED: ${tool} is not installed (CONTRIBUTING.md lists the packages)`);
  context.skip();
}
