/**
 * The connection of one association that we request: bytes out with their progress known, PDUs in, a time-out on
 * every wait, and an end that leaves no socket behind. What an early end means depends on how far we had come:
 * a request whose last byte never left us cannot have been taken.
 */
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { KindredError } from "../../kernel/errors.ts";
import type { Target } from "../requestor-association.ts";
import { ABORT_REASON, ABORT_SOURCE, encodeAbort, PDU, ProtocolError } from "../upper-layer/pdu.ts";
import { type PduPart, PduReader } from "../upper-layer/pdu-reader.ts";

/** Announced as Maximum Length Received: the longest P-DATA-TF a peer may send us, bytes. PS3.8 D.1. */
export const DATA_PDU_BYTES_MAX = 131_072;
const CONNECT_MS_MAX = 10_000;
/** Time an A-ABORT has to leave before the socket is destroyed. */
const CLOSE_MS = 500;

export class PeerLink {
  readonly #socket: Socket;
  readonly #reader = new PduReader(DATA_PDU_BYTES_MAX);
  #wake: () => void = () => undefined;
  #failure: Error | undefined;
  #hasEnded = false;
  /** Writes whose bytes have not left this process yet. */
  #unflushed = 0;
  /** When the clock of the running wait began, or the peer last took bytes of ours. */
  #progressAt = performance.now();
  #hasRequested = false;
  /** The peer rejected or aborted: there is no association left that an A-ABORT could end. */
  #isEndedByPeer = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const wake = () => this.#wake();
    socket.on("readable", wake);
    socket.on("end", () => {
      this.#hasEnded = true;
      wake();
    });
    socket.on("close", () => {
      this.#hasEnded = true;
      wake();
    });
    socket.on("error", (error) => {
      this.#failure = error;
      wake();
    });
  }

  /** @throws KindredError `PEER_UNREACHABLE` */
  static open(target: Target): Promise<PeerLink> {
    const { host, port, tls } = target;
    const timeoutMs = Math.min(CONNECT_MS_MAX, target.responseSeconds * 1000);
    const socket = tls === undefined ? connect({ host, port }) : connectTls({ host, port, ...tls });
    socket.setNoDelay(true);
    return new Promise((resolve, reject) => {
      const fail = (why: string, cause?: Error) => {
        clearTimeout(timer);
        socket.destroy();
        const text = `The peer cannot be reached at ${host}, port ${port}: ${why}`;
        reject(new KindredError("PEER_UNREACHABLE", text, { cause }));
      };
      const timer = setTimeout(() => fail(`no connection within ${timeoutMs / 1000} s`), timeoutMs);
      const onError = (error: NodeJS.ErrnoException) => fail(connectText(error), error);
      socket.on("error", onError);
      socket.once(tls === undefined ? "connect" : "secureConnect", () => {
        clearTimeout(timer);
        const link = new PeerLink(socket);
        socket.off("error", onError);
        resolve(link);
      });
    });
  }

  /** From now on an early end may leave a request taken. */
  requestBegins(): void {
    this.#hasRequested = true;
  }

  /** Bytes of ours wait for the peer to read. */
  get isSending(): boolean {
    return this.#unflushed > 0;
  }

  /** Bytes that the kernel took at once are known to be sent only a turn later. */
  handedOver(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }

  /** A new wait begins: the peer has its whole time again. */
  startClock(): void {
    this.#progressAt = performance.now();
  }

  /** @throws KindredError when the wait took longer, though PDUs come */
  checkClock(timeoutMs: number): void {
    if (performance.now() - this.#progressAt > timeoutMs) throw this.#timeoutError(timeoutMs);
  }

  write(bytes: Buffer): void {
    this.#unflushed++;
    this.#socket.write(bytes, (error) => {
      if (error != null) return;
      this.#unflushed--;
      this.#progressAt = performance.now();
    });
  }

  /**
   * The next whole PDU, or the next piece of a P-DATA-TF.
   *
   * @param timeoutMs - counts from {@link startClock}, or from the last bytes of ours that the peer took; what the peer
   *   sends does not lengthen it
   * @throws KindredError as {@link endError} says; ProtocolError for what is no PDU
   */
  async next(timeoutMs: number): Promise<PduPart> {
    for (;;) {
      const part = this.#reader.next();
      if (part !== undefined) {
        const isEnd =
          part.kind === "pdu" && (part.type === PDU.abort || part.type === PDU.associateRj);
        if (isEnd) this.#isEndedByPeer = true;
        return part;
      }
      const chunk = this.#socket.read() as Buffer | null;
      if (chunk !== null) {
        this.#reader.push(chunk);
        continue;
      }
      if (this.#failure !== undefined || this.#hasEnded)
        throw this.endError("The peer closed the connection", this.#failure);
      const leftMs = this.#progressAt + timeoutMs - performance.now();
      if (leftMs <= 0) throw this.#timeoutError(timeoutMs);
      await this.#somethingHappens(leftMs);
    }
  }

  /**
   * What it means that the association ended now: `PEER_UNREACHABLE` (transient) while the peer cannot have taken a
   * request, `PEER_CLOSED` (ambiguous) once it may have.
   */
  endError(what: string, cause?: unknown): KindredError {
    if (!this.#hasRequested)
      return new KindredError("PEER_UNREACHABLE", `${what} before anything was asked`, { cause });
    if (this.#unflushed > 0)
      return new KindredError("PEER_UNREACHABLE", `${what} in the middle of our request`, {
        cause,
      });
    return new KindredError("PEER_CLOSED", `${what} before it answered`, { cause });
  }

  #timeoutError(timeoutMs: number): KindredError {
    const seconds = timeoutMs / 1000;
    if (!this.#hasRequested)
      return new KindredError(
        "PEER_UNREACHABLE",
        `The peer did not answer the association request within ${seconds} s`,
      );
    return this.#unflushed > 0
      ? new KindredError("PEER_UNREACHABLE", `The peer did not read our request for ${seconds} s`)
      : new KindredError("PEER_TIMEOUT", `The peer did not answer within ${seconds} s`);
  }

  #somethingHappens(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wake(), timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        this.#wake = () => undefined;
        resolve();
      };
    });
  }

  /**
   * Ends the connection; resolves when the socket is closed.
   *
   * @param cause - why the association cannot go on: an A-ABORT tells the peer. Undefined after a release
   */
  async close(cause?: unknown): Promise<void> {
    const socket = this.#socket;
    if (cause !== undefined && !this.#isEndedByPeer && socket.writable) {
      const abort =
        cause instanceof ProtocolError
          ? encodeAbort(ABORT_SOURCE.provider, cause.reason)
          : encodeAbort(ABORT_SOURCE.user, ABORT_REASON.notSpecified);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, CLOSE_MS);
        socket.once("close", resolve);
        socket.end(abort, () => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    if (socket.closed) return;
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.destroy();
    await closed;
  }
}

const CONNECT_TEXT: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name cannot be looked up now",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ETIMEDOUT: "the host does not answer",
  ECONNRESET: "it closed the connection at once",
  EPROTO: "it does not speak TLS",
};

function connectText(error: NodeJS.ErrnoException): string {
  const known = CONNECT_TEXT[error.code ?? ""];
  return known === undefined ? error.message : `${known} (${error.code})`;
}
