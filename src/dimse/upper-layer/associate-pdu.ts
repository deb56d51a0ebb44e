/** A-ASSOCIATE-RQ and A-ASSOCIATE-AC. PS3.8 9.3.2, 9.3.3. */
import { PRESENTATION_CONTEXTS_MAX, TRANSFER_SYNTAXES_MAX } from "../../kernel/limits.ts";
import { encodePdu, invalidParameter, PDU } from "./pdu.ts";
import { encodeItem, type Item, items, text, uid } from "./pdu-items.ts";
import {
  decodeUserInformation,
  encodeUserInformation,
  type UserInformation,
} from "./user-information.ts";

export interface PresentationContextProposal {
  readonly id: number;
  readonly abstractSyntax: string;
  readonly transferSyntaxes: readonly string[];
}

/** Result of one context: 0 acceptance, 1 user rejection, 2 no reason, 3 abstract, 4 transfer syntax not supported. */
export interface PresentationContextAnswer {
  readonly id: number;
  readonly result: 0 | 1 | 2 | 3 | 4;
  readonly transferSyntax: string;
}

export interface AssociateRq {
  readonly calledAeTitle: string;
  readonly callingAeTitle: string;
  readonly applicationContext: string;
  readonly protocolVersion: number;
  readonly contexts: readonly PresentationContextProposal[];
  readonly user: UserInformation;
}

export interface AssociateAc extends Omit<AssociateRq, "contexts"> {
  readonly contexts: readonly PresentationContextAnswer[];
}

const ITEM = {
  applicationContext: 0x10,
  contextRq: 0x20,
  contextAc: 0x21,
  abstractSyntax: 0x30,
  transferSyntax: 0x40,
  userInformation: 0x50,
} as const;

const AE_BYTES = 16;
/** Version, reserved, two AE titles and 32 reserved bytes. */
const FIXED_BYTES = 68;

/**
 * The body (without the six bytes of type and length) of an A-ASSOCIATE-RQ.
 *
 * @throws ProtocolError when it is malformed
 */
export function decodeAssociateRq(body: Buffer): AssociateRq {
  const common = decodeAssociate(body);
  const contexts: PresentationContextProposal[] = [];
  const ids = new Set<number>();
  for (const item of common.items) {
    if (item.type !== ITEM.contextRq) continue;
    if (contexts.length >= PRESENTATION_CONTEXTS_MAX)
      throw invalidParameter("too many presentation contexts");
    const context = proposal(item.data);
    if (context.id % 2 === 0 || ids.has(context.id))
      throw invalidParameter("a presentation context id is even or stands twice");
    ids.add(context.id);
    contexts.push(context);
  }
  if (contexts.length === 0) throw invalidParameter("no presentation context");
  return { ...common.head, contexts, user: common.user };
}

function proposal(data: Buffer): PresentationContextProposal {
  if (data.length < 4) throw invalidParameter("a presentation context is too short");
  const parts = items(data.subarray(4));
  const syntaxes = parts.filter((part) => part.type === ITEM.transferSyntax);
  if (syntaxes.length > TRANSFER_SYNTAXES_MAX)
    throw invalidParameter("too many transfer syntaxes in a presentation context");
  return {
    id: data[0]!,
    abstractSyntax: uid(parts.find((part) => part.type === ITEM.abstractSyntax)?.data),
    transferSyntaxes: syntaxes.map((part) => uid(part.data)),
  };
}

/** The body of an A-ASSOCIATE-AC. @throws ProtocolError when it is malformed */
export function decodeAssociateAc(body: Buffer): AssociateAc {
  const common = decodeAssociate(body);
  const contexts = common.items
    .filter((item) => item.type === ITEM.contextAc)
    .map(({ data }): PresentationContextAnswer => {
      if (data.length < 4) throw invalidParameter("a presentation context is too short");
      const result = data[2]!;
      // The transfer syntax counts only when the context was accepted (PS3.8 9.3.3.2).
      const syntax =
        result === 0
          ? items(data.subarray(4)).find((part) => part.type === ITEM.transferSyntax)?.data
          : undefined;
      return {
        id: data[0]!,
        result: (result > 4 ? 2 : result) as PresentationContextAnswer["result"],
        transferSyntax: uid(syntax),
      };
    });
  return { ...common.head, contexts, user: common.user };
}

function decodeAssociate(body: Buffer) {
  if (body.length < FIXED_BYTES) throw invalidParameter("the A-ASSOCIATE PDU is too short");
  const all: readonly Item[] = items(body.subarray(FIXED_BYTES));
  const first = (type: number) => all.find((item) => item.type === type)?.data;
  const head = {
    protocolVersion: body.readUInt16BE(0),
    calledAeTitle: aeTitle(body, 4),
    callingAeTitle: aeTitle(body, 20),
    applicationContext: uid(first(ITEM.applicationContext)),
  };
  return { head, items: all, user: decodeUserInformation(first(ITEM.userInformation)) };
}

/** Leading and trailing spaces are not significant, and nothing else is passed over. PS3.8 9.3.2. */
function aeTitle(body: Buffer, at: number): string {
  return body.toString("latin1", at, at + AE_BYTES).replace(/^ +| +$/g, "");
}

function fixed(associate: { calledAeTitle: string; callingAeTitle: string }): Buffer {
  const head = Buffer.alloc(FIXED_BYTES);
  head.writeUInt16BE(1, 0);
  head.write(associate.calledAeTitle.padEnd(AE_BYTES), 4, AE_BYTES, "latin1");
  head.write(associate.callingAeTitle.padEnd(AE_BYTES), 20, AE_BYTES, "latin1");
  return head;
}

export function encodeAssociateRq(rq: AssociateRq): Buffer {
  const contexts = rq.contexts.map((context) =>
    encodeItem(
      ITEM.contextRq,
      Buffer.of(context.id, 0, 0, 0),
      encodeItem(ITEM.abstractSyntax, text(context.abstractSyntax)),
      ...context.transferSyntaxes.map((one) => encodeItem(ITEM.transferSyntax, text(one))),
    ),
  );
  return encodeAssociate(PDU.associateRq, rq, contexts);
}

export function encodeAssociateAc(ac: AssociateAc): Buffer {
  const contexts = ac.contexts.map((context) =>
    encodeItem(
      ITEM.contextAc,
      Buffer.of(context.id, 0, context.result, 0),
      encodeItem(ITEM.transferSyntax, text(context.transferSyntax)),
    ),
  );
  return encodeAssociate(PDU.associateAc, ac, contexts);
}

function encodeAssociate(
  type: number,
  associate: Omit<AssociateRq, "contexts">,
  contexts: readonly Buffer[],
): Buffer {
  return encodePdu(
    type,
    fixed(associate),
    encodeItem(ITEM.applicationContext, text(associate.applicationContext)),
    ...contexts,
    encodeItem(ITEM.userInformation, encodeUserInformation(associate.user)),
  );
}
