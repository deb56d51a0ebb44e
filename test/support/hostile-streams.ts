/**
 * Hostile peers of the DICOM port, by the thousand: every stream is one scripted conversation, made from its name
 * alone (`class/seed/number`), so that a stream that went wrong can be played again for ever.
 */
import { randomFrom } from "../../src/phantom/random.ts";
import { ASSOCIATION_CLASSES } from "./hostile/association-classes.ts";
import { COMMAND_CLASSES } from "./hostile/command-classes.ts";
import { COMMITMENT_CLASSES } from "./hostile/commitment-classes.ts";
import { CONNECTION_CLASSES } from "./hostile/connection-classes.ts";
import type { Conversation, HostileClass } from "./hostile/conversation.ts";
import { ENDING_CLASSES } from "./hostile/ending-classes.ts";
import { FIND_CLASSES } from "./hostile/find-classes.ts";
import { MESSAGE_CLASSES } from "./hostile/message-classes.ts";
import { PDU_CLASSES } from "./hostile/pdu-classes.ts";
import { RETRIEVE_CLASSES } from "./hostile/retrieve-classes.ts";
import { STORE_CLASSES } from "./hostile/store-classes.ts";

export const HOSTILE_CLASSES: readonly HostileClass[] = [
  ...PDU_CLASSES,
  ...ASSOCIATION_CLASSES,
  ...MESSAGE_CLASSES,
  ...COMMAND_CLASSES,
  ...STORE_CLASSES,
  ...FIND_CLASSES,
  ...RETRIEVE_CLASSES,
  ...COMMITMENT_CLASSES,
  ...CONNECTION_CLASSES,
  ...ENDING_CLASSES,
];

export interface HostileStream {
  /** `class/seed/number`. */
  readonly name: string;
  readonly className: string;
  make(): Conversation;
}

/** @throws Error when no class has the name's first part */
export function hostileStream(name: string): HostileStream {
  const className = name.split("/")[0]!;
  const found = HOSTILE_CLASSES.find((one) => one.name === className);
  if (found === undefined) throw new Error(`there is no hostile class ${className}`);
  return { name, className, make: () => found.make(randomFrom(name)) };
}

/**
 * Every class once, then by weight, in an order that follows the seed.
 *
 * @param only - names of classes; empty for all
 */
export function* hostileStreams(
  seed: string,
  count: number,
  only: readonly string[] = [],
): Generator<HostileStream> {
  const classes = HOSTILE_CLASSES.filter((one) => only.length === 0 || only.includes(one.name));
  const total = classes.reduce((sum, one) => sum + one.weight, 0);
  const random = randomFrom(`order/${seed}`);
  for (let number = 0; number < count; number++) {
    let point = random.range(0, total);
    const chosen =
      classes[number] ??
      classes.find((one) => {
        point -= one.weight;
        return point < 0;
      }) ??
      classes.at(-1)!;
    yield hostileStream(`${chosen.name}/${seed}/${number}`);
  }
}
