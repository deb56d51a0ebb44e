/**
 * What a peer may answer to the request that is out, checked before anything acts on it. Pure: pieces of fragments in,
 * whole responses out. PS3.8 Annex E; PS3.7 6.3.1, 9.3.
 */
import { KindredError } from "../../kernel/errors.ts";
import { COMMAND_SET_BYTES_MAX, IDENTIFIER_BYTES_MAX } from "../../kernel/limits.ts";
import { type CommandSet, decodeCommandSet } from "../command-set.ts";
import { invalidParameter, type Pdv } from "../upper-layer/pdu.ts";
import { isPending } from "./peer-status.ts";

/** A response of the peer, whole. */
export interface PeerResponse {
  readonly status: number;
  /** Error Comment (0000,0902); "" when absent. It may hold anything: not for logs. */
  readonly comment: string;
  readonly dataSet: Buffer | undefined;
}

/** The request that is out, which every message of the peer must answer. */
export interface Outstanding {
  readonly contextId: number;
  /** Command Field of its response. PS3.7 E.1. */
  readonly responseField: number;
  readonly messageId: number;
  /** C-FIND: FF00H and FF01H with an identifier come before the final response. */
  readonly hasPending: boolean;
}

/** Joins fragments to responses. */
export class ResponseScreen {
  readonly #o: Outstanding;
  #parts: Buffer[] = [];
  #bytes = 0;
  /** The command set whose data set is being received. */
  #command: { readonly status: number; readonly comment: string } | undefined;

  constructor(outstanding: Outstanding) {
    this.#o = outstanding;
  }

  /**
   * @returns the response that the piece completes, if it does
   * @throws ProtocolError when it is on another context, too long, or answers something else
   */
  take(pdv: Pdv): PeerResponse | undefined {
    if (pdv.contextId !== this.#o.contextId)
      throw invalidParameter(
        `a fragment on presentation context ${pdv.contextId}, where nothing was asked`,
      );
    if (pdv.isCommand !== (this.#command === undefined))
      throw invalidParameter("fragments of a command set and of a data set are mixed");
    this.#add(pdv.data, pdv.isCommand ? COMMAND_SET_BYTES_MAX : IDENTIFIER_BYTES_MAX);
    if (!pdv.isLast) return undefined;
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#bytes = 0;
    if (this.#command !== undefined) {
      const whole = { ...this.#command, dataSet: bytes };
      this.#command = undefined;
      return whole;
    }
    const { hasDataSet, ...response } = this.#checked(readCommandSet(bytes));
    if (!hasDataSet) return { ...response, dataSet: undefined };
    this.#command = response;
    return undefined;
  }

  #add(data: Buffer, bytesMax: number): void {
    this.#bytes += data.length;
    if (this.#bytes > bytesMax) throw invalidParameter(`a message longer than ${bytesMax} bytes`);
    // A copy, for a view would keep its whole chunk; and empty fragments must not pile up.
    if (data.length > 0) this.#parts.push(Buffer.from(data));
  }

  #checked(command: CommandSet) {
    const { status, hasDataSet, errorComment } = command;
    const { responseField, messageId, hasPending } = this.#o;
    if (command.commandField !== responseField)
      throw invalidParameter(
        `a message with Command Field ${command.commandField}, which was not asked for`,
      );
    if (command.messageIdBeingRespondedTo !== messageId)
      throw invalidParameter(
        `a response to message ${command.messageIdBeingRespondedTo}, while ${messageId} is out`,
      );
    if (status === undefined) throw invalidParameter("a response without a status");
    if (!hasPending && (isPending(status) || hasDataSet))
      throw invalidParameter("a pending response or a data set where the service has none");
    return { status, hasDataSet, comment: errorComment };
  }
}

function readCommandSet(bytes: Buffer): CommandSet {
  try {
    return decodeCommandSet(bytes);
  } catch (error) {
    if (error instanceof KindredError) throw invalidParameter("a command set that cannot be read");
    throw error;
  }
}
