/** Plays hostile streams against a node, so many at a time, and judges what it did. */
import type { HostileStream } from "../hostile-streams.ts";
import type { Conversation } from "./conversation.ts";
import { type Played, play, type Target } from "./play.ts";

/** What a node did with one stream that it should not have done. */
export interface Violation {
  readonly stream: string;
  readonly did: string;
  readonly wants: string;
}

export interface ClassResult {
  streams: number;
  violations: number;
  /** Transcripts and how often they were seen. */
  readonly reactions: Map<string, number>;
}

export interface RunOptions {
  readonly target: Target;
  readonly streams: Iterable<HostileStream>;
  readonly concurrency: number;
  onViolation?(violation: Violation): void;
  /** After each stream. */
  onProgress?(done: number): void;
}

export interface RunResult {
  readonly classes: Map<string, ClassResult>;
  readonly violations: readonly Violation[];
  /** Wrong among the others, right when played again alone: the machine was too busy for the node's short timers. */
  readonly unsettled: readonly Violation[];
  readonly streams: number;
  readonly connections: number;
}

const HOSTILE_ADDRESS = "127.0.0.2";
const FLOOD_ADDRESS = "127.0.0.3";

export interface HostileRun {
  readonly done: Promise<RunResult>;
  /** Names of the streams under way. */
  inFlight(): readonly string[];
}

export function runStreams(options: RunOptions): HostileRun {
  const classes = new Map<string, ClassResult>();
  const suspects: { stream: HostileStream; violation: Violation }[] = [];
  const inFlight = new Set<string>();
  const iterator = options.streams[Symbol.iterator]();
  let streams = 0;
  let connections = 0;

  async function worker(): Promise<void> {
    for (let step = iterator.next(); step.done !== true; step = iterator.next()) {
      const stream = step.value;
      inFlight.add(stream.name);
      await one(stream);
      inFlight.delete(stream.name);
      streams++;
      options.onProgress?.(streams);
    }
  }

  /** One flood at a time: two at once are twice the flood. */
  let flood: Promise<unknown> = Promise.resolve();

  async function one(stream: HostileStream): Promise<void> {
    const conversation = stream.make();
    const judging =
      conversation.parallel === undefined
        ? judge(options.target, stream, conversation)
        : flood.then(() => judge(options.target, stream, conversation));
    if (conversation.parallel !== undefined) flood = judging;
    const { played, violation } = await judging;
    connections += played.length;
    const result = classes.get(stream.className) ?? {
      streams: 0,
      violations: 0,
      reactions: new Map(),
    };
    classes.set(stream.className, result);
    result.streams++;
    for (const { transcript } of played)
      result.reactions.set(transcript, (result.reactions.get(transcript) ?? 0) + 1);
    if (violation !== undefined) suspects.push({ stream, violation });
  }

  /** A violation is one that shows again when nothing else is under way. */
  async function settle(): Promise<RunResult> {
    const violations: Violation[] = [];
    const unsettled: Violation[] = [];
    for (const { stream, violation } of suspects) {
      const again = await judge(options.target, stream, stream.make());
      if (again.violation === undefined) {
        unsettled.push(violation);
        continue;
      }
      violations.push(again.violation);
      classes.get(stream.className)!.violations++;
      options.onViolation?.(again.violation);
    }
    return { classes, violations, unsettled, streams, connections };
  }

  const workers = Promise.all(Array.from({ length: options.concurrency }, worker));
  return {
    done: workers.then(settle),
    inFlight: () => [...inFlight],
  };
}

async function judge(target: Target, stream: HostileStream, conversation: Conversation) {
  const { parallel = 1, expected, wants } = conversation;
  const address = parallel > 1 ? FLOOD_ADDRESS : HOSTILE_ADDRESS;
  const played = await Promise.all(
    Array.from({ length: parallel }, () => play(target, conversation, address)),
  );
  const wrong = played.find((each) => !isRight(each, expected));
  const violation: Violation | undefined = wrong && {
    stream: stream.name,
    did: [wrong.transcript, ...wrong.breaches].join("; "),
    wants: `${wants} ${expected}`,
  };
  return { played, violation };
}

function isRight(played: Played, expected: RegExp): boolean {
  return played.breaches.length === 0 && expected.test(played.transcript);
}
