/** One model profile on its way to serve: the providers it was tried on, where it proved itself, what a run costs. */
import type { Config } from "../config/schema.ts";
import { KindredError } from "../kernel/errors.ts";
import type { Bundle } from "./bundle.ts";
import { type Climber, climb } from "./climb.ts";
import { type CostQueue, createCostQueue } from "./cost-queue.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import type { ProcessHost } from "./process-host.ts";
import type { Embedded } from "./process-messages.ts";

/** What is known of one model profile. */
export interface Serving extends Climber {
  readonly bundle: Bundle;
  readonly profileId: string;
  /** Whether a climb down the providers ended, one way or the other. */
  wasTried: boolean;
  /** Of one run, a moving average; null before the first one. */
  seconds: number | null;
  /** Most windows of one run, after the system ended a process that ran more; null: as the manifest says. */
  windowsMax: number | null;
  /** Processes in a row that the system ended while they ran this profile. */
  killed: number;
  /** The climb that goes on. */
  climbing: Promise<void> | undefined;
}

/** One provider: a process of its own, and what waits for it. */
export interface Device {
  readonly host: ProcessHost;
  readonly queue: CostQueue;
}

export type Devices = ReadonlyMap<string, Device>;

/** Loading and compiling, without the runs. */
const LOAD_SECONDS = 300;
/** A process that the system ends twice with the same work will be ended a third time. */
const KILLED_MAX = 2;
/** How much the newest run counts. */
const NEWEST_SHARE = 0.3;

export function unserved(bundle: Bundle, profileId: string): Serving {
  return {
    bundle,
    profileId,
    provider: null,
    attempts: [],
    generation: 0,
    wasReady: false,
    wasTried: false,
    seconds: null,
    windowsMax: null,
    killed: 0,
    climbing: undefined,
  };
}

export function createDevices(
  config: Config["encoder"],
  createHost: (provider: string) => ProcessHost,
): Devices {
  return new Map(
    config.providers.map((provider) => [
      provider,
      { host: createHost(provider), queue: createCostQueue() },
    ]),
  );
}

export function createServing(config: Config["encoder"], devices: Devices, memory: MemoryBudget) {
  const isReady = (one: Serving) =>
    one.provider !== null && one.generation === devices.get(one.provider)!.host.generation();

  const prove = async (one: Serving, provider: string): Promise<void> => {
    const { bundle, profileId } = one;
    const { host, queue } = devices.get(provider)!;
    const { id, runtime, golden } = bundle.manifest;
    const { threads, runSeconds } = config;
    const seconds = LOAD_SECONDS + golden.length * runSeconds;
    const ask = () => {
      const batchMax = windowsOf(one, provider);
      return host.ask("prove", { bundle, profileId, provider, threads, batchMax }, seconds);
    };
    const { milliseconds } = await queue.run(one.seconds ?? 0, () =>
      memory.use(provider, id, runtime.ramMb, ask),
    );
    one.seconds ??= milliseconds / 1000;
  };

  const climbDown = async (one: Serving): Promise<void> => {
    const generationOf = (provider: string) => devices.get(provider)!.host.generation();
    await climb(one, config.providers, (provider) => prove(one, provider), generationOf);
    one.wasTried = true;
  };

  const makeReady = async (one: Serving): Promise<void> => {
    if (isReady(one)) return;
    one.climbing ??= climbDown(one).finally(() => {
      one.climbing = undefined;
    });
    await one.climbing;
  };

  /** @returns undefined when the process in which the profile was proved is gone */
  const runOnce = (one: Serving, provider: string, tensorPath: string) => {
    const { id, runtime } = one.bundle.manifest;
    const { host, queue } = devices.get(provider)!;
    return queue.run(one.seconds ?? 0, () =>
      memory.use(provider, id, runtime.ramMb, async () => {
        if (!isReady(one)) return undefined;
        const batchMax = windowsOf(one, provider);
        const question = { modelId: id, profileId: one.profileId, tensorPath, batchMax };
        return host.ask("run", question, config.runSeconds);
      }),
    );
  };

  return {
    makeReady,
    /** @throws as `Encoder.embedFile` */
    async run(one: Serving, tensorPath: string): Promise<Embedded & { provider: string }> {
      for (;;) {
        await makeReady(one);
        const { provider } = one;
        if (provider === null) throw notReady(one);
        try {
          const answer = await runOnce(one, provider, tensorPath);
          if (answer === undefined) continue;
          one.killed = 0;
          const measured = answer.milliseconds / 1000;
          one.seconds = (one.seconds ?? measured) * (1 - NEWEST_SHARE) + measured * NEWEST_SHARE;
          return { ...answer, provider };
        } catch (error) {
          if (!isKilled(error)) throw error;
          if (++one.killed >= KILLED_MAX) throw killedTwice(one);
          one.windowsMax = 1;
        }
      }
    },
  };
}

/** Most windows of one run: several at a time pay on a GPU and not on a CPU. */
function windowsOf({ bundle, windowsMax }: Serving, provider: string): number {
  const note = bundle.manifest.runtime.providers.find((one) => one.provider === provider);
  return windowsMax ?? note?.batchMax ?? (provider === "cpu" ? 1 : Number.MAX_SAFE_INTEGER);
}

/** Linux ends the process that holds most with this signal when memory is short. */
function isKilled(error: unknown): boolean {
  return error instanceof KindredError && error.details.signal === "SIGKILL";
}

/** What served once may serve again; what never proved itself needs somebody to look at it. */
function notReady({ bundle, wasReady }: Serving): KindredError {
  const { id } = bundle.manifest;
  return wasReady
    ? new KindredError("UNAVAILABLE", `Model ${id} lost its process and did not come back`)
    : new KindredError("MODEL_NOT_READY", `Model ${id} did not prove itself: see kindred doctor`);
}

function killedTwice({ bundle }: Serving): KindredError {
  const { id, runtime } = bundle.manifest;
  return new KindredError(
    "MODEL_OUT_OF_MEMORY",
    `The system ended the process of ${id} ${KILLED_MAX} times, most likely for memory (it needs ${runtime.ramMb} MiB): give the machine more, or take it out of encoder.models`,
  );
}
