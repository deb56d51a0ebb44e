/** The vectors of texts for receivers, which have no models: a receiver asks over its channel, the node's encoder answers. */
import { codeOf, type ErrorCode, KindredError, messageOf } from "../kernel/errors.ts";
import type { TextExample, TextVectors } from "../search/text-query.ts";
import type { FromReceiver } from "./messages.ts";

export interface TextRequest {
  readonly type: "text wanted";
  readonly id: number;
  readonly text: string;
}

export type TextAnswer =
  | { readonly type: "text"; readonly id: number; readonly example: TextExample }
  | {
      readonly type: "text";
      readonly id: number;
      readonly code: ErrorCode;
      readonly message: string;
    };

/** The node's side. Never rejects. */
export function answerText(texts: TextVectors, { id, text }: TextRequest): Promise<TextAnswer> {
  return texts.vectorOf(text).then(
    (example) => ({ type: "text", id, example }),
    (error: unknown) => ({ type: "text", id, code: codeOf(error), message: messageOf(error) }),
  );
}

/** The receiver's side. It ends with the node, so no question stays open. */
export function textsByChannel(tell: (message: FromReceiver) => void): {
  readonly texts: TextVectors;
  answered(answer: TextAnswer): void;
} {
  const waiting = new Map<number, (answer: TextAnswer) => void>();
  let lastId = 0;
  return {
    answered: (answer) => waiting.get(answer.id)?.(answer),
    texts: {
      async vectorOf(text) {
        const id = ++lastId;
        const { promise, resolve } = Promise.withResolvers<TextAnswer>();
        waiting.set(id, resolve);
        tell({ type: "text wanted", id, text });
        const answer = await promise;
        waiting.delete(id);
        if ("example" in answer) return answer.example;
        throw new KindredError(answer.code, answer.message);
      },
    },
  };
}

/** Of a node without models: role receiver. */
export const NO_TEXTS: TextVectors = {
  async vectorOf() {
    throw new KindredError(
      "MODEL_NOT_READY",
      "This node has no models: ask one whose role is all, or over HTTP",
    );
  },
};
