/** Turns that all receivers of a node share: a receiver asks over its channel, the node keeps the queues. */
import type { Turns } from "../dimse/services/turns.ts";
import type { FromReceiver, ToReceiver } from "./messages.ts";

/** The node's side, one for each receiver process. */
export interface TurnsOfReceiver {
  take(id: number, key: string): void;
  /** Gives a turn back, or leaves its queue. */
  leave(id: number): void;
  /** The receiver ended: everything it held goes to the next. */
  leaveAll(): void;
}

export function turnsOfReceiver(
  turns: Turns,
  tell: (message: ToReceiver) => void,
): TurnsOfReceiver {
  const held = new Map<number, AbortController>();
  return {
    take(id, key) {
      const leaving = new AbortController();
      held.set(id, leaving);
      void turns.take(key, leaving.signal).then((giveBack) => {
        if (giveBack === undefined) return;
        if (leaving.signal.aborted) giveBack();
        else {
          leaving.signal.addEventListener("abort", giveBack, { once: true });
          tell({ type: "turn", id });
        }
      });
    },
    leave(id) {
      held.get(id)?.abort();
      held.delete(id);
    },
    leaveAll() {
      for (const leaving of held.values()) leaving.abort();
      held.clear();
    },
  };
}

/** The receiver's side. */
export function turnsByChannel(tell: (message: FromReceiver) => void): {
  readonly turns: Turns;
  /** The node gave the turn with this id. */
  given(id: number): void;
} {
  const waiting = new Map<number, () => void>();
  let lastId = 0;
  return {
    given: (id) => waiting.get(id)?.(),
    turns: {
      async take(key, signal) {
        if (signal.aborted) return undefined;
        const id = ++lastId;
        let isGivenBack = false;
        const giveBack = () => {
          if (!isGivenBack) tell({ type: "turn back", id });
          isGivenBack = true;
        };
        tell({ type: "turn wanted", id, key });
        const isMine = await new Promise<boolean>((resolve) => {
          waiting.set(id, () => resolve(true));
          signal.addEventListener("abort", () => resolve(false), { once: true });
        });
        waiting.delete(id);
        if (isMine) return giveBack;
        giveBack();
        return undefined;
      },
    },
  };
}
