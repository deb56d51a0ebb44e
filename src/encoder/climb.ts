/** Down the configured providers until one proves itself: the same for the profiles of a model and for its text tower. */
import { codeOf, messageOf } from "../kernel/errors.ts";

/** A provider that was tried and did not prove itself. */
export interface ProviderAttempt {
  readonly provider: string;
  readonly error: string;
}

/** What is known of one that climbs. */
export interface Climber {
  /** The provider that proved itself; null before and when none did. */
  provider: string | null;
  attempts: ProviderAttempt[];
  /** Process in which it was proved. */
  generation: number;
  wasReady: boolean;
}

const ATTEMPT_TEXT_MAX = 300;

/**
 * A provider that failed is not tried again, so one that crashes its process does not do so again and again; unless the
 * climber worked before: what ended it may have passed (memory, a GPU reset), so every provider gets another chance.
 *
 * @param prove - resolves when the provider gave what was expected
 * @param generationOf - process of a provider now
 * @throws KindredError `SHUTTING_DOWN`: that says nothing of the provider
 */
export async function climb(
  one: Climber,
  providers: readonly string[],
  prove: (provider: string) => Promise<unknown>,
  generationOf: (provider: string) => number,
): Promise<void> {
  if (one.provider === null && one.wasReady) one.attempts = [];
  one.provider = null;
  for (const provider of providers) {
    if (one.attempts.some((attempt) => attempt.provider === provider)) continue;
    try {
      await prove(provider);
    } catch (cause) {
      if (codeOf(cause) === "SHUTTING_DOWN") throw cause;
      const error = messageOf(cause).split("\n")[0]!.slice(0, ATTEMPT_TEXT_MAX);
      one.attempts.push({ provider, error });
      continue;
    }
    one.provider = provider;
    one.generation = generationOf(provider);
    one.wasReady = true;
    return;
  }
}
