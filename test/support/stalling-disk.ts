/**
 * A disk that stalls: an ext4 file system on a loop device whose own file lies on another ext4 file system, which is frozen
 * for as long as one likes. Then the device answers no write, as a broken disk or a storage network does, while the page
 * cache above it goes on. fsfreeze(8), loop(4).
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./node-under-test.ts";

export interface StallingDisk {
  readonly folder: string;
  stall(): void;
  goOn(): void;
  remove(): void;
}

/** What waits for a frozen file system cannot be killed: when the test dies, the disk goes on by itself after this. */
const STALL_SECONDS_MAX = 90;
/** What the outer file system takes beside the image. */
const OUTER_MEGABYTES = 64;

/** @returns undefined where this machine does not let us mount one */
export function stallingDisk(megabytes: number): StallingDisk | undefined {
  const base = temporaryFolder();
  const outer = join(base, "device");
  const folder = join(base, "disk");
  const remove = () => {
    did("fsfreeze", "--unfreeze", outer);
    did("umount", folder);
    did("umount", outer);
    rmSync(base, { recursive: true, force: true });
  };
  const isThere =
    mounted(join(base, "image"), outer, megabytes + OUTER_MEGABYTES) &&
    mounted(join(outer, "image"), folder, megabytes) &&
    did("fsfreeze", "--freeze", outer) &&
    did("fsfreeze", "--unfreeze", outer);
  if (!isThere) {
    remove();
    return undefined;
  }
  return {
    folder,
    stall() {
      const later = `sleep ${STALL_SECONDS_MAX}; fsfreeze --unfreeze '${outer}'`;
      spawn("sh", ["-c", later], { detached: true, stdio: "ignore" }).unref();
      if (!did("fsfreeze", "--freeze", outer)) throw new Error("the disk cannot be stalled");
    },
    goOn() {
      if (!did("fsfreeze", "--unfreeze", outer)) throw new Error("the disk was not stalled");
    },
    remove,
  };
}

function did(command: string, ...argv: string[]): boolean {
  return spawnSync(command, argv).status === 0;
}

function mounted(image: string, folder: string, megabytes: number): boolean {
  mkdirSync(folder, { recursive: true });
  writeFileSync(image, "");
  truncateSync(image, megabytes * 1_048_576);
  return did("mkfs.ext4", "-q", image) && did("mount", "-o", "loop", image, folder);
}
