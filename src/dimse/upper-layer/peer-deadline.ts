/**
 * When what is awaited of a peer must have come. It moves with every PDU: a timer of the system is not set anew each time, it looks at
 * the deadline when it fires.
 */
import { type PeerTimeout, peerTimeout } from "./peer-timeout.ts";

/** @typeParam Awaited - names of what may be awaited */
export class PeerDeadline<Awaited extends string> {
  readonly #onDue: (of: Awaited, seconds: number) => void;
  /** `atMs` on the clock of `performance.now`. */
  #deadline: { readonly of: Awaited; readonly atMs: number; readonly seconds: number } | undefined;
  /** Fires at the deadline or before it; then it is set again. */
  #timer: PeerTimeout | undefined;
  #timerAtMs = 0;

  /** @param onDue - called with what was awaited, and the seconds it was given; nothing is awaited then */
  constructor(onDue: (of: Awaited, seconds: number) => void) {
    this.#onDue = onDue;
  }

  /** What is awaited now. */
  get of(): Awaited | undefined {
    return this.#deadline?.of;
  }

  set(of: Awaited, seconds: number): void {
    const atMs = performance.now() + seconds * 1000;
    this.#deadline = { of, atMs, seconds };
    if (this.#timer === undefined || atMs < this.#timerAtMs) this.#setTimer(atMs);
  }

  /** Nothing is awaited. */
  clear(): void {
    this.#deadline = undefined;
  }

  /** The same, for good: no timer is left. */
  end(): void {
    this.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #setTimer(atMs: number): void {
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    const seconds = Math.max(0, atMs - performance.now()) / 1000;
    this.#timer = peerTimeout(seconds, () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    const deadline = this.#deadline;
    if (deadline === undefined) return;
    if (performance.now() < deadline.atMs) {
      this.#setTimer(deadline.atMs);
      return;
    }
    this.#deadline = undefined;
    this.#onDue(deadline.of, deadline.seconds);
  }
}
