/**
 * dcmjs-dimse behind glass: the only import of it, its types as far as we use them, its loggers silenced. It writes
 * what we send: A-ASSOCIATE-RQ, command sets, identifiers, fragments. Of what a peer sends it only ever sees an
 * A-ASSOCIATE-AC that was checked before, because its own reading is not safe against a peer that lies (see
 * docs/decisions/0001-requestor-behind-a-screen.md).
 */
import { EventEmitter } from "node:events";
import dcmjsDimse from "dcmjs-dimse";

export interface LibraryRequest {
  getMessageId(): number;
}

export interface LibraryAssociation {
  setMaxPduLength(bytes: number): void;
  setImplementationClassUid(uid: string): void;
  setImplementationVersion(name: string): void;
  /** @returns its id: odd numbers from 1 */
  addPresentationContext(abstractSyntaxUid: string): number;
  addTransferSyntaxToPresentationContext(contextId: number, transferSyntaxUid: string): void;
}

/** An association over a socket that is given to it (its class for both roles). */
export interface LibraryNetwork {
  sendAssociationRequest(association: LibraryAssociation): void;
  sendRequests(requests: LibraryRequest): void;
  sendAssociationReleaseRequest(): void;
  on(event: "networkError", listener: (error: Error) => void): void;
}

interface LibraryDataset {
  getDenaturalizedDataset(...args: unknown[]): Buffer;
}

export interface Library {
  readonly Scp: new (socket: LibrarySocket, options: object) => LibraryNetwork;
  readonly association: {
    readonly Association: new (callingAeTitle: string, calledAeTitle: string) => LibraryAssociation;
  };
  readonly Dataset: new (elements: object, transferSyntaxUid: string) => LibraryDataset;
  readonly requests: {
    readonly CEchoRequest: new () => LibraryRequest;
    readonly CStoreRequest: new (dataset: LibraryDataset) => LibraryRequest;
    readonly CFindRequest: {
      createStudyFindRequest(elements: object): LibraryRequest;
      createSeriesFindRequest(elements: object): LibraryRequest;
      createImageFindRequest(elements: object): LibraryRequest;
      createPatientFindRequest(elements: object): LibraryRequest;
    };
  };
}

/** What the library takes for its socket: bytes out go to `write`, bytes in are what we choose to hand over. */
export class LibrarySocket extends EventEmitter {
  readonly #write: (bytes: Buffer) => void;

  constructor(write: (bytes: Buffer) => void) {
    super();
    this.#write = write;
  }

  write(bytes: Buffer): boolean {
    this.#write(bytes);
    return true;
  }

  /** Time-outs are ours, see peer-link.ts. */
  setTimeout(): this {
    return this;
  }

  hand(bytes: Buffer): void {
    this.emit("data", bytes);
  }

  /** Ends the library's interval timer. */
  close(): void {
    this.emit("close");
  }
}

const raw = dcmjsDimse as unknown as Library & {
  readonly log: { setLevel?(level: string): void };
};
raw.log.setLevel?.("silent");

export const library: Library = raw;
