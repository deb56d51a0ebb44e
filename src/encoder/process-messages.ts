/** What the model process is asked and what it answers: one entry a kind of question. */
import type { Bundle } from "./bundle.ts";

/** Add a kind here, and its handler in `process-handlers.ts`. */
export interface Questions {
  /** Make ready for one model profile: graphs loaded, golden vectors right. */
  readonly prove: {
    readonly ask: {
      readonly bundle: Bundle;
      readonly profileId: string;
      readonly provider: string;
      /** CPU threads of one run. */
      readonly threads: number;
      /** Most windows of one run. */
      readonly batchMax: number;
    };
    /** Of one run: the first guess of its cost. */
    readonly answer: { readonly milliseconds: number };
  };
  /** Embed one tensor file with a profile that was proved before. */
  readonly run: {
    readonly ask: {
      readonly modelId: string;
      readonly profileId: string;
      readonly tensorPath: string;
      readonly batchMax: number;
    };
    readonly answer: Embedded;
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
  /** Free the memory of a model; it is loaded again when it is asked. */
  readonly release: {
    readonly ask: { readonly modelId: string };
    readonly answer: Record<never, never>;
  };
}

/** What one run of a profile gives. */
export interface Embedded {
  /** Of unit length, a space of granularity volume each, in the manifest's order: the first one answers queries. */
  readonly vectors: readonly { readonly space: string; readonly vector: Float32Array }[];
  /** By reference, `STAGE` or `STAGE.OUTPUT`: what heads and guard of the profile read. Finite; row-major. */
  readonly outputs: Readonly<
    Record<string, { readonly dims: readonly number[]; readonly data: Float32Array }>
  >;
  /** Of the run alone. */
  readonly milliseconds: number;
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
