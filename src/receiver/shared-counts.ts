/** Associations of all receivers counted together, by their parent, so that the limits hold for the node. */
import {
  type AssociationCounts,
  type AssociationKey,
  type CountedAssociation,
  createAssociationCounts,
} from "../dimse/association-counts.ts";

/** From a receiver: an association opens or closes. */
export type CountRequest =
  | { readonly type: "count-open"; readonly id: number; readonly key: AssociationKey }
  | { readonly type: "count-close"; readonly id: number };

/** To a receiver: what was open beside it. */
export interface CountAnswer {
  readonly type: "counted";
  readonly id: number;
  readonly others: Omit<CountedAssociation, "close">;
}

/** How long a receiver waits for its parent before it counts by itself: a peer must not wait for a busy node. */
const ANSWER_MS_MAX = 1_000;

export interface SharedCounts extends AssociationCounts {
  answered(answer: CountAnswer): void;
}

/** The receiver's side. Its own counts stand in when the parent does not answer in time. */
export function createSharedCounts(tell: (request: CountRequest) => void): SharedCounts {
  const own = createAssociationCounts();
  const waiting = new Map<number, (others: CountAnswer["others"] | undefined) => void>();
  let lastId = 0;
  return {
    answered: ({ id, others }) => waiting.get(id)?.(others),
    async open(key) {
      const id = ++lastId;
      const here = await own.open(key);
      const { promise, resolve } = Promise.withResolvers<CountAnswer["others"] | undefined>();
      const timer = setTimeout(() => resolve(undefined), ANSWER_MS_MAX);
      waiting.set(id, resolve);
      tell({ type: "count-open", id, key });
      const others = await promise;
      clearTimeout(timer);
      waiting.delete(id);
      return {
        ...(others ?? here),
        close() {
          here.close();
          tell({ type: "count-close", id });
        },
      };
    },
  };
}

/** The parent's side. One `ReceiverCounts` for each receiver, all over the same counts. */
export interface ReceiverCounts {
  take(request: CountRequest): Promise<void>;
  /** The receiver is gone, and its associations with it. */
  end(): void;
}

export function createReceiverCounts(
  counts: AssociationCounts,
  answer: (answer: CountAnswer) => void,
): ReceiverCounts {
  const open = new Map<number, CountedAssociation>();
  return {
    async take(request) {
      if (request.type === "count-close") {
        open.get(request.id)?.close();
        open.delete(request.id);
        return;
      }
      const { close, ...others } = await counts.open(request.key);
      open.set(request.id, { close, ...others });
      answer({ type: "counted", id: request.id, others });
    },
    end() {
      for (const one of open.values()) one.close();
      open.clear();
    },
  };
}
