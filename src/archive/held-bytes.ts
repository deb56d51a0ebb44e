/**
 * Bytes that wait for the disk, copied, because who lent them uses his buffer again. They lie one behind the other in blocks that
 * are used again for the next instance: new memory for each would cost a page fault every 4 kB.
 */
import { Buffer } from "node:buffer";

/** Some hundred of these fit into one writev, whatever `archive.heldBytesMax` says (IOV_MAX is 1024). */
export const BLOCK_BYTES = 262_144;
/** Blocks that are kept for the next; what more of them were needed at once goes back to the system. */
const IDLE_MAX = 4;

/** The blocks of a process. */
export interface Blocks {
  take(): Buffer;
  give(block: Buffer): void;
}

export function createBlocks(): Blocks {
  const idle: Buffer[] = [];
  return {
    take: () => idle.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES),
    give(block) {
      if (idle.length < IDLE_MAX) idle.push(block);
    },
  };
}

export interface HeldBytes {
  readonly length: number;
  /** Copies them behind those that are held already. */
  add(bytes: Uint8Array): void;
  /** Hands all of them out, in order, and holds nothing any more. Their blocks go back with `free`. */
  take(): { readonly buffers: Uint8Array[]; free(): void };
}

export function createHeldBytes(blocks: Blocks): HeldBytes {
  let full: Buffer[] = [];
  /** The one that is filled, up to `used`. */
  let last: Buffer | undefined;
  let used = 0;
  return {
    get length() {
      return full.length * BLOCK_BYTES + used;
    },
    add(bytes) {
      for (let at = 0; at < bytes.length; ) {
        last ??= blocks.take();
        const step = Math.min(bytes.length - at, BLOCK_BYTES - used);
        last.set(step === bytes.length ? bytes : bytes.subarray(at, at + step), used);
        at += step;
        used += step;
        if (used === BLOCK_BYTES) {
          full.push(last);
          last = undefined;
          used = 0;
        }
      }
    },
    take() {
      const taken = last === undefined ? full : [...full, last];
      const buffers: Uint8Array[] =
        last === undefined ? [...full] : [...full, last.subarray(0, used)];
      full = [];
      last = undefined;
      used = 0;
      return { buffers, free: () => taken.forEach(blocks.give) };
    },
  };
}
