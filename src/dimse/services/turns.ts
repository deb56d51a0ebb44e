/** Turns at something that only so many may use at once: one queue a key, first come, first served. */

export interface Turns {
  /**
   * Waits for a turn.
   *
   * @returns gives the turn back, once; undefined when the signal fired first
   */
  take(key: string, signal: AbortSignal): Promise<(() => void) | undefined>;
}

interface Queue {
  running: number;
  readonly waiting: (() => void)[];
}

/** @param onWaiting - called with how many wait in all, whenever that changes */
export function createTurns(atOnceMax: number, onWaiting: (count: number) => void): Turns {
  const queues = new Map<string, Queue>();
  let waiting = 0;
  const changeWaiting = (by: 1 | -1) => {
    waiting += by;
    onWaiting(waiting);
  };

  function giverOf(key: string, queue: Queue): () => void {
    let isGiven = false;
    return () => {
      if (isGiven) return;
      isGiven = true;
      const next = queue.waiting.shift();
      if (next !== undefined) {
        // The turn passes on; the count of those that run stays.
        next();
        return;
      }
      queue.running--;
      if (queue.running === 0) queues.delete(key);
    };
  }

  return {
    async take(key, signal) {
      if (signal.aborted) return undefined;
      const queue = queues.get(key) ?? { running: 0, waiting: [] };
      queues.set(key, queue);
      if (queue.running < atOnceMax) {
        queue.running++;
        return giverOf(key, queue);
      }
      changeWaiting(1);
      const isMine = await new Promise<boolean>((resolve) => {
        const begin = () => {
          signal.removeEventListener("abort", leave);
          resolve(true);
        };
        const leave = () => {
          queue.waiting.splice(queue.waiting.indexOf(begin), 1);
          resolve(false);
        };
        queue.waiting.push(begin);
        signal.addEventListener("abort", leave, { once: true });
      });
      changeWaiting(-1);
      return isMine ? giverOf(key, queue) : undefined;
    },
  };
}
