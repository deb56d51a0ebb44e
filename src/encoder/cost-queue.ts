/** One thing at a time, the shortest first, so that a cheap model does not stand behind a dear one. */

export interface CostQueue {
  /** @param seconds - what the task will cost, as far as is known */
  run<T>(seconds: number, task: () => Promise<T>): Promise<T>;
}

interface Waiting {
  readonly due: number;
  start(): Promise<void>;
}

/**
 * Among those that wait, the one with the earliest `arrival + cost` is next. So a task of 600 s lets pass what is shorter
 * and came within its first 600 s, and nothing that came later: a dear one is not starved.
 *
 * @param now - seconds, never going back
 */
export function createCostQueue(now: () => number = () => performance.now() / 1000): CostQueue {
  const waiting: Waiting[] = [];
  let isBusy = false;

  const next = async () => {
    if (isBusy) return;
    isBusy = true;
    while (waiting.length > 0) {
      const first = waiting.reduce((best, one) => (one.due < best.due ? one : best));
      waiting.splice(waiting.indexOf(first), 1);
      await first.start();
    }
    isBusy = false;
  };

  return {
    run: (seconds, task) =>
      new Promise((resolve, reject) => {
        waiting.push({
          due: now() + seconds,
          start: () => Promise.resolve().then(task).then(resolve, reject),
        });
        // What comes in the same turn is compared before the first one starts.
        queueMicrotask(() => void next());
      }),
  };
}
