/** Which models may be in memory together, and which go when another one needs the room. */
import { totalmem } from "node:os";
import { KindredError } from "../kernel/errors.ts";

export interface MemoryBudget {
  /**
   * Runs a task that needs a model in memory. Models that were not used for the longest time are freed first; models
   * that work at this moment are waited for.
   *
   * @param place - the device, so that what a process takes along is known
   * @throws KindredError `MODEL_OUT_OF_MEMORY` when the model alone is larger than the budget
   */
  use<T>(place: string, modelId: string, megabytes: number, task: () => Promise<T>): Promise<T>;
  /** The process of a device ended, and with it all that was loaded in it. */
  forget(place: string): void;
}

interface Loaded {
  readonly place: string;
  readonly modelId: string;
  readonly megabytes: number;
  users: number;
}

const MEBIBYTE = 1_048_576;
/** The rest is for the node itself, the database, and the system. */
const SHARE = 0.75;

/** Three quarters of what the machine, or the container, has; MiB. */
export function defaultMegabytes(): number {
  const limit = process.constrainedMemory();
  const bytes = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.floor((bytes * SHARE) / MEBIBYTE);
}

/** @param free - frees a model in a device's process */
export function createMemoryBudget(
  megabytesMax: number,
  free: (place: string, modelId: string) => Promise<void>,
): MemoryBudget {
  /** Least recently used first. */
  const loaded = new Map<string, Loaded>();
  let isIdle = Promise.withResolvers<void>();
  const nameOf = (place: string, modelId: string) => `${place} ${modelId}`;

  /** @returns the model's entry with one user more, made in the same turn in which there was room */
  const enter = async (place: string, modelId: string, megabytes: number): Promise<Loaded> => {
    const name = nameOf(place, modelId);
    for (;;) {
      const others = [...loaded].filter(([key]) => key !== name);
      const used = others.reduce((sum, [, one]) => sum + one.megabytes, 0);
      if (used + megabytes <= megabytesMax) {
        const one = loaded.get(name) ?? { place, modelId, megabytes, users: 0 };
        loaded.delete(name);
        loaded.set(name, one);
        one.users++;
        return one;
      }
      const idle = others.find(([, one]) => one.users === 0);
      if (idle === undefined) {
        await isIdle.promise;
        continue;
      }
      loaded.delete(idle[0]);
      await free(idle[1].place, idle[1].modelId);
    }
  };

  return {
    async use(place, modelId, megabytes, task) {
      if (megabytes > megabytesMax)
        throw new KindredError(
          "MODEL_OUT_OF_MEMORY",
          `${modelId} needs ${megabytes} MiB and encoder.memoryMegabytes allows ${megabytesMax}: raise it where the machine has more, or take the model out of encoder.models`,
        );
      const one = await enter(place, modelId, megabytes);
      try {
        return await task();
      } finally {
        one.users--;
        isIdle.resolve();
        isIdle = Promise.withResolvers();
      }
    },
    forget(place) {
      for (const [name, one] of loaded) if (one.place === place) loaded.delete(name);
      isIdle.resolve();
      isIdle = Promise.withResolvers();
    },
  };
}
