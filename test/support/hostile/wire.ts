/**
 * Bytes of the upper layer and of DIMSE as a liar writes them: every length can claim what it likes. Written apart
 * from the product's own codec, so that both cannot be wrong in the same way. PS3.8 9.3, PS3.7 6.3 and Annex E.
 */

export const VERIFICATION = "1.2.840.10008.1.1";
export const CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2";
export const STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1";
export const IMPLICIT = "1.2.840.10008.1.2";
export const EXPLICIT = "1.2.840.10008.1.2.1";
export const DEFLATED = "1.2.840.10008.1.2.1.99";
export const APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1";

/** Presentation context ids of the usual proposal. */
export const CONTEXT = {
  echo: 1,
  storeExplicit: 3,
  find: 5,
  storeDeflated: 7,
  /** An abstract syntax that nobody offers. */
  unknown: 9,
  storeImplicit: 11,
} as const;

export function u16(value: number): Buffer {
  return Buffer.of((value >>> 8) & 0xff, value & 0xff);
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}

export function u16le(value: number): Buffer {
  return Buffer.of(value & 0xff, (value >>> 8) & 0xff);
}

export function u32le(value: number): Buffer {
  return u32(value).reverse();
}

export function latin(text: string): Buffer {
  return Buffer.from(text, "latin1");
}

export function pdu(type: number, body: Buffer, claimedBytes = body.length): Buffer {
  return Buffer.concat([Buffer.of(type, 0), u32(claimedBytes), body]);
}

export function item(type: number, body: Buffer, claimedBytes = body.length): Buffer {
  return Buffer.concat([Buffer.of(type, 0), u16(claimedBytes), body]);
}

/** SCP/SCU role selection, PS3.7 D.3.3.4. */
export function roleItem(
  sopClassUid: string,
  scu: number,
  scp: number,
  claimedBytes = sopClassUid.length,
): Buffer {
  return item(0x54, Buffer.concat([u16(claimedBytes), latin(sopClassUid), Buffer.of(scu, scp)]));
}

export function context(id: number, abstractSyntax: string, ...transferSyntaxes: string[]): Buffer {
  return item(
    0x20,
    Buffer.concat([
      Buffer.of(id, 0, 0, 0),
      item(0x30, latin(abstractSyntax)),
      ...transferSyntaxes.map((one) => item(0x40, latin(one))),
    ]),
  );
}

export const CONTEXTS: readonly Buffer[] = [
  context(CONTEXT.echo, VERIFICATION, IMPLICIT),
  context(CONTEXT.storeExplicit, CT_STORAGE, EXPLICIT),
  context(CONTEXT.find, STUDY_FIND, IMPLICIT),
  context(CONTEXT.storeDeflated, CT_STORAGE, DEFLATED),
  context(CONTEXT.unknown, "1.2.3.4", IMPLICIT),
  context(CONTEXT.storeImplicit, CT_STORAGE, IMPLICIT),
];

export function maximumLengthItem(bytes: number): Buffer {
  return item(0x51, u32(bytes));
}

export function userItem(...subItems: Buffer[]): Buffer {
  return item(0x50, Buffer.concat(subItems));
}

export function usualUser(maximumLength = 16_384, ...more: Buffer[]): Buffer {
  return userItem(
    maximumLengthItem(maximumLength),
    item(0x52, latin("1.2.826.0.1.3680043.9.1")),
    ...more,
    item(0x55, latin("HOSTILE_1")),
  );
}

export interface AssociateChange {
  readonly version?: number;
  readonly called?: Buffer;
  readonly calling?: Buffer;
  readonly applicationContext?: readonly Buffer[];
  readonly contexts?: readonly Buffer[];
  readonly user?: readonly Buffer[];
}

export function aeTitle(title: string): Buffer {
  return latin(title.padEnd(16).slice(0, 16));
}

/** The body of an A-ASSOCIATE-RQ, usual but for the change. PS3.8 9.3.2. */
export function associateBody(change: AssociateChange = {}): Buffer {
  return Buffer.concat([
    u16(change.version ?? 1),
    Buffer.alloc(2),
    change.called ?? aeTitle("KINDRED"),
    change.calling ?? aeTitle("HOSTILE"),
    Buffer.alloc(32),
    ...(change.applicationContext ?? [item(0x10, latin(APPLICATION_CONTEXT))]),
    ...(change.contexts ?? CONTEXTS),
    ...(change.user ?? [usualUser()]),
  ]);
}

export function associate(change: AssociateChange = {}): Buffer {
  return pdu(1, associateBody(change));
}

export const RELEASE_RQ = pdu(5, Buffer.alloc(4));
export const ABORT = pdu(7, Buffer.alloc(4));

/** One PDV item. PS3.8 9.3.5.1; the header's bits: 1 command, 2 last (PS3.8 E.2). */
export function pdv(
  contextId: number,
  header: number,
  data: Buffer,
  claimedBytes = data.length + 2,
): Buffer {
  return Buffer.concat([u32(claimedBytes), Buffer.of(contextId, header), data]);
}

export const COMMAND_PART = 1;
export const COMMAND_LAST = 3;
export const DATA_PART = 0;
export const DATA_LAST = 2;

export function pData(...pdvs: Buffer[]): Buffer {
  return pdu(4, Buffer.concat(pdvs));
}

/** An element in implicit VR little endian. PS3.5 7.1.3. */
export function implicit(tag: number, value: Buffer, claimedBytes = value.length): Buffer {
  return Buffer.concat([u16le(tag >>> 16), u16le(tag & 0xffff), u32le(claimedBytes), value]);
}

const LONG_VRS = new Set(["OB", "OW", "OF", "SQ", "UN", "UT", "UC", "UR", "OD", "OL", "OV"]);

/** An element in explicit VR little endian. PS3.5 7.1.2. */
export function explicit(
  tag: number,
  vr: string,
  value: Buffer,
  claimedBytes = value.length,
): Buffer {
  const head = Buffer.concat([u16le(tag >>> 16), u16le(tag & 0xffff), latin(vr)]);
  const length = LONG_VRS.has(vr)
    ? Buffer.concat([Buffer.alloc(2), u32le(claimedBytes)])
    : u16le(claimedBytes);
  return Buffer.concat([head, length, value]);
}

export function even(text: string, padding = " "): Buffer {
  return latin(text.length % 2 === 0 ? text : text + padding);
}

/** Command elements by tag; a number is written as US, a text as UI. PS3.7 E.1. */
export type CommandFields = readonly (readonly [tag: number, value: number | string | Buffer])[];

export function commandBody(fields: CommandFields): Buffer {
  return Buffer.concat(
    fields.map(([tag, value]) =>
      implicit(
        tag,
        typeof value === "number"
          ? u16le(value)
          : typeof value === "string"
            ? even(value, "\0")
            : value,
      ),
    ),
  );
}

export function command(fields: CommandFields, claimedBytes = commandBody(fields).length): Buffer {
  return Buffer.concat([implicit(0, u32le(claimedBytes)), commandBody(fields)]);
}

export const NO_DATA_SET = 0x0101;
export const WITH_DATA_SET = 0x0000;

export function echoFields(messageId = 1): CommandFields {
  return [
    [0x0002, VERIFICATION],
    [0x0100, 0x0030],
    [0x0110, messageId],
    [0x0800, NO_DATA_SET],
  ];
}

export function storeFields(sopInstanceUid: string, messageId = 1): CommandFields {
  return [
    [0x0002, CT_STORAGE],
    [0x0100, 0x0001],
    [0x0110, messageId],
    [0x0700, 0],
    [0x0800, WITH_DATA_SET],
    [0x1000, sopInstanceUid],
  ];
}

export function findFields(messageId = 1): CommandFields {
  return [
    [0x0002, STUDY_FIND],
    [0x0100, 0x0020],
    [0x0110, messageId],
    [0x0700, 0],
    [0x0800, WITH_DATA_SET],
  ];
}

/** A whole command in one P-DATA-TF. */
export function commandPdu(contextId: number, fields: CommandFields): Buffer {
  return pData(pdv(contextId, COMMAND_LAST, command(fields)));
}

/** A data set in P-DATA-TFs of at most `pduBytes`. */
export function dataPdus(contextId: number, dataSet: Buffer, pduBytes = 100_000): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at === 0 || at < dataSet.length; at += pduBytes) {
    const isLast = at + pduBytes >= dataSet.length;
    parts.push(
      pData(pdv(contextId, isLast ? DATA_LAST : DATA_PART, dataSet.subarray(at, at + pduBytes))),
    );
  }
  return Buffer.concat(parts);
}

export function echoPdu(messageId = 1): Buffer {
  return commandPdu(CONTEXT.echo, echoFields(messageId));
}
