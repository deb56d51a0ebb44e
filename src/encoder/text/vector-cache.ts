/** Text vectors that were computed before, least lately used first out; bounded by their number. */
export interface VectorCache {
  get(bundleDigest: string, text: string): Float32Array | undefined;
  put(bundleDigest: string, text: string, vector: Float32Array): void;
}

/** @param entriesMax - vectors kept; of 4000 values each they take at most 16 kB */
export function createVectorCache(entriesMax: number): VectorCache {
  // A Map gives its keys in the order in which they were set.
  const kept = new Map<string, Float32Array>();
  const keyOf = (digest: string, text: string) => `${digest} ${text}`;
  return {
    get(digest, text) {
      const key = keyOf(digest, text);
      const found = kept.get(key);
      if (found === undefined) return undefined;
      kept.delete(key);
      kept.set(key, found);
      return found;
    },
    put(digest, text, vector) {
      const key = keyOf(digest, text);
      kept.delete(key);
      kept.set(key, vector);
      const [oldest] = kept.keys();
      if (kept.size > entriesMax && oldest !== undefined) kept.delete(oldest);
    },
  };
}
