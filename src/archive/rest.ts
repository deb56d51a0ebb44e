/** A sleep in the background that ends at once when it is stopped. */
export interface Rest {
  sleep(ms: number): Promise<void>;
  stop(): void;
  isStopped(): boolean;
}

export function createRest(): Rest {
  const stopped = new AbortController();
  return {
    isStopped: () => stopped.signal.aborted,
    stop: () => stopped.abort(),
    sleep: (ms) =>
      new Promise((resolve) => {
        if (stopped.signal.aborted) return resolve();
        const done = () => {
          clearTimeout(timer);
          stopped.signal.removeEventListener("abort", done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        timer.unref();
        stopped.signal.addEventListener("abort", done, { once: true });
      }),
  };
}
