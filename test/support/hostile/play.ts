/** Plays one side of a conversation against a node and writes down what the node did. */
import { connect, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, TLSSocket } from "node:tls";
import type { Conversation, Step } from "./conversation.ts";
import { TIMERS } from "./conversation.ts";
import { Listener } from "./listener.ts";

export interface Played {
  readonly transcript: string;
  /** Breaches of rules that hold in every conversation. */
  readonly breaches: readonly string[];
}

export interface Target {
  readonly host: string;
  readonly port: number;
  /** The port with TLS, and what a peer of the node shows there; and a certificate of another CA. */
  readonly tls?: {
    readonly port: number;
    readonly trusted: Credentials;
    readonly stranger: Credentials;
  };
}

export type Credentials = Pick<ConnectionOptions, "key" | "cert">;

const CONNECT_MS = 5000;
const SLACK_MS = 3000;
/** Longest time a step may wait for replies: longer than any timer of the node. */
const REPLIES_MS = TIMERS.idleSeconds * 1000 + SLACK_MS;

export function play(
  target: Target,
  conversation: Conversation,
  localAddress: string,
): Promise<Played> {
  return new Player(open(target, conversation, localAddress), conversation).run();
}

function open(target: Target, conversation: Conversation, localAddress: string): Socket {
  const { host, tls } = target;
  const { over, certificate, from = localAddress } = conversation;
  const options = { host, localAddress: from, allowHalfOpen: true, noDelay: true };
  if (over === undefined) return connect({ ...options, port: target.port });
  if (tls === undefined) throw new Error("the node has no port with TLS");
  if (over === "tls port") return connect({ ...options, port: tls.port });
  const shown =
    certificate === undefined ? tls.trusted : certificate === "none" ? {} : tls.stranger;
  // Who attacks does not care whom it attacks.
  return connectTls({ ...options, ...shown, port: tls.port, rejectUnauthorized: false });
}

class Player {
  readonly #socket: Socket;
  readonly #conversation: Conversation;
  readonly #listener: Listener;
  #end: "END" | "CUT" | "DOWN" | undefined;
  #afterEnd = "";
  #isDead = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket, conversation: Conversation) {
    this.#socket = socket;
    this.#conversation = conversation;
    this.#listener = new Listener(conversation.maximumLength ?? 16_384);
  }

  async run(): Promise<Played> {
    const socket = this.#socket;
    socket.on("data", (bytes) => {
      this.#listener.take(bytes);
      this.#wake();
    });
    socket.on("end", () => this.#ended("END"));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#isDead = true;
      this.#ended(error.code === "ECONNREFUSED" ? "DOWN" : "END");
    });
    socket.on("close", () => {
      this.#isDead = true;
      this.#ended("END");
    });
    await this.#until(() => !socket.connecting || this.#end !== undefined, CONNECT_MS, "connect");
    for (const step of this.#conversation.steps) {
      if (this.#end !== undefined && !("lingerSending" in step)) break;
      await this.#step(step);
    }
    const endMs = this.#conversation.endMs ?? REPLIES_MS;
    await this.#until(() => this.#end !== undefined, endMs);
    this.#listener.finish();
    const breaches = [...this.#listener.breaches];
    socket.destroy();
    const words = [...this.#listener.words, this.#end ?? "OPEN"];
    // Requests in a row that end alike are written once.
    const transcript = words.join(" ").replace(/((?:RSP-\S+ ){2})\1+/g, "$1");
    return { transcript: transcript + this.#afterEnd, breaches };
  }

  #ended(how: "END" | "DOWN"): void {
    this.#end ??= how;
    this.#wake();
  }

  async #step(step: Step): Promise<void> {
    if ("send" in step) await this.#send(step.send, step.bytesEach, step.everyMs ?? 0);
    else if ("drip" in step) await this.#drip(step);
    else if ("replies" in step) {
      const wanted = this.#listener.pdus + step.replies;
      await this.#until(() => this.#listener.pdus >= wanted || this.#end !== undefined, REPLIES_MS);
    } else if ("pauseMs" in step) await this.#until(() => this.#end !== undefined, step.pauseMs);
    else if ("reading" in step) step.reading ? this.#socket.resume() : this.#socket.pause();
    else if ("lingerSending" in step) await this.#linger(step.lingerSending);
    else this.#close(step.close);
  }

  #close(how: "half" | "reset" | "close"): void {
    if (how === "half") {
      this.#socket.end();
      return;
    }
    this.#end ??= "CUT";
    // A reset is of the connection below TLS, which Node does not give away.
    if (how === "reset" && !(this.#socket instanceof TLSSocket)) this.#socket.resetAndDestroy();
    else this.#socket.destroy();
  }

  async #send(bytes: Buffer, bytesEach = bytes.length, everyMs = 0): Promise<void> {
    for (let at = 0; at < bytes.length && this.#end === undefined; at += bytesEach) {
      this.#write(bytes.subarray(at, at + bytesEach));
      if (everyMs > 0) await this.#until(() => this.#end !== undefined, everyMs);
      else if (bytesEach < bytes.length) await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #drip(step: { drip: Buffer; everyMs: number; forMs: number }): Promise<void> {
    for (let passed = 0; passed < step.forMs && this.#end === undefined; passed += step.everyMs) {
      this.#write(step.drip);
      await this.#until(() => this.#end !== undefined, step.everyMs);
    }
  }

  async #linger(bytes: Buffer): Promise<void> {
    await this.#until(() => this.#end !== undefined, REPLIES_MS);
    if (this.#end === undefined) return;
    const deadline = Date.now() + TIMERS.artimSeconds * 1000 + SLACK_MS;
    while (!this.#isDead && Date.now() < deadline) {
      this.#write(bytes);
      await this.#until(() => this.#isDead, 150);
    }
    this.#afterEnd = this.#isDead ? " GONE" : " LINGERS";
  }

  #write(bytes: Buffer): void {
    if (!this.#socket.destroyed && this.#socket.writable) this.#socket.write(bytes);
  }

  /** Resolves when it is so, or after `milliseconds`. */
  async #until(isSo: () => boolean, milliseconds: number, event?: "connect"): Promise<void> {
    const deadline = Date.now() + milliseconds;
    while (!isSo()) {
      const left = deadline - Date.now();
      if (left <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
        if (event !== undefined) this.#socket.once(event, this.#wake);
      });
    }
  }
}
