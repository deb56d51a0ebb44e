/** A Python for exporters: found on this machine, with a virtual environment of its own for each model. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { KindredError } from "../../kernel/errors.ts";
import { printable } from "../api.ts";
import { runForLines } from "./child-process.ts";

/** Oldest Python that the packages of the exporters come for. */
const MINOR_MIN = 11;
const NAMES = ["python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"];
const ASK = "import sys, venv, ensurepip; print('%d.%d' % sys.version_info[:2])";
const WINDOWS = process.platform === "win32";

/**
 * @param wanted - the one to use, a path or a name; otherwise the first on the PATH that will do
 * @returns its command
 * @throws KindredError `UNAVAILABLE` that says what was found and what to install
 */
export async function findPython(wanted: string | undefined): Promise<string> {
  const seen: string[] = [];
  for (const command of wanted === undefined ? NAMES : [wanted]) {
    const lines: string[] = [];
    const ended = await runForLines(command, ["-c", ASK], (line) => lines.push(line)).catch(
      () => undefined,
    );
    if (ended === undefined) continue;
    if (ended.code !== 0) {
      seen.push(`${command} has no venv module (${printable(ended.tail.at(-1) ?? "it failed")})`);
      continue;
    }
    const [major = 0, minor = 0] = (lines.at(-1) ?? "").split(".").map(Number);
    if (major === 3 && minor >= MINOR_MIN) return command;
    seen.push(`${command} is ${printable(lines.at(-1) ?? "no Python")}`);
  }
  const found = seen.length === 0 ? `none of ${wanted ?? NAMES.join(", ")} runs` : seen.join("; ");
  throw new KindredError(
    "UNAVAILABLE",
    `Python 3.${MINOR_MIN} or newer with venv is needed to make this model (${found}): ` +
      "install it (on Debian: python3 python3-venv), or name one with --python",
  );
}

/** Written last into an environment; holds the digest of what was asked for. */
const MARK = "kindred-requirements";

/**
 * An environment with the packages of some requirement files; one that has them already is taken as it is.
 *
 * @param folder - of the environment; made anew when it was not finished
 * @returns the environment's Python
 * @throws KindredError `UNAVAILABLE` with pip's own words
 */
export async function preparePython(
  python: string,
  folder: string,
  requirements: readonly string[],
  onLine: (line: string) => void,
): Promise<string> {
  const own = WINDOWS ? join(folder, "Scripts", "python.exe") : join(folder, "bin", "python");
  const digest = createHash("sha256");
  for (const file of requirements) digest.update(await readFile(file));
  const wanted = digest.digest("hex");
  const mark = join(folder, MARK);
  if (existsSync(own) && (await readFile(mark, "utf8").catch(() => "")) === wanted) return own;
  // What pip left half done would have to be believed: pip's own cache makes doing it again short.
  await rm(folder, { recursive: true, force: true });
  const made = await runForLines(python, ["-m", "venv", folder]);
  if (made.code !== 0)
    throw new KindredError(
      "UNAVAILABLE",
      `${python} cannot make a virtual environment in ${folder}: ${printable(made.tail.join(" "))}`,
    );
  const pip = ["-m", "pip", "install", "--no-input", "--disable-pip-version-check"];
  const files = requirements.flatMap((file) => ["-r", file]);
  const installed = await runForLines(own, [...pip, "--progress-bar", "off", ...files], onLine);
  if (installed.code !== 0) throw pipFault(installed.tail);
  await writeFile(mark, wanted, { mode: 0o600 });
  return own;
}

function pipFault(tail: readonly string[]): KindredError {
  const told = tail.filter((line) => line.startsWith("ERROR:")).map((line) => line.slice(6).trim());
  const missing = told.find((line) => line.startsWith("No matching distribution found for"));
  const isOffline = tail.some((line) => /NewConnectionError|ConnectTimeout|Max retries/.test(line));
  const advice = isOffline
    ? "there is no way to the package index: check the network and pip's settings (pip config list)"
    : missing !== undefined
      ? "the package index does not have it for this Python and machine; see the model's card.md"
      : "see pip's message";
  const words = missing === undefined ? (told.length > 0 ? told : tail.slice(-3)) : [missing];
  const text = printable(words.join("; "));
  return new KindredError("UNAVAILABLE", `pip could not install the packages: ${text}: ${advice}`);
}
