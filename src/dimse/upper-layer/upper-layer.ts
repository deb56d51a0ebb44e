/**
 * The DICOM upper layer over one TCP (or TLS) connection, for acceptor and requestor: bytes → PDUs → state table →
 * actions, and the service primitives above it. PS3.8 7 (services), 9.2 (state machine). Messages are the business of
 * `message-exchange.ts`.
 *
 * A chunk is handled as it comes, in one go, while the layer above says nothing to the contrary; where it must wait, reading
 * stops until it has done so: a slow disk slows the peer (back-pressure) instead of filling memory.
 *
 * Timers: ARTIM until the A-ASSOCIATE-RQ and while waiting for the close; a message timer while a PDU or message is
 * incomplete (restarted by a PDU, not by single bytes); an idle timer between messages; a write timer while the peer does
 * not read. While we ourselves work on what came, no time of the peer's is over.
 */
import type { Socket } from "node:net";
import { KindredError } from "../../kernel/errors.ts";
import {
  type AssociateAc,
  type AssociateRq,
  decodeAssociateAc,
  decodeAssociateRq,
  encodeAssociateAc,
  encodeAssociateRq,
} from "./associate-pdu.ts";
import {
  ABORT_REASON,
  ABORT_SOURCE,
  type AssociateRj,
  decodeAssociateRj,
  encodeAbort,
  encodeAssociateRj,
  encodePDataHead,
  encodeReleaseRp,
  encodeReleaseRq,
  PDU,
  PDV_HEAD_BYTES,
  type Pdv,
  ProtocolError,
} from "./pdu.ts";
import { PduReader, type PdvPiece, type RawPdu } from "./pdu-reader.ts";
import { PeerDeadline } from "./peer-deadline.ts";
import { type Action, type Event, type State, transition } from "./state-table.ts";
import { closed, writeWithin } from "./write-within.ts";

/** What the layer above waits for from the peer: it chooses the timer. */
export type Awaiting = "nothing" | "rest of message" | "next message";

/**
 * The user of the layer. Calls never overlap; while a promise is open nothing more is read. No promise means that there is room
 * for more at once.
 */
export interface UpperLayerUser {
  /** A-ASSOCIATE indication, acceptor only: the answer. */
  associateIndicated?(
    request: AssociateRq,
  ): Promise<{ readonly accept: AssociateAc } | { readonly reject: AssociateRj }>;
  /** A-ASSOCIATE confirmation, requestor only. */
  associateConfirmed?(answer: AssociateAc): void;
  associateRejected?(answer: AssociateRj): void;
  /** P-DATA indication. @throws ProtocolError when the PDV may not stand here */
  dataIndicated(pdv: PdvPiece): Promise<void> | undefined;
  /** A-RELEASE indication: resolves when every answer owed was sent. */
  releaseIndicated(): Promise<void>;
  awaiting(): Awaiting;
  /** The association, or the attempt at one, is over; said once, with how. */
  ended(outcome: Outcome): void;
}

/** How a connection ended. `detail` is for the log: what was wrong, without data from outside. */
export interface Outcome {
  readonly kind:
    | "released"
    | "rejected"
    | "aborted by peer"
    | "aborted"
    | "protocol error"
    | "timed out"
    | "closed"
    | "fault";
  readonly detail?: string;
  readonly cause?: unknown;
}

/** How an association ends by an error above it. */
export function outcomeOf(error: unknown): Outcome {
  if (error instanceof KindredError && error.code === "PEER_CLOSED") return { kind: "closed" };
  if (error instanceof KindredError && error.code === "PEER_TIMEOUT") return { kind: "timed out" };
  if (error instanceof KindredError && error.code === "PEER_REFUSED")
    return { kind: "protocol error", detail: error.message };
  return { kind: "fault", cause: error };
}

export interface UpperLayerLimits {
  /** Longest P-DATA-TF body we take, bytes; the other side is told. */
  readonly maxPduBytes: number;
  readonly artimSeconds: number;
  readonly idleSeconds: number;
  readonly messageSeconds: number;
  readonly writeSeconds: number;
}

/** Data bytes for which a peer in the middle of a message gets another messageSeconds. */
const PROGRESS_BYTES_MIN = 1_024;
/** Longest P-DATA-TF body we send, whatever the peer would take (0 means "no limit", PS3.8 D.1). */
const SEND_BYTES_MAX = 131_072;
export class UpperLayer {
  readonly #socket: Socket;
  readonly #role: "requestor" | "acceptor";
  readonly #limits: UpperLayerLimits;
  readonly #user: UpperLayerUser;
  readonly #reader: PduReader;
  #state: State = "Sta1";
  #peerPduBytes = SEND_BYTES_MAX;
  #outcome: Outcome | undefined;
  /** Of the peer's next PDU or message, or of the close of the connection. */
  readonly #deadline: PeerDeadline<Exclude<Awaiting, "nothing"> | "close">;
  /** Data bytes since the deadline was set. */
  #progressBytes = 0;
  /** Bytes that follow a broken PDU mean nothing. */
  #isDeaf = false;
  #isHandling = false;
  /** Copies of chunks that came while one was handled and the socket was not paused yet. */
  readonly #behind: Buffer[] = [];
  /** Set when the peer sends no more, or the connection is gone; what came before is handled first. */
  #atEnd: (() => void) | undefined;
  #released: (() => void) | undefined;
  #rejection: AssociateRj | undefined;

  constructor(options: {
    readonly socket: Socket;
    readonly role: "requestor" | "acceptor";
    readonly limits: UpperLayerLimits;
    readonly user: UpperLayerUser;
  }) {
    this.#socket = options.socket;
    this.#role = options.role;
    this.#limits = options.limits;
    this.#user = options.user;
    this.#reader = new PduReader(options.limits.maxPduBytes);
    this.#deadline = new PeerDeadline((of, seconds) => {
      if (of === "close") this.#notClosed();
      // Bytes of the peer are in our hands: whatever they wait for, it is not the peer. Its time begins anew.
      else if (this.#isHandling) this.#arm(of, seconds);
      else this.abort({ kind: "timed out" });
    });
  }

  get isEstablished(): boolean {
    return this.#state === "Sta6";
  }

  /** Data bytes that fit into one P-DATA-TF to the peer; even, since dcmtk refuses odd fragments. */
  get dataBytesMax(): number {
    return (this.#peerPduBytes - PDV_HEAD_BYTES) & ~1;
  }

  /** Serves the connection until it is closed. The requestor's must be open; it sends its A-ASSOCIATE-RQ first. */
  run(request?: AssociateRq): Promise<void> {
    const socket = this.#socket;
    socket.setNoDelay(true);
    // A reset connection ends like a closed one.
    socket.on("error", () => undefined);
    if (request === undefined) {
      this.#event("Evt5");
    } else {
      this.#event("Evt1");
      this.#event("Evt2");
      this.#post(encodeAssociateRq(request));
      this.#rearm();
    }
    return new Promise((resolve) => {
      const onEnd = () => {
        this.#atEnd = () => {
          this.#event("Evt17");
          resolve();
        };
        if (!this.#isHandling) this.#atEnd();
      };
      socket.on("end", onEnd);
      socket.on("close", onEnd);
      socket.on("data", (chunk: Buffer) => this.#take(chunk));
      // Whoever read from it before may have left it paused.
      socket.resume();
      if (socket.destroyed || socket.readableEnded) onEnd();
    });
  }

  /**
   * P-DATA request (DT-1): one fragment, at most {@link dataBytesMax} bytes. Resolves when the peer may get more.
   *
   * @throws KindredError `PEER_CLOSED`, `PEER_TIMEOUT` when the peer does not read
   */
  async sendData(pdv: Pdv): Promise<void> {
    if (this.#event("Evt9") === undefined) throw closed();
    await this.#write(encodePDataHead({ ...pdv, dataBytes: pdv.data.length }), pdv.data);
  }

  /** A-RELEASE request (AR-1). Resolves when the association is over, however it ends. */
  release(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#event("Evt11") === undefined) {
        resolve();
        return;
      }
      this.#released = resolve;
      this.#post(encodeReleaseRq());
      this.#arm("close", this.#limits.artimSeconds);
    });
  }

  /** A-ABORT request. */
  abort(outcome: Outcome): void {
    if (this.#state === "Sta1" || this.#state === "Sta13") return;
    this.#outcome ??= outcome;
    // Before the A-ASSOCIATE-RQ there is nobody to abort (the table leaves Evt15 blank in Sta2).
    if (this.#state === "Sta2") this.#close();
    else this.#event("Evt15");
  }

  /** Sets the timer for what the user awaits now; called by the user when that changed. */
  awaitingChanged(): void {
    if (!this.#isHandling) this.#rearm();
  }

  #take(chunk: Buffer): void {
    if (this.#isDeaf) return;
    if (this.#isHandling) {
      this.#socket.pause();
      this.#behind.push(Buffer.from(chunk));
      return;
    }
    this.#isHandling = true;
    this.#reader.push(chunk);
    const pending = this.#handleParts();
    if (pending === undefined) this.#handled();
    else void this.#handleSlowly(pending);
  }

  /** Nothing more is read until all of the chunk is handled. */
  async #handleSlowly(first: Promise<void>): Promise<void> {
    let isOver = false;
    // Most waits, as those of a request's first part, are for promises that are settled already: then all is handled before the next
    // read, and stopping it would be two system calls for nothing. The tick comes after such promises and before that read.
    queueMicrotask(() => process.nextTick(() => void (isOver || this.#socket.pause())));
    let pending: Promise<void> | undefined = first;
    while (pending !== undefined) {
      try {
        await pending;
        this.#partHandled();
      } catch (error) {
        this.#refuse(error);
      }
      pending = this.#handleParts();
      while (pending === undefined && this.#behind.length > 0) {
        this.#reader.push(this.#behind.shift()!);
        pending = this.#handleParts();
      }
    }
    isOver = true;
    this.#handled();
    if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** Handles what the reader has, up to something that takes time. */
  #handleParts(): Promise<void> | undefined {
    try {
      while (!this.#isDeaf) {
        const part = this.#reader.next();
        if (part === undefined) break;
        const pending = part.kind === "pdv" ? this.#takeData(part) : this.#takePdu(part);
        if (pending !== undefined) return pending;
        this.#partHandled();
      }
    } catch (error) {
      this.#refuse(error);
    }
    return undefined;
  }

  #partHandled(): void {
    if (!this.#isDeaf && !this.#reader.isPartial) this.#credit();
  }

  /** A chunk is handled, and perhaps the connection ended meanwhile. */
  #handled(): void {
    this.#isHandling = false;
    if (!this.#isDeaf) this.#rearm();
    this.#atEnd?.();
  }

  /** A PDU is whole. The peer earns its next stretch of time by bytes of its message, not by PDUs of nothing. */
  #credit(): void {
    if (this.#state === "Sta13") return;
    if (this.#user.awaiting() === "rest of message" && this.#progressBytes < PROGRESS_BYTES_MIN)
      return;
    this.#deadline.clear();
  }

  #takeData(pdv: PdvPiece): Promise<void> | undefined {
    this.#progressBytes += pdv.data.length;
    const action = this.#event("Evt10");
    return action === "DT-2" || action === "AR-6" ? this.#user.dataIndicated(pdv) : undefined;
  }

  async #takePdu({ type, body }: RawPdu): Promise<void> {
    switch (this.#event(EVENT_OF_PDU[type]!)) {
      case "AE-3":
        return this.#confirm(decodeAssociateAc(body));
      case "AE-4":
        this.#rejection = decodeAssociateRj(body);
        this.#outcome = { kind: "rejected" };
        this.#user.associateRejected?.(this.#rejection);
        return this.#close();
      case "AE-6":
        return this.#answer(decodeAssociateRq(body));
      case "AR-2":
        // The answers still owed come before the release response.
        await this.#user.releaseIndicated();
        if (this.#event("Evt14") === "AR-4") this.#endWith(encodeReleaseRp(), { kind: "released" });
        return;
      case "AR-8":
        // A collision: the requestor answers first and then waits for its own answer (AR-9, AR-10).
        if (this.#event("Evt14") === "AR-9") this.#post(encodeReleaseRp());
        return;
      case "AR-10":
        if (this.#event("Evt14") === "AR-4") this.#endWith(encodeReleaseRp(), { kind: "released" });
        return;
      case "AR-3":
        this.#outcome ??= { kind: "released" };
        return this.#close();
      default:
        return;
    }
  }

  async #answer(request: AssociateRq): Promise<void> {
    this.#keepPeerLimit(request.user.maximumLength);
    const answer = await this.#user.associateIndicated!(request);
    if ("reject" in answer) {
      if (this.#event("Evt8") === "AE-8")
        this.#endWith(encodeAssociateRj(answer.reject), { kind: "rejected" });
    } else if (this.#event("Evt7") === "AE-7") {
      await this.#write(encodeAssociateAc(answer.accept));
    }
  }

  #confirm(answer: AssociateAc): void {
    this.#keepPeerLimit(answer.user.maximumLength);
    this.#user.associateConfirmed!(answer);
  }

  #keepPeerLimit(maximumLength: number): void {
    this.#peerPduBytes =
      maximumLength === 0 ? SEND_BYTES_MAX : Math.min(maximumLength, SEND_BYTES_MAX);
  }

  /** What we read was wrong (Evt19, or an error above): A-ABORT by the provider, and nothing more is listened to. */
  #refuse(error: unknown): void {
    this.#isDeaf = true;
    if (this.#socket.destroyed) return;
    if (error instanceof ProtocolError) {
      this.#outcome ??= { kind: "protocol error", detail: error.message };
      this.#event("Evt19", error.reason);
    } else {
      this.#outcome ??= outcomeOf(error);
      this.#event("Evt19", ABORT_REASON.notSpecified);
    }
  }

  /** One step of the state machine. Undefined where the table is blank. The actions that end an association are done here. */
  #event(event: Event, reason: number = ABORT_REASON.unexpectedPdu): Action | undefined {
    const step = transition(this.#state, event, this.#role);
    if (step === undefined) return undefined;
    this.#state = step.next;
    switch (step.action) {
      case "AE-5":
        this.#arm("close", this.#limits.artimSeconds);
        break;
      case "AE-6":
        this.#deadline.clear();
        break;
      case "AA-1":
        this.#isDeaf = true;
        this.#outcome ??= { kind: "protocol error", detail: `${event} came too early` };
        this.#endWith(encodeAbort(ABORT_SOURCE.user, ABORT_REASON.notSpecified), this.#outcome);
        break;
      case "AA-8":
        this.#isDeaf = true;
        this.#outcome ??= { kind: "protocol error", detail: `${event} may not come here` };
        this.#endWith(encodeAbort(ABORT_SOURCE.provider, reason), this.#outcome);
        break;
      case "AA-7":
        this.#post(encodeAbort(ABORT_SOURCE.provider, reason));
        break;
      case "AA-3":
        this.#outcome ??= { kind: "aborted by peer" };
        this.#close();
        break;
      case "AA-2":
        this.#close();
        break;
      case "AA-4":
      case "AA-5":
      case "AR-5":
        this.#close();
        break;
      default:
        break;
    }
    return step.action;
  }

  /** Our last word: the peer gets the ARTIM time to close, then the connection is destroyed (Sta13). */
  #endWith(bytes: Buffer, outcome: Outcome): void {
    this.#outcome ??= outcome;
    if (this.#socket.writable) this.#socket.end(bytes);
    this.#arm("close", this.#limits.artimSeconds);
    // Whoever still works on a request learns now that nobody waits for its answer.
    if (this.#outcome.kind !== "released") this.#tell();
  }

  #close(): void {
    this.#state = "Sta1";
    this.#deadline.end();
    this.#tell();
    this.#socket.destroy();
    this.#released?.();
  }

  #isTold = false;
  #tell(): void {
    if (this.#isTold) return;
    this.#isTold = true;
    this.#outcome ??= { kind: "closed" };
    this.#user.ended(this.#outcome);
  }

  #post(bytes: Buffer): void {
    // After our last word only ARTIM and the peer's close are left (Sta13).
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  #write(head: Buffer, data?: Buffer): Promise<void> {
    const onLate = () => {
      this.#outcome ??= { kind: "timed out", detail: "the peer does not read" };
    };
    return writeWithin(this.#socket, this.#limits.writeSeconds, onLate, head, data);
  }

  /** Sets the deadline that fits what is awaited from the peer; one that runs already for the same is left alone. */
  #rearm(): void {
    // In these states ARTIM, or the timer of the release, runs.
    if (OWN_TIMER_STATES.has(this.#state)) return;
    const isPartial = this.#reader.isPartial || this.#state === "Sta5";
    const awaiting = isPartial ? "rest of message" : this.#user.awaiting();
    if (awaiting === "nothing") this.#deadline.clear();
    else if (awaiting === "next message") this.#arm(awaiting, this.#limits.idleSeconds);
    else if (this.#deadline.of !== awaiting) this.#arm(awaiting, this.#limits.messageSeconds);
  }

  #arm(of: Exclude<Awaiting, "nothing"> | "close", seconds: number): void {
    this.#progressBytes = 0;
    this.#deadline.set(of, seconds);
  }

  /** ARTIM is over. Evt18 in Sta2 and Sta13; an unanswered A-RELEASE-RQ is ended likewise. */
  #notClosed(): void {
    this.#outcome ??= { kind: "timed out", detail: "ARTIM" };
    if (this.#event("Evt18") === undefined) this.#close();
  }
}

const OWN_TIMER_STATES: ReadonlySet<State> = new Set([
  "Sta1",
  "Sta2",
  "Sta7",
  "Sta9",
  "Sta10",
  "Sta11",
  "Sta13",
]);

const EVENT_OF_PDU: Readonly<Record<number, Event>> = {
  [PDU.associateRq]: "Evt6",
  [PDU.associateAc]: "Evt3",
  [PDU.associateRj]: "Evt4",
  [PDU.pData]: "Evt10",
  [PDU.releaseRq]: "Evt12",
  [PDU.releaseRp]: "Evt13",
  [PDU.abort]: "Evt16",
};
