/**
 * Which processes of a node have a sync under way, told to one another in a file in memory: a byte a process. While a file system
 * commits what one process syncs, a plain write of another can wait for it (ext4: the block of its inode is in that commit), so
 * whoever writes on the thread of his sockets must know of all. To look costs a system call on memory, half a microsecond; a
 * message over the parent would come too late.
 */

import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  openSync,
  readSync,
  statfsSync,
  unlinkSync,
  writeSync,
} from "node:fs";

/** Where Linux has memory as a file system. */
const FOLDER = "/dev/shm";
/** statfs(2). */
const TMPFS_MAGIC = 0x01021994;

/** One process's view. */
export interface SyncFlag {
  /** Tells the others whether this process has a sync under way. */
  set(isUnderWay: boolean): void;
  /** Whether any process has one. */
  isAnySet(): boolean;
}

/** What a process needs to know of the file that it inherits. */
export interface SyncSlot {
  readonly fd: number;
  /** Which byte is its own. */
  readonly slot: number;
  readonly slots: number;
}

/** The side of the parent, which lets its children inherit `fd`. */
export interface SharedSyncs {
  readonly fd: number;
  readonly slots: number;
  flagOf(slot: number): SyncFlag;
  close(): void;
}

/** @returns undefined where the machine has no memory as a file system: then every process knows of its own syncs only */
export function openSharedSyncs(slots: number): SharedSyncs | undefined {
  let fd: number | undefined;
  try {
    if (statfsSync(FOLDER).type !== TMPFS_MAGIC) return undefined;
    const path = `${FOLDER}/kindred-${randomUUID()}`;
    fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_EXCL, 0o600);
    unlinkSync(path);
    // Its one page is there from now on: no later write needs room.
    writeSync(fd, new Uint8Array(slots), 0, slots, 0);
  } catch {
    if (fd !== undefined) closeSync(fd);
    return undefined;
  }
  return shared(fd, slots);
}

function shared(fd: number, slots: number): SharedSyncs {
  let isOpen = true;
  return {
    fd,
    slots,
    flagOf(slot) {
      const flag = syncFlag({ fd, slot, slots });
      // Its number may be another file's after the end.
      return {
        set: (isUnderWay) => void (isOpen && flag.set(isUnderWay)),
        isAnySet: () => isOpen && flag.isAnySet(),
      };
    },
    close() {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/** The side of a child, for which the file is open as long as it lives. */
export function syncFlag({ fd, slot, slots }: SyncSlot): SyncFlag {
  const seen = new Uint8Array(slots);
  const [clear, set] = [Uint8Array.of(0), Uint8Array.of(1)];
  return {
    set: (isUnderWay) => void writeSync(fd, isUnderWay ? set : clear, 0, 1, slot),
    isAnySet() {
      readSync(fd, seen, 0, slots, 0);
      return seen.includes(1);
    },
  };
}
