/** The judges of a node's bundles: their files are read and their prompts embedded once, when they are first needed. */
import { codeOf, messageOf } from "../../kernel/errors.ts";
import type { Bundle } from "../bundle.ts";
import type { TextEncoder } from "../text/text-encoder.ts";
import { type Judgement, judgeVolume, type ProfileAnswer, type SetVectors } from "./judge.ts";
import { readJudgeData, readPrompts } from "./judge-data.ts";
import { aggregate, type LabelPrompts, type PromptVectors } from "./zero-shot.ts";

export interface Judges {
  /**
   * @param answers - of one volume, by profile id
   * @returns undefined when the bundle has neither heads nor zero-shot sets; a file that cannot be used is a problem
   * @throws KindredError `UNAVAILABLE` when the text process died or was late twice (try again), `SHUTTING_DOWN`
   */
  judge(
    bundle: Bundle,
    answers: ReadonlyMap<string, ProfileAnswer>,
  ): Promise<Judgement | undefined>;
}

export function createJudges(texts: TextEncoder): Judges {
  const loaded = new Map<string, ReturnType<typeof load>>();
  return {
    async judge(bundle, answers) {
      const { heads, zeroShot } = bundle.manifest;
      if (heads === undefined && zeroShot === undefined) return undefined;
      const reading = loaded.get(bundle.digest) ?? load(bundle);
      loaded.set(bundle.digest, reading);
      const read = await reading.catch((error: unknown) => {
        loaded.delete(bundle.digest);
        return messageOf(error);
      });
      if (typeof read === "string")
        return { guard: null, statement: null, findings: [], problems: [read] };
      const { data, prompts, vectors } = read;
      await embedPrompts(bundle, texts, prompts, vectors);
      return judgeVolume(data, vectors, answers);
    },
  };
}

type Vectors = Map<string, SetVectors extends ReadonlyMap<string, infer T> ? T : never>;

async function load(bundle: Bundle) {
  const data = await readJudgeData(bundle);
  const prompts = await readPrompts(bundle, data.labels);
  const vectors: Vectors = new Map();
  return { data, prompts, vectors };
}

/** Fills in the sets that have no vectors yet; a set whose texts cannot be embedded says why, and is tried again next time. */
async function embedPrompts(
  bundle: Bundle,
  texts: TextEncoder,
  prompts: ReadonlyMap<string, readonly LabelPrompts[]>,
  vectors: Vectors,
): Promise<void> {
  for (const set of bundle.manifest.zeroShot ?? []) {
    const known = vectors.get(set.id);
    if (known !== undefined && !("problem" in known)) continue;
    const embed = () => promptVectors(bundle, texts, prompts.get(set.id)!, set.aggregate);
    try {
      // A process that died is started again: what killed it may have passed.
      const made = await embed().catch((error: unknown) => {
        if (codeOf(error) === "UNAVAILABLE") return embed();
        throw error;
      });
      vectors.set(set.id, made);
    } catch (error) {
      // Neither says anything of the bundle.
      if (["UNAVAILABLE", "SHUTTING_DOWN"].includes(codeOf(error))) throw error;
      vectors.set(set.id, { problem: messageOf(error) });
    }
  }
}

async function promptVectors(
  bundle: Bundle,
  texts: TextEncoder,
  prompts: readonly LabelPrompts[],
  how: "meanVector" | "meanCosine",
): Promise<PromptVectors[]> {
  const made: PromptVectors[] = [];
  for (const { positive, negative } of prompts) {
    const vectors = await texts.vectorsOf(bundle, [...positive, ...negative]);
    made.push({
      positive: aggregate(vectors.slice(0, positive.length), how),
      negative: aggregate(vectors.slice(positive.length), how),
    });
  }
  return made;
}
