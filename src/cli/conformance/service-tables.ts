/**
 * Which AE titles offer which SOP classes to whom, and in which transfer syntaxes. Nothing of it is written down here: the
 * tables are what the policy answers to the proposals that they name.
 */
import { type Config, PERMISSIONS, type Permission, peerSchema } from "../../config/schema.ts";
import { canReadFrames } from "../../dicom/pixels/frame-source.ts";
import { SOP_CLASS, STORAGE_SOP_CLASSES, TRANSFER_SYNTAXES, UID } from "../../dicom/uids.ts";
import { decide, PREFERRED_TRANSFER_SYNTAXES } from "../../dimse/policy.ts";
import type { UserInformation } from "../../dimse/upper-layer/user-information.ts";
import { code, markdownTable, nameOfClass, OTHER_CLASSES, yesNo } from "./table.ts";

/** Stands for every storage SOP class: the policy makes no difference between them. */
const A_STORAGE_CLASS = SOP_CLASS.ctImageStorage;
/** In the list of what we ask peers for. */
const EVERY_STORAGE_CLASS = "storage";
const CALLING_AE_TITLE = "PEER";
/** Documentation range of RFC 5737: nobody is called there. */
const CALLING_ADDRESS = "192.0.2.1";
const PROPOSED: UserInformation = {
  maximumLength: 0,
  implementationClassUid: "1.2.3",
  implementationVersionName: "",
};

export interface Question {
  readonly calledAeTitle: string;
  readonly sopClassUid: string;
  readonly allow: readonly Permission[];
  readonly user?: Partial<UserInformation>;
  readonly transferSyntaxes?: readonly string[];
  /** We ask this peer for storage commitment. */
  readonly commit?: boolean;
}

/** What the policy answers to one presentation context of a peer with these permissions; undefined for a rejection. */
export function answerOf(config: Config, question: Question) {
  const { calledAeTitle, sopClassUid, allow } = question;
  const peer = peerSchema.parse({
    aeTitle: CALLING_AE_TITLE,
    host: CALLING_ADDRESS,
    port: 104,
    allow: allow.filter((one) => one !== "echo"),
    echo: allow.includes("echo"),
    ...(question.commit === true ? { sendReports: true, commit: true } : {}),
  });
  const decision = decide(config.dimse, [peer], {
    request: {
      calledAeTitle,
      callingAeTitle: CALLING_AE_TITLE,
      applicationContext: UID.applicationContext,
      protocolVersion: 1,
      contexts: [
        {
          id: 1,
          abstractSyntax: sopClassUid,
          transferSyntaxes: question.transferSyntaxes ?? [UID.implicitVrLittleEndian],
        },
      ],
      user: { ...PROPOSED, ...question.user },
    },
    remoteAddress: CALLING_ADDRESS,
    openInAll: 0,
    openFromAddress: 0,
    isStopping: false,
  });
  return "accept" in decision ? decision.accept : undefined;
}

function isAccepted(config: Config, question: Question): boolean {
  return answerOf(config, question)?.contexts[0]?.result === 0;
}

export function aeTitlesOf({ dimse }: Config): { title: string; purpose: string }[] {
  return [
    {
      title: dimse.aeTitle,
      purpose: "verification, storage, query, retrieve, storage commitment; calls peers",
    },
    { title: dimse.similarAeTitle, purpose: "query by example: similar studies" },
    {
      title: dimse.textAeTitle,
      purpose: "query by text: studies that fit it",
    },
  ];
}

/** For each AE title the SOP classes it accepts, and the fewest permissions that make it. */
export function acceptedContextsTable(config: Config): string {
  const rows = aeTitlesOf(config).flatMap(({ title }) =>
    [OTHER_CLASSES[0]!, A_STORAGE_CLASS, ...OTHER_CLASSES.slice(1)].flatMap((sopClassUid) => {
      const asked = { calledAeTitle: title, sopClassUid };
      const needed = setsOfPermissions().find((allow) => isAccepted(config, { ...asked, allow }));
      if (needed === undefined) return [];
      const others = setsOfPermissions().filter(
        (allow) => !needed.every((one) => allow.includes(one)),
      );
      const isEnough = others.every((allow) => !isAccepted(config, { ...asked, allow }));
      const isStorage = sopClassUid === A_STORAGE_CLASS;
      return [
        [
          title,
          isStorage ? "every class of the storage table" : nameOfClass(sopClassUid),
          isStorage ? "" : code(sopClassUid),
          "SCP",
          needed.map(code).join(" and ") + (isEnough ? "" : ", or others"),
          syntaxesOf(config, { ...asked, allow: needed }),
        ],
      ];
    }),
  );
  return markdownTable(
    [
      "called AE title",
      "abstract syntax",
      "UID",
      "our role",
      "needs",
      "transfer syntaxes, first choice first",
    ],
    rows,
  );
}

/** Single permissions first, then pairs. */
function setsOfPermissions(): Permission[][] {
  const singles = PERMISSIONS.map((one) => [one]);
  const pairs = PERMISSIONS.flatMap((one, at) =>
    PERMISSIONS.slice(at + 1).map((other) => [one, other]),
  );
  return [...singles, ...pairs];
}

function syntaxesOf(config: Config, question: Question): string {
  const choice = (transferSyntaxes: readonly string[]) =>
    answerOf(config, { ...question, transferSyntaxes })?.contexts[0];
  const preferred = PREFERRED_TRANSFER_SYNTAXES.filter((uid) => choice([uid])?.result === 0);
  const others = [...TRANSFER_SYNTAXES.keys()].filter(
    (uid) => !preferred.includes(uid) && choice([uid])?.result === 0,
  );
  const names = preferred.map((uid) => TRANSFER_SYNTAXES.get(uid)!.name).join(", ");
  return others.length === 0 ? names : `${names}, else the first one proposed, whatever it is`;
}

/** What this node asks of peers, and with which contexts. */
const REQUESTED: readonly {
  readonly sopClassUids: readonly string[];
  /** SCU where it is left out. */
  readonly ourRole?: string;
  readonly syntaxes: string;
  readonly when: string;
}[] = [
  {
    sopClassUids: [SOP_CLASS.verification],
    syntaxes: "one context: Implicit VR Little Endian, Explicit VR Little Endian",
    when: "`kindred peers echo`",
  },
  {
    sopClassUids: [SOP_CLASS.comprehensive3dSr, SOP_CLASS.basicTextSr],
    syntaxes:
      "a context for Explicit VR Little Endian and one for Implicit VR Little Endian; the first accepted is used",
    when: "documents for peers with `sendReports`",
  },
  {
    sopClassUids: [EVERY_STORAGE_CLASS],
    syntaxes:
      "a context for each pair of SOP class and transfer syntax that is to be sent, as kept",
    when: "sub-operations of C-MOVE",
  },
  {
    sopClassUids: [SOP_CLASS.storageCommitmentPush],
    syntaxes: "one context: Explicit VR Little Endian, Implicit VR Little Endian",
    when: "documents that a peer with `commit` took",
  },
  {
    sopClassUids: [SOP_CLASS.storageCommitmentPush],
    ourRole: "SCP, proposed alone",
    syntaxes: "one context: Explicit VR Little Endian, Implicit VR Little Endian",
    when: "results that the asking association did not take",
  },
];

export function proposedContextsTable(): string {
  const rows = REQUESTED.flatMap(({ sopClassUids, ourRole = "SCU", syntaxes, when }) =>
    sopClassUids.map((uid) => [
      uid === EVERY_STORAGE_CLASS ? "every storage SOP class" : nameOfClass(uid),
      uid === EVERY_STORAGE_CLASS ? "" : code(uid),
      ourRole,
      syntaxes,
      when,
    ]),
  );
  return markdownTable(["abstract syntax", "UID", "our role", "transfer syntaxes", "for"], rows);
}

/** The overview: SOP class by role. */
export function networkServicesTable(config: Config): string {
  const titles = aeTitlesOf(config).map(({ title }) => title);
  const requested = new Set(REQUESTED.flatMap(({ sopClassUids }) => sopClassUids));
  const isStorageRequested = [...requested].some(
    (uid) => uid === EVERY_STORAGE_CLASS || !OTHER_CLASSES.includes(uid),
  );
  const rows = [A_STORAGE_CLASS, ...OTHER_CLASSES].map((sopClassUid) => {
    const offering = titles.filter((calledAeTitle) =>
      isAccepted(config, { calledAeTitle, sopClassUid, allow: PERMISSIONS }),
    );
    const isStorage = sopClassUid === A_STORAGE_CLASS;
    const isScu = isStorage ? isStorageRequested : requested.has(sopClassUid);
    return [
      isStorage ? "Storage (table below)" : nameOfClass(sopClassUid),
      isStorage ? "" : code(sopClassUid),
      yesNo(isScu),
      yesNo(offering.length > 0),
      offering.join(", "),
    ];
  });
  return markdownTable(["SOP class", "UID", "SCU", "SCP", "AE titles as SCP"], rows);
}

/** Permissions and the SCP role that a peer gets when it asks for it. */
export function rolesTable(config: Config): string {
  const rows: string[][] = [];
  const classes = [A_STORAGE_CLASS, SOP_CLASS.storageCommitmentPush];
  const cases: { readonly who: string; readonly allow: readonly Permission[]; commit?: boolean }[] =
    [
      { who: "allowed `store`", allow: ["store"] },
      { who: "allowed `retrieve`", allow: ["retrieve"] },
      { who: "allowed `commit`", allow: ["commit"] },
      { who: "set `commit: true` (we ask it for commitment)", allow: ["query"], commit: true },
    ];
  for (const sopClassUid of classes) {
    for (const { who, allow, commit } of cases) {
      const roles = answerOf(config, {
        calledAeTitle: config.dimse.aeTitle,
        sopClassUid,
        allow,
        ...(commit === undefined ? {} : { commit }),
        user: { roles: [{ sopClassUid, scuRole: true, scpRole: true }] },
      })?.roles[0];
      if (roles === undefined || (!roles.scuRole && !roles.scpRole)) continue;
      const what = sopClassUid === A_STORAGE_CLASS ? "Storage" : nameOfClass(sopClassUid);
      rows.push([what, who, yesNo(roles.scuRole), yesNo(roles.scpRole)]);
    }
  }
  return markdownTable(["SOP class", "peer", "SCU role granted", "SCP role granted"], rows);
}

const EXTENDED_BYTES: readonly string[] = [
  "relational",
  "combined date-time matching",
  "fuzzy semantic matching of person names",
  "time zone query adjustment",
  "enhanced multi-frame image conversion",
];

/** The bytes of SOP Class Extended Negotiation that are answered with 1 when they were proposed so. PS3.4 C.5. */
export function extendedNegotiationTable(config: Config): string {
  const information = Buffer.alloc(EXTENDED_BYTES.length, 1);
  const rows = OTHER_CLASSES.map((sopClassUid) => {
    const answers = PERMISSIONS.map((one) =>
      answerOf(config, {
        calledAeTitle: config.dimse.aeTitle,
        sopClassUid,
        allow: [one],
        user: { extended: [{ sopClassUid, information }] },
      }),
    );
    const answered = answers.find((one) => (one?.extended.length ?? 0) > 0)?.extended[0];
    const agreed = EXTENDED_BYTES.filter((_, at) => answered?.information[at] === 1);
    return [
      nameOfClass(sopClassUid),
      answered === undefined
        ? "no answer"
        : [...answered.information].map((byte) => String(byte)).join(" "),
      agreed.join(", "),
    ];
  });
  return markdownTable(
    ["SOP class", "answer to a proposal of ones", "agreed to"],
    rows.filter(([, answer]) => answer !== "no answer"),
  );
}

export function storageClassesTable(): string {
  const rows = [...STORAGE_SOP_CLASSES].map(([uid, name]) => [name, code(uid)]);
  return markdownTable(["storage SOP class", "UID"], rows);
}

export function transferSyntaxesTable(): string {
  const rows = [...TRANSFER_SYNTAXES].map(([uid, one]) => [
    one.name,
    code(uid),
    canReadFrames(uid)
      ? "kept, indexed, retrieved; CT volumes"
      : "kept, indexed, retrieved; no volume",
  ]);
  return markdownTable(["transfer syntax", "UID", "what is done with it"], rows);
}
