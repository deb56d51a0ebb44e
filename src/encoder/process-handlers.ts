/** What the model process does when it is asked: one function a kind of question. */
import { KindredError } from "../kernel/errors.ts";
import type { Bundle } from "./bundle.ts";
import type { Answer, Ask, Handlers } from "./process-messages.ts";
import { execute, type RunGraph } from "./run/execute.ts";
import { countOf, type HostTensor, type Values } from "./run/host-tensor.ts";
import { findingInputs, planRun, profileOf, type RunPlan, volumeSpaces } from "./run/plan.ts";
import { proveProfile } from "./run/prove.ts";
import { createSessions, type Sessions } from "./run/sessions.ts";
import { readTensor } from "./run/tensor-file.ts";
import { createTextHandlers } from "./text/tower.ts";
import { unitVector } from "./vector.ts";

interface Proved {
  readonly bundle: Bundle;
  readonly plan: RunPlan;
}

export function createHandlers(): Handlers {
  /** By provider; a process is asked for one. */
  const byProvider = new Map<string, Sessions>();
  /** By model id and profile id. */
  const proved = new Map<string, Proved & { readonly sessions: Sessions }>();

  const sessionsOf = ({ provider, threads }: Ask<"prove">): Sessions => {
    const sessions = byProvider.get(provider) ?? createSessions({ provider, threads });
    byProvider.set(provider, sessions);
    return sessions;
  };

  return {
    ...createTextHandlers(),
    async prove(ask) {
      const { bundle, profileId, batchMax } = ask;
      const { manifest, digest } = bundle;
      const sessions = sessionsOf(ask);
      try {
        const run = runnerOf(sessions, bundle);
        const milliseconds = await proveProfile(manifest, profileId, run, batchMax);
        const plan = planRun(manifest, profileId, wantedOf(bundle, profileId));
        proved.set(`${manifest.id} ${profileId}`, { bundle, plan, sessions });
        return { milliseconds };
      } catch (error) {
        const isInUse = [...proved.values()].some((one) => one.bundle.digest === digest);
        if (!isInUse) await sessions.release(digest);
        throw error;
      }
    },
    async run({ modelId, profileId, tensorPath, batchMax }) {
      const one = proved.get(`${modelId} ${profileId}`);
      if (one === undefined)
        throw new KindredError("MODEL_NOT_READY", `Model ${modelId} is not loaded`);
      const { shape } = one.plan.profile;
      const values: Values = new Map([
        ["input", { dims: shape, data: await readTensor(tensorPath, countOf(shape)) }],
      ]);
      const started = performance.now();
      await execute(one.plan, values, runnerOf(one.sessions, one.bundle), batchMax);
      return answerOf(one, values, performance.now() - started);
    },
    async release({ modelId }) {
      for (const { bundle, sessions } of proved.values())
        if (bundle.manifest.id === modelId) await sessions.release(bundle.digest);
      return {};
    },
  };
}

function runnerOf(sessions: Sessions, bundle: Bundle): RunGraph {
  return (graph, feeds, wanted) => sessions.run(bundle, graph, feeds, wanted);
}

function wantedOf({ manifest }: Bundle, profileId: string): string[] {
  profileOf(manifest, profileId);
  return [
    ...volumeSpaces(manifest, profileId).map((space) => space.from),
    ...findingInputs(manifest, profileId),
  ];
}

function answerOf({ bundle, plan }: Proved, values: Values, milliseconds: number): Answer<"run"> {
  const { manifest } = bundle;
  const { id } = plan.profile;
  const outputs = findingInputs(manifest, id).map((reference): [string, HostTensor] => {
    const { dims, data } = values.get(reference)!;
    if (!data.every(Number.isFinite))
      throw new KindredError(
        "MODEL_OUTPUT_INVALID",
        `The output ${reference} holds NaN or infinity`,
      );
    return [reference, { dims, data }];
  });
  return {
    vectors: volumeSpaces(manifest, id).map((space) => ({
      space: space.id,
      vector: unitVector(values.get(space.from)!.data, space.dimension),
    })),
    outputs: Object.fromEntries(outputs),
    milliseconds,
  };
}
