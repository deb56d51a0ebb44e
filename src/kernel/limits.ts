/**
 * Named limits that are not configuration: ceilings that protect the process whatever the site sets.
 * Configurable limits stand in the configuration schema; each has a ceiling here or in the standard.
 */

/** An A-ASSOCIATE PDU longer than this is refused unread; real ones are below 20 kB. */
export const ASSOCIATE_PDU_BYTES_MAX = 131_072;
/** A DIMSE command set longer than this is a protocol error; real ones are below 1 kB. */
export const COMMAND_SET_BYTES_MAX = 16_384;
/** A C-FIND identifier longer than this is refused with A900H. */
export const IDENTIFIER_BYTES_MAX = 65_536;
/** Sequences within sequences of a C-FIND identifier; no key that is known stands deeper than 2. */
export const IDENTIFIER_DEPTH_MAX = 8;
/** Presentation contexts in one association (odd numbers 1 to 255). PS3.8 9.3.2.2. */
export const PRESENTATION_CONTEXTS_MAX = 128;
/** Transfer syntaxes of one presentation context; real ones have below 40. */
export const TRANSFER_SYNTAXES_MAX = 128;
/** Username, passcode or token of a user identity, together. PS3.7 D.3.3.7. */
export const USER_IDENTITY_BYTES_MAX = 16_384;
/** The smallest maximum PDU length we honour from a peer; below it an association is rejected. */
export const PEER_PDU_BYTES_MIN = 1_024;
/** Header bytes of a data set that are kept in memory for indexing (everything before Pixel Data). */
export const HEADER_BYTES_MAX = 4_194_304;
/** Elements and items of a header that are looked at for indexing; what is indexed stands before. */
export const HEADER_ELEMENTS_MAX = 50_000;
/** Nesting of sequences that the scanner follows. */
export const SEQUENCE_DEPTH_MAX = 32;
/** Answers to one similarity query, whatever was asked. */
export const SIMILAR_ANSWERS_MAX = 100;
/** A model manifest larger than this is refused unread. */
export const MANIFEST_BYTES_MAX = 1_048_576;
/** A key, certificate or revocation list file larger than this is refused unread. */
export const PEM_FILE_BYTES_MAX = 16_777_216;
/** A PROXY protocol header longer than this is refused: addresses and some TLVs take a few hundred bytes. */
export const PROXY_HEADER_BYTES_MAX = 4_096;
/** Connections that have no association, in all, above `dimse.associationsMax`; more are closed unread. */
export const WAITING_CONNECTIONS_MAX = 256;
/** Connections without an association from one address, above `dimse.associationsPerPeerMax`. */
export const WAITING_CONNECTIONS_PER_ADDRESS_MAX = 64;
/** Addresses or peers whose rate is remembered at once. */
export const RATE_KEYS_MAX = 10_000;
/** Passcodes being checked at once; each takes about 32 MiB and a thread. */
export const PASSCODE_CHECKS_MAX = 2;
/** Passcodes waiting to be checked; more are rejected as a temporary congestion. */
export const PASSCODE_CHECKS_WAITING_MAX = 64;
/** Characters of a text that is searched for; a report's findings have fewer. */
export const TEXT_QUERY_CHARACTERS_MAX = 2_000;
