/** What the model process is asked and what it answers: one entry a kind of question. */
import type { Bundle } from "./bundle.ts";

/** Add a kind here, and its handler in `process-handlers.ts`. */
export interface Questions {
  /** Make this provider ready for one model profile, golden vectors first. */
  readonly prove: {
    readonly ask: {
      readonly bundle: Bundle;
      readonly profileId: string;
      readonly provider: string;
      readonly threads: number;
    };
    readonly answer: Record<never, never>;
  };
  /** Embed one tensor file with a profile that was proved before. */
  readonly run: {
    readonly ask: {
      readonly modelId: string;
      readonly profileId: string;
      readonly tensorPath: string;
    };
    readonly answer: { readonly vector: Float32Array; readonly milliseconds: number };
  };
  /** Make this provider ready for the text tower of a bundle, golden texts first. */
  readonly proveText: {
    readonly ask: { readonly bundle: Bundle; readonly provider: string; readonly threads: number };
    readonly answer: Record<never, never>;
  };
  /** Vectors of texts with a tower that was proved before. */
  readonly text: {
    readonly ask: { readonly modelId: string; readonly texts: readonly string[] };
    readonly answer: { readonly vectors: readonly Float32Array[] };
  };
}

export type Kind = keyof Questions;
export type Ask<K extends Kind> = Questions[K]["ask"];
export type Answer<K extends Kind> = Questions[K]["answer"];

export interface ToProcess<K extends Kind = Kind> {
  readonly call: number;
  readonly kind: K;
  readonly ask: Ask<K>;
}

export type FromProcess =
  | { readonly call: number; readonly answer: Answer<Kind> }
  | { readonly call: number; readonly error: { readonly code: string; readonly message: string } };

/** One function a kind of question. */
export type Handlers = { readonly [K in Kind]: (ask: Ask<K>) => Promise<Answer<K>> };
