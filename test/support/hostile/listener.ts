/** Reads what a node sends, word by word, and checks the rules that hold in every conversation. */
import { CONTEXT } from "./wire.ts";

const RESPONSES_RUN = 2;
const UID = /^[0-9]+(?:\.[0-9]+)+$/;

export class Listener {
  readonly words: string[] = [];
  readonly breaches: string[] = [];
  /** PDUs seen. */
  pdus = 0;
  /** Longest P-DATA-TF that we allow; 0 is no limit. */
  readonly #maximumLength: number;
  #buffer: Buffer = Buffer.alloc(0);
  #command: Buffer[] = [];
  #run = 0;

  constructor(maximumLength: number) {
    this.#maximumLength = maximumLength;
  }

  take(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    while (this.#buffer.length >= 6) {
      const end = 6 + this.#buffer.readUInt32BE(2);
      if (this.#buffer.length < end) return;
      this.pdus++;
      this.#pdu(this.#buffer[0]!, this.#buffer.subarray(6, end));
      this.#buffer = this.#buffer.subarray(end);
    }
  }

  /** No more comes. */
  finish(): void {
    // A connection that is cut while we do not read may end anywhere.
    if (this.#buffer.length > 0) this.words.push("PART");
  }

  #pdu(type: number, body: Buffer): void {
    const after = this.words.at(-1) ?? "";
    if (/^(?:RJ|RP|AB)/.test(after) && type !== 7)
      this.breaches.push(`PDU type ${type} after ${after}`);
    if (type === 2) this.#accepted(body);
    else if (type === 3) this.words.push(`RJ-${body[1]}-${body[2]}-${body[3]}`);
    else if (type === 4) this.#data(body);
    else if (type === 6) this.words.push("RP");
    else if (type === 7) this.words.push(`AB-${body[2]}-${body[3]}`);
    else this.breaches.push(`the node sent a PDU of type ${type}`);
  }

  /** An accepted context has a transfer syntax that is a UID. PS3.8 9.3.3.2, PS3.5 9. */
  #accepted(body: Buffer): void {
    this.words.push("AC");
    for (let at = 68; at + 4 <= body.length; at += 4 + body.readUInt16BE(at + 2)) {
      if (body[at] !== 0x21 || body[at + 6] !== 0) continue;
      const syntax = body.toString("latin1", at + 12, at + 12 + body.readUInt16BE(at + 10));
      if (!UID.test(syntax.replace(/\0$/, "")) || syntax.length > 64)
        this.breaches.push(
          "a presentation context was accepted in a transfer syntax that is no UID",
        );
    }
  }

  #data(body: Buffer): void {
    if (this.#maximumLength !== 0 && body.length > this.#maximumLength)
      this.breaches.push(`a P-DATA-TF of ${body.length} bytes, ${this.#maximumLength} allowed`);
    for (let at = 0; at + 6 <= body.length; at += 4 + body.readUInt32BE(at)) {
      const header = body[at + 5]!;
      if (body[at + 4] === CONTEXT.unknown)
        this.breaches.push("an answer on a presentation context that was not accepted");
      if ((header & 1) === 0) continue;
      this.#command.push(body.subarray(at + 6, at + 4 + body.readUInt32BE(at)));
      if ((header & 2) === 0) continue;
      this.#response(Buffer.concat(this.#command));
      this.#command = [];
    }
  }

  #response(command: Buffer): void {
    const fields = new Map<number, Buffer>();
    for (let at = 0; at + 8 <= command.length; at += 8 + command.readUInt32LE(at + 4))
      fields.set(
        command.readUInt16LE(at + 2),
        command.subarray(at + 8, at + 8 + command.readUInt32LE(at + 4)),
      );
    const hex = (element: number) => {
      const value = fields.get(element);
      return value === undefined || value.length < 2
        ? "????"
        : value.readUInt16LE(0).toString(16).toUpperCase().padStart(4, "0");
    };
    const comment = fields.get(0x0902)?.toString("latin1") ?? "";
    if (hex(0x0900) === "0110" || /\bINTERNAL\b/.test(comment))
      this.breaches.push(`a fault inside the node was answered: ${hex(0x0900)} ${comment.trim()}`);
    this.#word(`RSP-${hex(0x0100)}-${hex(0x0900)}`);
  }

  /** A run of equal responses is one word with `*`. */
  #word(word: string): void {
    const last = this.words.at(-1);
    this.#run = last === word || last === `${word}*` ? this.#run + 1 : 1;
    if (this.#run >= RESPONSES_RUN) this.words[this.words.length - 1] = `${word}*`;
    else this.words.push(word);
  }
}
