/**
 * DIMSE messages over an established association, both ways. PS3.7 6.3, 9, 10; PS3.8 Annex E. Fragments become
 * messages; a request gets a handler, its data-set pieces go there as they arrive; responses find the request that
 * waits for them. One request of the peer is answered at a time (asynchronous window 1/1).
 */
import { KindredError } from "../kernel/errors.ts";
import { COMMAND_SET_BYTES_MAX } from "../kernel/limits.ts";
import { COMMAND, type CommandSet, decodeCommandSet } from "./command-set.ts";
import type { AssociationInfo, DataSetSource } from "./ports.ts";
import { invalidParameter, type Pdv } from "./upper-layer/pdu.ts";
import type { PdvPiece } from "./upper-layer/pdu-reader.ts";
import { type PeerTimeout, peerTimeout } from "./upper-layer/peer-timeout.ts";
import type { Awaiting } from "./upper-layer/upper-layer.ts";

/** An accepted presentation context. */
export interface AcceptedContext {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntax: string;
  /** We have the SCU role: as requestor, or because the peer took the SCP role. PS3.7 D.3.3.4. */
  readonly isOursToUse: boolean;
  /** We have the SCP role. */
  readonly isOursToServe: boolean;
  /** Service-class application information that was agreed (SOP Class Extended Negotiation); empty when none was. */
  readonly information: Buffer;
}

/** What a service does on its association. */
export interface Responder {
  readonly info: AssociationInfo;
  /** True while nothing of ours or the peer's is under way. */
  readonly isQuiet: boolean;
  /** Sends a response, or a response with its data set. */
  send(contextId: number, command: Buffer, dataSet?: DataSetSource): Promise<void>;
  /**
   * Sends a request of our own and waits for its response: sub-operations of C-GET, event reports.
   *
   * @throws KindredError `PEER_TIMEOUT`, `PEER_CLOSED`
   */
  request(
    contextId: number,
    encode: (messageId: number) => Buffer,
    dataSet?: DataSetSource,
  ): Promise<CommandSet>;
  /** The context on which we may send an instance of this SOP class in this transfer syntax. */
  contextFor(sopClassUid: string, transferSyntaxUid: string): AcceptedContext | undefined;
}

/** One request as the dispatcher sees it. `data` is called only when the command announces a data set. */
export interface RequestHandler {
  /** It sends requests of its own while it answers: the peer may then send responses and C-CANCEL only. */
  readonly isRequesting?: boolean;
  /**
   * Takes the next data-set bytes. They are lent until the promise settles, or until the call returns when there is none: whoever
   * keeps them copies them. While a promise is open nothing is read.
   */
  data(piece: Buffer): Promise<void> | undefined;
  /**
   * The message is whole: answer it. The signal fires on C-CANCEL and when the association ends; then its reason is a
   * KindredError `PEER_CLOSED`.
   */
  end(signal: AbortSignal): Promise<void>;
  /** The association ended first. */
  abort(): Promise<void>;
}

export interface MessageExchangeOptions {
  readonly info: AssociationInfo;
  readonly contexts: readonly AcceptedContext[];
  /** Time the peer has for the response to a request of ours, seconds. */
  readonly responseSeconds: number;
  readonly dataBytesMax: () => number;
  sendData(pdv: Pdv): Promise<void>;
  /** Makes the handler of one request. @throws ProtocolError when the command may not stand here */
  dispatch(
    command: CommandSet,
    context: AcceptedContext,
    responder: Responder,
  ): Promise<RequestHandler>;
  /** What is awaited from the peer may have changed. */
  onChange(): void;
  /** Answering failed in a way no status can say, or the peer owes a response for too long: the association cannot go on. */
  onFault(error: unknown): void;
}

interface Message {
  readonly context: AcceptedContext;
  readonly parts: Buffer[];
  bytes: number;
  emptyFragments: number;
  command?: CommandSet;
  /** Where its data set goes; a response's is read and dropped. */
  handler?: RequestHandler;
}

interface Pending {
  readonly commandField: number;
  settle(result: CommandSet | KindredError): void;
}

/** A request that is being answered; its signal fires on C-CANCEL and at the end of the association. */
interface Running {
  readonly messageId: number;
  readonly handler: RequestHandler;
  readonly controller: AbortController;
  readonly done: Promise<void>;
}

/** What a fragment without data counts against the limit of a command set. */
const EMPTY_FRAGMENT_BYTES = 256;
/** Pieces of a command set that are kept apart. */
const PARTS_MAX = 64;
/** Fragments without data in one data set; some toolkits end with one. */
const EMPTY_FRAGMENTS_MAX = 64;
const MESSAGE_ID_MAX = 0xffff;

export class MessageExchange implements Responder {
  readonly info: AssociationInfo;
  readonly #o: MessageExchangeOptions;
  readonly #contexts: ReadonlyMap<number, AcceptedContext>;
  readonly #ended = new AbortController();
  readonly #pending = new Map<number, Pending>();
  #message: Message | undefined;
  /** The request being answered, and its handler. */
  #running: Running | undefined;
  /** Fragments of two messages of ours must not mix. */
  #sending: Promise<unknown> = Promise.resolve();
  #lastMessageId = 0;

  constructor(options: MessageExchangeOptions) {
    this.#o = options;
    this.info = options.info;
    this.#contexts = new Map(options.contexts.map((context) => [context.id, context]));
  }

  /** True while nothing of ours or the peer's is under way. */
  get isQuiet(): boolean {
    return this.#running === undefined && this.#message === undefined && this.#pending.size === 0;
  }

  awaiting(): Awaiting {
    if (this.#message !== undefined) return "rest of message";
    return this.#running !== undefined || this.#pending.size > 0 ? "nothing" : "next message";
  }

  /** The answers still owed were sent. */
  async settled(): Promise<void> {
    await this.#running?.done;
  }

  /** The association is over: whoever works or waits learns it. */
  async end(): Promise<void> {
    const closed = new KindredError("PEER_CLOSED", "The peer closed the association");
    this.#ended.abort(closed);
    this.#running?.controller.abort(closed);
    for (const pending of this.#pending.values()) pending.settle(closed);
    await this.#message?.handler?.abort().catch(() => undefined);
    this.#message = undefined;
    await this.settled();
  }

  /** @throws ProtocolError when the piece may not stand here */
  take(piece: PdvPiece): Promise<void> | undefined {
    const context = this.#contexts.get(piece.contextId);
    if (context === undefined)
      throw invalidParameter("a PDV on a presentation context that was not accepted");
    return piece.isCommand ? this.#takeCommand(piece, context) : this.#takeData(piece);
  }

  #takeCommand(piece: PdvPiece, context: AcceptedContext): Promise<void> | undefined {
    this.#message ??= { context, parts: [], bytes: 0, emptyFragments: 0 };
    const message = this.#message;
    if (message.command !== undefined || message.context !== context)
      throw invalidParameter("a command fragment inside another message");
    // Pieces are cut by the network too: what counts are their bytes, and fragments without any.
    message.bytes += piece.data.length === 0 ? EMPTY_FRAGMENT_BYTES : piece.data.length;
    if (message.bytes > COMMAND_SET_BYTES_MAX)
      throw invalidParameter("a command set over the limit");
    if (piece.isLast) {
      const { parts } = message;
      const whole = parts.length === 0 ? piece.data : Buffer.concat([...parts, piece.data]);
      return this.#act(message, readCommand(whole));
    }
    // A copy: the socket's chunk may be sixteen times as large. Empty fragments must not pile up either.
    if (piece.data.length > 0) message.parts.push(Buffer.from(piece.data));
    // Nor must single bytes, each with what a buffer costs.
    if (message.parts.length >= PARTS_MAX)
      message.parts.splice(0, PARTS_MAX, Buffer.concat(message.parts));
    return undefined;
  }

  #act(message: Message, command: CommandSet): Promise<void> | undefined {
    message.command = command;
    if (command.commandField === COMMAND.cancel) {
      this.#message = undefined;
      if (this.#running?.messageId === command.messageIdBeingRespondedTo)
        this.#running.controller.abort();
      return undefined;
    }
    if ((command.commandField & COMMAND.response) === 0) return this.#begin(message, command);
    message.handler = this.#responseHandler(command);
    if (!command.hasDataSet) this.#finish(message, command, message.handler);
    return undefined;
  }

  async #begin(message: Message, command: CommandSet): Promise<void> {
    if (!isOursToAnswer(message.context, command))
      throw invalidParameter("a request in a role that was not agreed");
    if (this.#running?.handler.isRequesting === true)
      throw invalidParameter("a request while one of its own is answered");
    await this.#running?.done;
    const handler = await this.#o.dispatch(command, message.context, this);
    message.handler = handler;
    // Whoever ended the association meanwhile found no handler to abort.
    if (this.#ended.signal.aborted) return handler.abort();
    if (!command.hasDataSet) this.#finish(message, command, handler);
  }

  #responseHandler(command: CommandSet): RequestHandler {
    const pending = this.#pending.get(command.messageIdBeingRespondedTo);
    if (pending === undefined || command.commandField !== (pending.commandField | COMMAND.response))
      throw invalidParameter("a response that answers nothing");
    const isFinal = command.status !== 0xff00 && command.status !== 0xff01;
    return {
      data: () => undefined,
      end: async () => {
        if (isFinal) pending.settle(command);
      },
      abort: async () => undefined,
    };
  }

  #takeData(piece: PdvPiece): Promise<void> | undefined {
    const message = this.#message;
    if (message?.handler === undefined || message.command?.hasDataSet !== true)
      throw invalidParameter("a data fragment without its command");
    if (message.context.id !== piece.contextId)
      throw invalidParameter("a data fragment on another presentation context");
    const { command, handler } = message;
    if (piece.data.length === 0 && ++message.emptyFragments > EMPTY_FRAGMENTS_MAX)
      throw invalidParameter("too many empty fragments");
    const pending = piece.data.length > 0 ? handler.data(piece.data) : undefined;
    if (!piece.isLast) return pending;
    if (pending !== undefined) return pending.then(() => this.#finish(message, command, handler));
    this.#finish(message, command, handler);
    return undefined;
  }

  /** Starts the answer; reading goes on meanwhile, so that a C-CANCEL or an A-ABORT is seen. */
  #finish(message: Message, command: CommandSet, handler: RequestHandler): void {
    if (this.#message === message) this.#message = undefined;
    if ((command.commandField & COMMAND.response) !== 0) {
      void handler.end(this.#ended.signal);
      return;
    }
    const controller = new AbortController();
    if (this.#ended.signal.aborted) controller.abort(this.#ended.signal.reason);
    const done = handler
      .end(controller.signal)
      .catch((error: unknown) => {
        if (!this.#ended.signal.aborted) this.#o.onFault(error);
      })
      .finally(() => {
        if (this.#running?.done === done) this.#running = undefined;
        this.#o.onChange();
      });
    this.#running = { messageId: command.messageId, handler, controller, done };
  }

  send(contextId: number, command: Buffer, dataSet?: DataSetSource): Promise<void> {
    const sent = this.#sending.then(() => this.#sendMessage(contextId, command, dataSet));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async request(
    contextId: number,
    encode: (messageId: number) => Buffer,
    dataSet?: DataSetSource,
  ): Promise<CommandSet> {
    if (this.#ended.signal.aborted)
      throw new KindredError("PEER_CLOSED", "The peer closed the association");
    const messageId = this.#nextMessageId();
    const command = encode(messageId);
    const { commandField } = decodeCommandSet(command);
    const { promise, resolve, reject } = Promise.withResolvers<CommandSet>();
    let timer: PeerTimeout | undefined;
    this.#pending.set(messageId, {
      commandField,
      settle: (result) => (result instanceof KindredError ? reject(result) : resolve(result)),
    });
    // The response is awaited only after the request went out; until then a rejection has nobody who looks at it.
    promise.catch(() => undefined);
    try {
      await this.send(contextId, command, dataSet);
      timer = peerTimeout(this.#o.responseSeconds, () => {
        const late = new KindredError("PEER_TIMEOUT", "The peer did not answer in time");
        reject(late);
        this.#o.onFault(late);
      });
      return await promise;
    } finally {
      timer?.cancel();
      this.#pending.delete(messageId);
      this.#o.onChange();
    }
  }

  contextFor(sopClassUid: string, transferSyntaxUid: string): AcceptedContext | undefined {
    for (const context of this.#contexts.values()) {
      if (
        context.isOursToUse &&
        context.abstractSyntax === sopClassUid &&
        context.transferSyntax === transferSyntaxUid
      )
        return context;
    }
    return undefined;
  }

  #nextMessageId(): number {
    do {
      this.#lastMessageId = (this.#lastMessageId % MESSAGE_ID_MAX) + 1;
    } while (this.#pending.has(this.#lastMessageId));
    return this.#lastMessageId;
  }

  async #sendMessage(contextId: number, command: Buffer, dataSet?: DataSetSource): Promise<void> {
    await this.#sendFragments(contextId, true, command);
    if (dataSet === undefined) return;
    if (Buffer.isBuffer(dataSet)) return this.#sendFragments(contextId, false, dataSet);
    let left = dataSet.sizeBytes;
    for await (const data of dataSet.pieces(this.#o.dataBytesMax())) {
      left -= data.length;
      await this.#o.sendData({ contextId, isCommand: false, isLast: left === 0, data });
    }
    if (left !== 0) throw new KindredError("INTERNAL", "A stored data set has another size");
  }

  async #sendFragments(contextId: number, isCommand: boolean, bytes: Buffer): Promise<void> {
    const room = this.#o.dataBytesMax();
    for (let at = 0; at === 0 || at < bytes.length; at += room) {
      const data = bytes.subarray(at, at + room);
      await this.#o.sendData({ contextId, isCommand, isLast: at + room >= bytes.length, data });
    }
  }
}

/** N-EVENT-REPORT is invoked by the SCP, every other request by the SCU. PS3.7 D.3.3.4, 10.1.1. */
function isOursToAnswer(context: AcceptedContext, command: CommandSet): boolean {
  return command.commandField === COMMAND.eventReport ? context.isOursToUse : context.isOursToServe;
}

function readCommand(bytes: Buffer): CommandSet {
  try {
    return decodeCommandSet(bytes);
  } catch {
    throw invalidParameter("a command set that cannot be read");
  }
}
