/** Sub-items of User Information, both ways. PS3.7 Annex D.3.3, PS3.8 D.1. */
import { USER_IDENTITY_BYTES_MAX } from "../../kernel/limits.ts";
import { invalidParameter } from "./pdu.ts";
import { encodeItem, type Item, items, lengthPrefixed, text, uid } from "./pdu-items.ts";

/** Which roles the requestor takes for a SOP class, and which of them the acceptor grants. PS3.7 D.3.3.4. */
export interface RoleSelection {
  readonly sopClassUid: string;
  readonly scuRole: boolean;
  readonly scpRole: boolean;
}

/** SOP Class Extended Negotiation: what the bytes mean is said by the service class. PS3.7 D.3.3.5. */
export interface ExtendedNegotiation {
  readonly sopClassUid: string;
  readonly information: Buffer;
}

/** SOP Class Common Extended Negotiation, requestor only. PS3.7 D.3.3.6. */
export interface CommonExtendedNegotiation {
  readonly sopClassUid: string;
  readonly serviceClassUid: string;
  readonly relatedGeneralSopClassUids: readonly string[];
}

/** Who stands behind the requestor. PS3.7 D.3.3.7.1. */
export interface UserIdentity {
  /** 1 username · 2 username and passcode · 3 Kerberos · 4 SAML · 5 JSON Web Token. */
  readonly type: number;
  readonly isResponseRequested: boolean;
  readonly primary: Buffer;
  /** The passcode of type 2, else empty. */
  readonly secondary: Buffer;
}

export interface UserInformation {
  /** Longest P-DATA-TF body the sender of this takes, bytes; 0 means no limit. PS3.8 D.1. */
  readonly maximumLength: number;
  readonly implementationClassUid: string;
  readonly implementationVersionName: string;
  readonly asyncWindow?: { readonly invoked: number; readonly performed: number };
  readonly roles?: readonly RoleSelection[];
  readonly extended?: readonly ExtendedNegotiation[];
  readonly commonExtended?: readonly CommonExtendedNegotiation[];
  /** In a request. */
  readonly userIdentity?: UserIdentity;
  /** In an acceptance: the server's answer, empty for usernames. PS3.7 D.3.3.7.2. */
  readonly userIdentityResponse?: Buffer;
}

const SUB_ITEM = {
  maximumLength: 0x51,
  implementationClassUid: 0x52,
  asyncWindow: 0x53,
  role: 0x54,
  implementationVersionName: 0x55,
  extended: 0x56,
  commonExtended: 0x57,
  userIdentityRq: 0x58,
  userIdentityAc: 0x59,
} as const;

/** @throws ProtocolError for sub-items that do not fit into their lengths */
export function decodeUserInformation(value: Buffer | undefined): UserInformation {
  const sub = items(value ?? Buffer.alloc(0));
  const first = (type: number) => sub.find((item) => item.type === type)?.data;
  const all = (type: number) => sub.filter((item) => item.type === type);
  const length = first(SUB_ITEM.maximumLength);
  const window = first(SUB_ITEM.asyncWindow);
  const identity = first(SUB_ITEM.userIdentityRq);
  const response = first(SUB_ITEM.userIdentityAc);
  return {
    maximumLength: length !== undefined && length.length >= 4 ? length.readUInt32BE(0) : 0,
    implementationClassUid: uid(first(SUB_ITEM.implementationClassUid)),
    implementationVersionName: (first(SUB_ITEM.implementationVersionName) ?? Buffer.alloc(0))
      .toString("latin1")
      .trim(),
    ...(window === undefined || window.length < 4
      ? {}
      : { asyncWindow: { invoked: window.readUInt16BE(0), performed: window.readUInt16BE(2) } }),
    roles: all(SUB_ITEM.role).map(decodeRole),
    extended: all(SUB_ITEM.extended).map(decodeExtended),
    commonExtended: all(SUB_ITEM.commonExtended).map(decodeCommonExtended),
    ...(identity === undefined ? {} : { userIdentity: decodeIdentity(identity) }),
    ...(response === undefined ? {} : { userIdentityResponse: lengthPrefixed(response, 0).value }),
  };
}

function decodeRole({ data }: Item): RoleSelection {
  const { value, end } = lengthPrefixed(data, 0);
  if (data.length < end + 2) throw invalidParameter("a role selection is cut");
  return { sopClassUid: uid(value), scuRole: data[end] === 1, scpRole: data[end + 1] === 1 };
}

function decodeExtended({ data }: Item): ExtendedNegotiation {
  const { value, end } = lengthPrefixed(data, 0);
  return { sopClassUid: uid(value), information: data.subarray(end) };
}

function decodeCommonExtended({ data }: Item): CommonExtendedNegotiation {
  const sopClass = lengthPrefixed(data, 0);
  const serviceClass = lengthPrefixed(data, sopClass.end);
  const related = lengthPrefixed(data, serviceClass.end).value;
  const relatedGeneralSopClassUids: string[] = [];
  for (let at = 0; at < related.length; ) {
    const { value, end } = lengthPrefixed(related, at);
    relatedGeneralSopClassUids.push(uid(value));
    at = end;
  }
  return {
    sopClassUid: uid(sopClass.value),
    serviceClassUid: uid(serviceClass.value),
    relatedGeneralSopClassUids,
  };
}

function decodeIdentity(data: Buffer): UserIdentity {
  if (data.length < 2) throw invalidParameter("a user identity is cut");
  const primary = lengthPrefixed(data, 2);
  const secondary = lengthPrefixed(data, primary.end).value;
  if (primary.value.length + secondary.length > USER_IDENTITY_BYTES_MAX)
    throw invalidParameter("a user identity is over the limit");
  return {
    type: data[0]!,
    isResponseRequested: data[1] === 1,
    primary: primary.value,
    secondary,
  };
}

/** The value of the User Information item; sub-items in the order of PS3.7 Table D.3-3. */
export function encodeUserInformation(user: UserInformation): Buffer {
  const maximumLength = Buffer.alloc(4);
  maximumLength.writeUInt32BE(user.maximumLength);
  return Buffer.concat([
    encodeItem(SUB_ITEM.maximumLength, maximumLength),
    encodeItem(SUB_ITEM.implementationClassUid, text(user.implementationClassUid)),
    ...(user.asyncWindow === undefined
      ? []
      : [
          encodeItem(
            SUB_ITEM.asyncWindow,
            u16(user.asyncWindow.invoked),
            u16(user.asyncWindow.performed),
          ),
        ]),
    ...(user.roles ?? []).map((role) =>
      encodeItem(
        SUB_ITEM.role,
        prefixed(text(role.sopClassUid)),
        Buffer.of(role.scuRole ? 1 : 0, role.scpRole ? 1 : 0),
      ),
    ),
    encodeItem(SUB_ITEM.implementationVersionName, text(user.implementationVersionName)),
    ...(user.extended ?? []).map((one) =>
      encodeItem(SUB_ITEM.extended, prefixed(text(one.sopClassUid)), one.information),
    ),
    ...(user.commonExtended ?? []).map((one) =>
      encodeItem(
        SUB_ITEM.commonExtended,
        prefixed(text(one.sopClassUid)),
        prefixed(text(one.serviceClassUid)),
        prefixed(
          Buffer.concat(one.relatedGeneralSopClassUids.map((related) => prefixed(text(related)))),
        ),
      ),
    ),
    ...(user.userIdentity === undefined
      ? []
      : [
          encodeItem(
            SUB_ITEM.userIdentityRq,
            Buffer.of(user.userIdentity.type, user.userIdentity.isResponseRequested ? 1 : 0),
            prefixed(user.userIdentity.primary),
            prefixed(user.userIdentity.secondary),
          ),
        ]),
    ...(user.userIdentityResponse === undefined
      ? []
      : [encodeItem(SUB_ITEM.userIdentityAc, prefixed(user.userIdentityResponse))]),
  ]);
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function prefixed(value: Buffer): Buffer {
  return Buffer.concat([u16(value.length), value]);
}
