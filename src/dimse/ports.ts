/**
 * What the DIMSE room asks of the rest of the house. It declares these ports; `archive`, `search` and others
 * implement them and `main.ts` joins them, so the protocol never knows what becomes of an instance.
 */
import type { Permission } from "../config/schema.ts";
import type { DataSet } from "../dicom/data-set.ts";

/** An established association, as far as a service needs to know it. */
export interface AssociationInfo {
  /** Random id; every log line of the association carries it. */
  readonly id: string;
  readonly callingAeTitle: string;
  readonly calledAeTitle: string;
  readonly remoteAddress: string;
  /** True when the calling AE title is a configured peer at an address it may call from. */
  readonly isKnownPeer: boolean;
  /** What the peer may ask of us. */
  readonly permissions: readonly Permission[];
  /** The user behind the requestor, when a user identity was given and proven; for audit, never for a log of patients. */
  readonly userName?: string;
}

/** Data-set bytes to send: in memory, or read piece by piece from where they are kept. */
export type DataSetSource =
  | Buffer
  | {
      readonly sizeBytes: number;
      /** Pieces of at most so many bytes, in order; reading stops when the consumer stops. */
      pieces(bytesMax: number): AsyncIterable<Buffer>;
    };

/** An opened data set. */
export type OpenDataSet = Exclude<DataSetSource, Buffer> & {
  /**
   * Lets go of the file; may come at any time and more than once.
   *
   * @param isDelivered - the peer answered what it got, so no piece waits in a socket any more: their memory is used again
   */
  close(isDelivered?: boolean): Promise<void>;
};

/** A kept instance as it goes out: the bytes that came in. */
export interface StoredInstance {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
  /**
   * Opens the data set (without preamble and file meta).
   *
   * @throws KindredError `NOT_FOUND` when the file is lost, `DATASET_INCOMPLETE` when it has another size than was kept
   */
  open(): Promise<OpenDataSet>;
}

/** A C-STORE-RQ before its data set. PS3.7 9.1.1.1. */
export interface StoreRequest {
  readonly association: AssociationInfo;
  readonly messageId: number;
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
  readonly transferSyntaxUid: string;
}

/** Takes the data-set bytes of one C-STORE. Calls never overlap; exactly one of complete and abort ends it. */
export interface StoreReceiver {
  /**
   * Takes the next data-set bytes, in order. They are lent: when the call returns, or the promise that it returned settles,
   * the buffer is used for what comes next. While a promise is open no more is read from the socket: this is the
   * back-pressure. No promise: there is room for more at once.
   * After an error, thrown or by rejection, the rest of the data set is read and thrown away and the error's status is answered.
   */
  write(fragment: Buffer): Promise<void> | undefined;
  /** The last fragment came. Resolves only when the instance is kept: bytes synced and row committed. */
  complete(): Promise<void>;
  /** The association ended before the last fragment, or write failed. Removes what was written. */
  abort(): Promise<void>;
}

export interface StoreSink {
  /** @throws KindredError whose code gives the C-STORE status; the data set is then drained unread */
  begin(request: StoreRequest): Promise<StoreReceiver>;
}

export type QueryRetrieveLevel = "PATIENT" | "STUDY" | "SERIES" | "IMAGE";
export type InformationModel = "PATIENT_ROOT" | "STUDY_ROOT";

/**
 * What SOP Class Extended Negotiation agreed on for the presentation context of a query; all false without it.
 * PS3.4 C.5.1.1 (request) and C.5.1.2 (acceptance), Service-class-application-information bytes 1 to 3.
 */
export interface QueryNegotiation {
  /** Byte 1, relational queries: upper unique keys may be left out, keys of all levels may stand. PS3.4 C.4.1.3.2.2. */
  readonly relational: boolean;
  /** Byte 2: a date and a time range are matched as one range of moments. PS3.4 C.2.2.2.5.4. */
  readonly dateTime: boolean;
  /** Byte 3, fuzzy semantic matching of person names. PS3.4 C.2.2.2.1. */
  readonly fuzzyNames: boolean;
}

/** A C-FIND-RQ with its identifier decoded. PS3.4 C.4.1. */
export interface FindRequest {
  readonly association: AssociationInfo;
  readonly model: InformationModel;
  readonly identifier: DataSet;
  readonly negotiated: QueryNegotiation;
}

/** One Pending response. */
export interface FindMatch {
  readonly identifier: DataSet;
  /** Answer FF01H, "one or more Optional Keys were not supported", instead of FF00H. PS3.4 C.4.1.1.4. */
  readonly isWarning: boolean;
}

/** What a C-FIND ends with, after its matches. */
export interface FindResult {
  /** Error Comment (0000,0902) of the final response: at most 64 characters, no patient data. */
  readonly comment?: string;
}

export interface FindSource {
  /**
   * Yields one identifier a match, already reduced to the requested attributes; the DIMSE room adds nothing.
   * The signal fires on C-CANCEL, release or abort.
   *
   * @throws KindredError whose code gives the final C-FIND status (e.g. `QUERY_INVALID` → A900H), also after matches
   */
  find(request: FindRequest, signal: AbortSignal): AsyncGenerator<FindMatch, FindResult>;
}

/**
 * What a C-MOVE or C-GET names: unique keys that were checked, joined by "and". PS3.4 C.4.2.1.4. A key that was not
 * given is undefined; the key of the level always is given.
 */
export interface RetrieveKeys {
  readonly level: QueryRetrieveLevel;
  readonly patientId: string | undefined;
  readonly studyInstanceUids: readonly string[] | undefined;
  readonly seriesInstanceUids: readonly string[] | undefined;
  readonly sopInstanceUids: readonly string[] | undefined;
}

export interface RetrieveSource {
  /**
   * The instances that the keys name now, series by series, in order of instance number; nothing found is an empty list.
   *
   * @throws KindredError `RETRIEVE_LIMIT` when they are more than the maximum, `DB_UNAVAILABLE`
   */
  find(keys: RetrieveKeys, instancesMax: number): Promise<readonly StoredInstance[]>;
}

/** A Referenced SOP Sequence item of storage commitment. PS3.4 J.3. */
export interface InstanceReference {
  readonly sopClassUid: string;
  readonly sopInstanceUid: string;
}

/** A storage commitment request (N-ACTION, action type 1). PS3.4 J.3.2. */
export interface CommitmentRequest {
  readonly association: AssociationInfo;
  readonly transactionUid: string;
  readonly references: readonly InstanceReference[];
}

/** A Failed SOP Sequence item with its Failure Reason (0008,1197). PS3.3 C.14. */
export interface FailedReference extends InstanceReference {
  readonly reason: number;
}

/** What an N-EVENT-REPORT says of a transaction. PS3.4 J.3.3. */
export interface CommitmentResult {
  readonly transactionUid: string;
  readonly committed: readonly InstanceReference[];
  readonly failed: readonly FailedReference[];
}

/**
 * A request that was taken durably. Whoever took it holds it: it may report the result on the association it came on,
 * renews the hold meanwhile, and says what became of it. When it says nothing for {@link HOLD_SECONDS}, because its
 * process died, the peer is called.
 */
export interface TakenCommitment {
  renew(): Promise<void>;
  /** Checks each reference against what is kept; a second time the answer is the same. */
  judge(): Promise<CommitmentResult>;
  /** The peer took the report. */
  reported(): Promise<void>;
  /** The peer did not get it: it is called, until it takes the report. */
  handOver(): Promise<void>;
}

export const HOLD_SECONDS = 12;

export interface CommitmentSink {
  /**
   * Takes the request durably; its result is reported later.
   *
   * @throws KindredError whose code gives the N-ACTION status
   */
  request(request: CommitmentRequest): Promise<TakenCommitment>;
  /**
   * Takes a peer's report on what we sent it; a second time it changes nothing.
   *
   * @throws KindredError `BAD_REQUEST` for a transaction that we did not ask of this peer
   */
  result(peerAeTitle: string, result: CommitmentResult): Promise<void>;
}
