/**
 * Memory as a server has it that has run for weeks: all of it in use, most of it for pages of files that were read or written some
 * time ago. Fresh memory is no such thing in a virtual machine whose kernel reports free pages to its host: each page that the host took
 * back costs a fault there when it is used again, several times what a receiver does with it, and whoever happens to get those pages pays.
 */
import { ftruncateSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from "node:fs";
import { tmpdir, totalmem } from "node:os";
import { join } from "node:path";

/** What may stay free: little more than the kernel keeps free by itself. */
const FREE_BYTES_MAX = 256 * 2 ** 20;
const READ_BYTES = 2 ** 20;
/** Between two looks at how much is free. */
const READS = 32;
/** Pages that come back at once, each time, are somebody else's: more turns would not make them stay. */
const TURNS_MAX = 2;

let filler: { readonly fd: number; readonly bytes: number } | undefined;
let at = 0;

/**
 * Fills the page cache by reading a file that has no blocks: no disk is read, no byte is written. The file lies in the folder
 * for temporary files and has no name; it goes with this process.
 */
export function fillPageCache(): void {
  filler ??= openFiller();
  const { fd, bytes } = filler;
  const into = Buffer.allocUnsafe(READ_BYTES);
  for (let read = 0; read < TURNS_MAX * bytes && freeBytes() > FREE_BYTES_MAX; ) {
    for (let i = 0; i < READS; i++) {
      readSync(fd, into, 0, READ_BYTES, at);
      at = (at + READ_BYTES) % bytes;
      read += READ_BYTES;
    }
  }
}

function openFiller() {
  const folder = mkdtempSync(join(tmpdir(), "kindred-page-cache-"));
  try {
    const fd = openSync(join(folder, "holes"), "wx+", 0o600);
    const bytes = Math.ceil(totalmem() / READ_BYTES) * READ_BYTES;
    ftruncateSync(fd, bytes);
    return { fd, bytes };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Not `os.freemem()`, which counts what the page cache could give back. */
function freeBytes(): number {
  const [, kilobytes] = /^MemFree:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8")) ?? [];
  if (kilobytes === undefined) throw new Error("/proc/meminfo names no MemFree");
  return Number(kilobytes) * 1024;
}
