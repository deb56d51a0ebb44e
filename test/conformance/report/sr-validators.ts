/**
 * Three SR validators of other people, asked about many files: dciodvfy (dicom3tools) for modules and evidence,
 * dsrdump (dcmtk) for the tree, PixelMed's DicomSRValidator for the templates. None of them misses what another
 * finds, so all three are needed.
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const PIXELMED_JAR = process.env.PIXELMED_JAR ?? "/usr/share/java/pixelmed.jar";

/** PixelMed takes one file a process and 12 s to start; this asks it for all files in one process. */
const MANY_FILES = `public class ManyFiles {
  public static void main(String[] files) throws Exception {
    var validator = new com.pixelmed.validate.DicomSRValidator();
    for (String file : files) {
      System.out.println("== " + file);
      System.out.println(validator.validate(file));
    }
  }
}
`;

/** Which of the validators' tools are not on this machine. */
export function missingValidators(): string[] {
  const missing = ["dciodvfy", "dsrdump", "javac"].filter((tool) => !isOnPath(tool));
  return existsSync(PIXELMED_JAR) ? missing : [...missing, PIXELMED_JAR];
}

function isOnPath(tool: string): boolean {
  try {
    execFileSync("sh", ["-c", `command -v ${tool}`], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Lines of the validators that are errors, by file; a file without any is in no entry. */
export async function errorsOf(
  files: readonly string[],
  folder: string,
): Promise<Map<string, string[]>> {
  const errors = new Map<string, string[]>();
  const add = (file: string, lines: readonly string[]): void => {
    if (lines.length > 0) errors.set(file, [...(errors.get(file) ?? []), ...lines]);
  };
  for (const file of files) {
    const iod = await outputOf("dciodvfy", ["-new", file]);
    add(file, prefixed("dciodvfy", findingsOfDciodvfy(iod)));
    add(file, prefixed("dsrdump", matching(await outputOf("dsrdump", [file]), /^(?:E|F):/)));
  }
  for (const [file, lines] of await templateFindings(files, folder)) add(file, lines);
  return errors;
}

/** Warnings that a right document may have: our private scheme is unknown there, and a poor source stays poor. */
const HARMLESS = [
  /^Warning .*Unrecognized defined term = <(?:99KINDRED|2\.25\.\d+)>/,
  /^Warning .*would be needed to build DICOMDIR/,
  /^Warning .*Retired Person Name form/,
];

function findingsOfDciodvfy(output: string): string[] {
  return matching(output, /^(?:Error|Warning)/).filter(
    (line) => !isCountedInBytes(line) && !HARMLESS.some((pattern) => pattern.test(line)),
  );
}

/** dciodvfy counts the bytes of UTF-8 where PS3.5 6.2 counts characters: a false alarm for other scripts. */
function isCountedInBytes(line: string): boolean {
  const [, value, charactersMax] =
    /= <(.*)> - Length invalid .* expected <= (\d+)$/.exec(line) ?? [];
  return value !== undefined && Array.from(value).length <= Number(charactersMax);
}

/** Errors and warnings both: a document of ours has neither. */
async function templateFindings(
  files: readonly string[],
  folder: string,
): Promise<[string, string[]][]> {
  const program = join(folder, "ManyFiles.java");
  writeFileSync(program, MANY_FILES);
  const output = await outputOf("java", [
    "-Xss64m",
    // The stylesheet is larger than the limits that Java 17 sets for XPath.
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-cp",
    PIXELMED_JAR,
    program,
    ...files,
  ]);
  const parts = new Map(
    output.split(/^== /m).map((part) => [part.slice(0, part.indexOf("\n")), part] as const),
  );
  return files.map((file) => {
    const part = parts.get(file) ?? "";
    const found = matching(part, /^(?:Error|Warning)|Exception/);
    const isComplete = part.includes("Root Template Validation Complete");
    return [
      file,
      prefixed("PixelMed", isComplete ? found : [...found, "no root template was checked"]),
    ];
  });
}

async function outputOf(tool: string, args: readonly string[]): Promise<string> {
  try {
    const { stdout, stderr } = await run(tool, [...args], { maxBuffer: 64 * 1024 * 1024 });
    return `${stdout}\n${stderr}`;
  } catch (error) {
    const { stdout, stderr, code } = error as { stdout?: string; stderr?: string; code?: unknown };
    if (stdout === undefined) throw error;
    // dciodvfy exits 1 on warnings; what counts are the lines.
    return `${stdout}\n${stderr}\n${tool === "java" ? `Exception: exit ${String(code)}` : ""}`;
  }
}

function matching(output: string, pattern: RegExp): string[] {
  return output.split("\n").filter((line) => pattern.test(line));
}

function prefixed(tool: string, lines: readonly string[]): string[] {
  return lines.map((line) => `${tool}: ${line}`);
}
