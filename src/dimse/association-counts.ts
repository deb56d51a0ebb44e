/** How many associations are open, so that policy can hold them against the limits. */

export interface AssociationKey {
  /** Address of the peer. */
  readonly address: string;
  /** Calling AE title. */
  readonly aeTitle: string;
}

/** One association in the counts, and the others beside it when it came. */
export interface CountedAssociation {
  readonly othersInAll: number;
  readonly othersFromAddress: number;
  readonly othersFromPeer: number;
  /** Takes it out again; must be called once, however the association ends. */
  close(): void;
}

/**
 * Counts associations. Each process has counts of its own unless it is given others: receivers that share one port may
 * count together by an implementation that asks their parent.
 */
export interface AssociationCounts {
  /** Counts an association before it is decided about, whatever the limits. */
  open(key: AssociationKey): Promise<CountedAssociation>;
}

/** The counts of this process. */
export function createAssociationCounts(): AssociationCounts {
  let inAll = 0;
  const fromAddress = new Map<string, number>();
  const fromPeer = new Map<string, number>();
  return {
    async open({ address, aeTitle }) {
      const others = {
        othersInAll: inAll,
        othersFromAddress: fromAddress.get(address) ?? 0,
        othersFromPeer: fromPeer.get(aeTitle) ?? 0,
      };
      let isOpen = true;
      inAll++;
      add(fromAddress, address, 1);
      add(fromPeer, aeTitle, 1);
      return {
        ...others,
        close() {
          if (!isOpen) return;
          isOpen = false;
          inAll--;
          add(fromAddress, address, -1);
          add(fromPeer, aeTitle, -1);
        },
      };
    },
  };
}

/** Adds to a count; a key with none is forgotten. */
export function add(counts: Map<string, number>, key: string, change: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + change;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
