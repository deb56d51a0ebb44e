/**
 * The one configuration schema. Every leaf has a default and a description with unit, range and effect;
 * `docs/configuration.md`, `kindred config print` and the environment names are made from it.
 */
import { isIP } from "node:net";
import { z } from "zod";

const port = z.number().int().min(0).max(65_535);
const aeTitle = z
  .string()
  .regex(/^[\x21-\x5b\x5d-\x7e](?:[\x20-\x5b\x5d-\x7e]{0,14}[\x21-\x5b\x5d-\x7e])?$/, {
    message: "must be 1 to 16 printable ASCII characters without backslash (PS3.5 VR AE)",
  });

export const PERMISSIONS = ["echo", "store", "query", "retrieve", "similar", "commit"] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** A passcode hash: scrypt with its parameters, salt of 16 and digest of 32 bytes in base64. Cost 2^14 to 2^17. */
const PASSCODE_HASH = /^\$scrypt\$ln=1[4-7],r=8,p=[1-5]\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/;
const perMinute = z.number().min(1).max(1_000_000);
const addressRange = z.string().refine(isAddressRange, {
  message: "must be an address or a CIDR range such as 10.0.0.0/24",
});

export const peerSchema = z
  .strictObject({
    aeTitle: aeTitle.describe("AE title of the peer, as it calls us and as we call it."),
    host: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
      .describe(
        "Host name, address, or CIDR range (or a list of them) the peer may call from; the first plain one is where we call it.",
      ),
    port: port.min(1).optional().describe("Port we call the peer at; needed only where we do."),
    allow: z
      .array(z.enum(PERMISSIONS))
      .default(["store", "query"])
      .describe(
        "What the peer may ask of us: store, query, retrieve, similar, commit. echo may stand here too and need not (see echo).",
      ),
    echo: z
      .boolean()
      .default(true)
      .describe("C-ECHO is allowed to every known peer; false takes it away from this one."),
    calledAeTitles: z
      .array(aeTitle)
      .min(1)
      .optional()
      .describe("AE titles of ours that the peer may call; unset: all that its permissions reach."),
    associationsMax: z
      .number()
      .int()
      .min(1)
      .max(10_000)
      .optional()
      .describe(
        "Associations of this peer open at once; unset: only dimse.associationsPerPeerMax counts.",
      ),
    associationsPerMinute: perMinute
      .optional()
      .describe("Associations this peer may begin a minute; unset: as many as its address may."),
    requestsPerSecond: z
      .number()
      .min(0.1)
      .max(100_000)
      .optional()
      .describe(
        "DIMSE requests (instances, queries, echoes) of this peer served a second; more wait. Unset: no limit.",
      ),
    requireUser: z
      .boolean()
      .default(false)
      .describe(
        "The peer must prove a user: username and passcode of dimse.users, or a token. PS3.7 D.3.3.7.",
      ),
    sendReports: z
      .boolean()
      .default(false)
      .describe("Send every report object to this peer by C-STORE."),
    commit: z
      .boolean()
      .default(false)
      .describe(
        "Ask this peer for storage commitment of every report object it took; what it does not commit is sent again.",
      ),
    retrieveFrom: z
      .boolean()
      .default(false)
      .describe("Similar studies are announced with this peer as Retrieve AE Title."),
    strictPending: z
      .boolean()
      .default(false)
      .describe(
        "Answer the C-FIND matches of this peer with FF01H instead of FF00H when it asked for an optional key that is not supported (PS3.4 C.4.1.1.4). Off: some workstations take FF01H for the end.",
      ),
    tls: z
      .boolean()
      .default(false)
      .describe("The peer must call by TLS, and we call it by TLS with the files of dimse.tls."),
    certificateName: z
      .union([z.string().min(1).max(255), z.array(z.string().min(1).max(255)).min(1)])
      .optional()
      .describe(
        "Name that the peer's certificate must carry (subject alternative name or common name; or a list, one suffices). Needs tls. Unset: any certificate of the CA for incoming, the called host for outgoing connections.",
      ),
  })
  .refine((peer) => !peer.sendReports || peer.port !== undefined, {
    message: "sendReports needs a port to call the peer at",
    path: ["port"],
  })
  .refine((peer) => !peer.commit || peer.sendReports, {
    message: "commit asks for what was sent: set sendReports too",
    path: ["commit"],
  })
  .refine((peer) => peer.certificateName === undefined || peer.tls, {
    message: "certificateName needs tls: true",
    path: ["certificateName"],
  })
  .refine((peer) => peer.echo || !peer.allow.includes("echo"), {
    message: "echo stands in allow and is taken away by echo: false",
    path: ["echo"],
  });

const tlsSchema = z
  .strictObject({
    port: port
      .nullable()
      .default(null)
      .describe(
        "Port of the DICOM listener with TLS, registered is 2762; 0 picks a free one, null is off.",
      ),
    keyFile: z.string().min(1).optional().describe("Private key of this node (PEM); mode 0600."),
    certFile: z
      .string()
      .min(1)
      .optional()
      .describe("Certificate of this node and its chain (PEM)."),
    caFile: z
      .string()
      .min(1)
      .optional()
      .describe("Certificates that sign our peers' certificates (PEM); no others are trusted."),
    crlFile: z
      .string()
      .min(1)
      .optional()
      .describe("Certificate revocation lists of these CAs (PEM); unset: none is checked."),
    requireClientCertificate: z
      .boolean()
      .default(true)
      .describe("A caller must show a certificate of caFile (mutual TLS)."),
    minVersion: z
      .enum(["TLSv1.2", "TLSv1.3"])
      .default("TLSv1.2")
      .describe("Oldest TLS version spoken, either way; PS3.15 B.12 wants 1.2 spoken beside 1.3."),
    reloadSeconds: z
      .number()
      .min(0.1)
      .max(86_400)
      .default(10)
      .describe("Time between two looks whether the files changed; SIGHUP looks at once."),
  })
  .prefault({});

const userSchema = z.strictObject({
  name: z.string().min(1).max(64).describe("User name, as the user identity gives it."),
  passcodeHash: z
    .string()
    .regex(PASSCODE_HASH, { message: "must be a line of `kindred config hash-passcode`" })
    .describe("Hash of the passcode, made by `kindred config hash-passcode`."),
});

export const ROLES = ["all", "worker", "receiver"] as const;
export type Role = (typeof ROLES)[number];

const nodeSchema = z.strictObject({
  dataDir: z
    .string()
    .min(1)
    .default("./data")
    .describe(
      "Folder of everything Kindred keeps; created with mode 0700. One node owns it (node.role all or worker); receivers on other machines share it.",
    ),
  node: z
    .strictObject({
      role: z
        .enum(ROLES)
        .default("all")
        .describe(
          "What this node does. all: everything. worker: everything but the DICOM listener. receiver: the DICOM listener alone, beside one node with role all or worker on the same PostgreSQL and the same dataDir. worker and receiver need database.url.",
        ),
      name: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$/, {
          message: "must be 1 to 40 letters, digits, - and _",
        })
        .optional()
        .describe(
          "Name of a receiver node, unlike that of any other; unset: made of the host name.",
        ),
    })
    .prefault({}),
  dimse: z
    .strictObject({
      host: z.string().min(1).default("127.0.0.1").describe("Address the DICOM listener binds."),
      port: port
        .nullable()
        .default(11112)
        .describe(
          "Port of the DICOM listener without TLS; 0 picks a free one, null switches it off.",
        ),
      tls: tlsSchema,
      receivers: z
        .union([z.literal("cores"), z.number().int().min(0).max(64)])
        .default("cores")
        .describe(
          "Receiver processes that share the DICOM port; 'cores' is one for each processor core, 0 receives in the node's own process.",
        ),
      aeTitle: aeTitle.default("KINDRED").describe("AE title for store, query and verification."),
      similarAeTitle: aeTitle.default("SIMILAR").describe("AE title for query by example."),
      textAeTitle: aeTitle.default("SIMTEXT").describe("AE title for query by text."),
      allowUnknownPeers: z
        .boolean()
        .default(false)
        .describe("Let any calling AE title store and query (never similar). For trials only."),
      associationsMax: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(64)
        .describe("Associations open at once, in all, in each receiver process."),
      associationsPerPeerMax: z
        .number()
        .int()
        .min(1)
        .max(10_000)
        .default(16)
        .describe(
          "Associations open at once from one address, and of one calling AE title, in each receiver process.",
        ),
      associationsPerMinute: perMinute
        .default(30_000)
        .describe(
          "Associations one address may begin a minute, in each receiver process; a tenth of it at once.",
        ),
      proxyFrom: z
        .array(addressRange)
        .default([])
        .describe(
          "Addresses and CIDR ranges of TCP balancers: connections from there must begin with a PROXY protocol version 2 header, whose address then is the peer's.",
        ),
      users: z
        .array(userSchema)
        .max(10_000)
        .default([])
        .superRefine((users, context) => {
          reportDuplicates(users, "name", "user name", context);
        })
        .describe(
          "Users that a user identity may prove (PS3.7 D.3.3.7): name and passcodeHash, made by `kindred config hash-passcode`.",
        ),
      tokenVerifier: z
        .string()
        .min(1)
        .optional()
        .describe(
          "File of an ES module that proves the tokens of user identities (JSON Web Token, PS3.7 D.3.3.7): it exports verifyToken(token, signal), which returns the user's name, or undefined for a token that is refused. Loaded at start, in each receiver process. Unset: tokens prove nothing.",
        ),
      userSeconds: z
        .number()
        .min(0.1)
        .max(600)
        .default(10)
        .describe("Time that proving a user may take before the association is rejected."),
      maxPduBytes: z
        .number()
        .int()
        .min(4_096)
        .max(1_048_576)
        .default(131_072)
        .describe("Largest P-DATA-TF PDU we accept, announced as Maximum Length Received (bytes)."),
      artimSeconds: z
        .number()
        .min(0.1)
        .max(600)
        .default(30)
        .describe(
          "Time a connection may wait for its A-ASSOCIATE-RQ, or for its close after a reject or abort (PS3.8 9.1.5).",
        ),
      idleSeconds: z
        .number()
        .min(0.1)
        .max(86_400)
        .default(300)
        .describe("Time an association may be silent between messages."),
      messageSeconds: z
        .number()
        .min(0.1)
        .max(86_400)
        .default(60)
        .describe("Time a peer may be silent in the middle of a message."),
      writeSeconds: z
        .number()
        .min(0.1)
        .max(86_400)
        .default(60)
        .describe("Time a peer may leave our bytes unread."),
      releaseSeconds: z
        .number()
        .min(0.1)
        .max(600)
        .default(10)
        .describe("Time running associations get at shut-down before A-ABORT."),
      pendingMatchesMax: z
        .number()
        .int()
        .min(1)
        .max(1_000_000)
        .default(5_000)
        .describe(
          "C-FIND matches given to one query; a query with more ends with A700H and a comment after that many.",
        ),
      retrieveInstancesMax: z
        .number()
        .int()
        .min(1)
        .max(65_535)
        .default(50_000)
        .describe(
          "Instances that one C-MOVE or C-GET may send; one that names more gets A702H. The counts of a response have 16 bits.",
        ),
      retrievePendingSeconds: z
        .number()
        .min(0)
        .max(600)
        .default(0)
        .describe(
          "Least time between the Pending responses of one C-MOVE or C-GET; 0 sends one after each sub-operation.",
        ),
      movesPerDestinationMax: z
        .number()
        .int()
        .min(1)
        .max(100)
        .default(2)
        .describe(
          "C-MOVE requests served at once to one destination, each by an association of its own; later ones wait in order.",
        ),
      retrieveAeTitle: aeTitle
        .optional()
        .describe(
          "Retrieve AE Title in query answers; unset: the peer with retrieveFrom, else our own.",
        ),
    })
    .superRefine((dimse, context) => {
      if (dimse.port === null && dimse.tls.port === null) {
        const message = "with port null, tls.port must be set: nobody could call";
        context.addIssue({ code: "custom", message, path: ["port"] });
      }
      if (dimse.tls.port !== null) {
        const needsCa = dimse.tls.requireClientCertificate;
        for (const key of [
          "keyFile",
          "certFile",
          ...(needsCa ? (["caFile"] as const) : []),
        ] as const) {
          if (dimse.tls[key] !== undefined) continue;
          const message = "must be set where tls.port is";
          context.addIssue({ code: "custom", message, path: ["tls", key] });
        }
      }
    })
    .prefault({}),
  http: z
    .strictObject({
      host: z
        .string()
        .min(1)
        .default("127.0.0.1")
        .describe(
          "Address the HTTP server binds. There is no authentication yet: leave it on loopback or put a proxy before it.",
        ),
      port: port.default(8090).describe("Port of the HTTP server; 0 picks a free one."),
    })
    .prefault({}),
  database: z
    .strictObject({
      url: z
        .string()
        .optional()
        .describe(
          "PostgreSQL connection URL (pgvector needed); unset: the embedded database in the data folder.",
        ),
      urlFile: z.string().optional().describe("File that holds the connection URL, for secrets."),
      poolMax: z
        .number()
        .int()
        .min(2)
        .max(200)
        .default(10)
        .describe("Connections to PostgreSQL; the embedded database always has one."),
      connectSeconds: z
        .number()
        .min(0.1)
        .max(300)
        .default(10)
        .describe("Time to wait for a database connection before answering 'away'."),
      statementSeconds: z
        .number()
        .min(0.1)
        .max(3_600)
        .default(30)
        .describe(
          "Time the database may take for the rows of received instances before C-STORE is answered A700H.",
        ),
      querySeconds: z
        .number()
        .min(0.1)
        .max(3_600)
        .default(15)
        .describe(
          "Time one statement of a peer's C-FIND may take before the query ends with A700H. PostgreSQL stops the statement. The embedded database cannot: the peer is answered, but the statement runs to its end, and everything else waits for it.",
        ),
    })
    .prefault({}),
  archive: z
    .strictObject({
      instanceBytesMax: z
        .number()
        .int()
        .min(1_024)
        .max(17_179_869_184)
        .default(4_294_967_296)
        .describe("Largest instance kept (bytes)."),
      freeBytesMin: z
        .number()
        .int()
        .min(0)
        .default(536_870_912)
        .describe("Free disk below which new instances get A700H (bytes)."),
      duplicates: z
        .enum(["keep-first", "replace", "reject"])
        .default("keep-first")
        .describe(
          "Same SOP Instance UID with other bytes. keep-first: the first stays, the sender gets 0111H. replace: the new bytes become the instance and its series gets a new revision. reject: the first stays, the sender gets the failure C111H. The same bytes again are a success under each.",
        ),
      sync: z
        .boolean()
        .default(true)
        .describe(
          "Sync file, folder and the embedded database's commit to the disk before success. false is unsafe: a power cut loses acknowledged instances; it is there to compare with receivers that do not sync.",
        ),
      heldBytesMax: z
        .number()
        .int()
        .min(65_536)
        .max(268_435_456)
        .default(1_048_576)
        .describe(
          "Bytes of one instance that may wait in memory for the disk before no more is read from its association.",
        ),
    })
    .prefault({}),
  series: z
    .strictObject({
      quietSeconds: z
        .number()
        .min(0)
        .max(86_400)
        .default(30)
        .describe("A series is complete when no instance came for this long."),
      ceilingSeconds: z
        .number()
        .min(1)
        .max(604_800)
        .default(3_600)
        .describe("A series is complete this long after its first instance whatever arrives."),
      slicesMin: z
        .number()
        .int()
        .min(2)
        .max(1_000)
        .default(4)
        .describe("Fewest slices that make a volume."),
      reduceWhileReceiving: z
        .boolean()
        .default(true)
        .describe(
          "Read and reduce slices while their series still arrives, with the lowest priority, so that its volume is ready sooner.",
        ),
    })
    .prefault({}),
  volume: z
    .strictObject({
      positionToleranceMm: z
        .number()
        .min(0)
        .max(10)
        .default(0.1)
        .describe(
          "How far a slice may lie off an even spacing before the spacing counts as irregular (mm); 1 % of the spacing where that is more.",
        ),
      gapRatioMax: z
        .number()
        .min(1)
        .max(20)
        .default(3)
        .describe(
          "Widest gap between slices, against the finest usual one, that is filled where the spacing changes; 1 refuses every irregular spacing.",
        ),
      missingRunMax: z
        .number()
        .int()
        .min(0)
        .max(100)
        .default(2)
        .describe("Most slices missing in one place that are bridged; 0 refuses."),
      missingPartMax: z
        .number()
        .min(0)
        .max(0.5)
        .default(0.05)
        .describe(
          "Most slices missing in all that are bridged, as a part of the slices there should be.",
        ),
      tiltDegreesMax: z
        .number()
        .min(0)
        .max(60)
        .default(45)
        .describe("Largest gantry tilt that is corrected (degrees); 0 refuses every tilt."),
      obliqueDegreesMax: z
        .number()
        .min(0)
        .max(55)
        .default(45)
        .describe(
          "Largest angle between the planes of a stack and those of the body (degrees); more is refused.",
        ),
      shiftPixelsMax: z
        .number()
        .min(0)
        .max(100)
        .default(0.5)
        .describe("How far a slice may lie sideways of the line of its stack (pixels)."),
    })
    .prefault({}),
  encoder: z
    .strictObject({
      modelsDir: z
        .string()
        .optional()
        .describe("Folder of further model bundles; the built-in ones are always there."),
      models: z
        .array(z.string().min(1))
        .min(1)
        .default(["layout-fingerprint"])
        .describe("Model ids to run on every CT volume; the first answers similarity queries."),
      profiles: z
        .array(z.string().regex(/^[^:]+:[^:]+$/, "must be MODEL:PROFILE"))
        .default([])
        .describe(
          "Profiles to run, as `model:profile`; all those of a model that is not named here. `kindred model list` shows them.",
        ),
      acceptedLicences: z
        .array(z.string().min(1))
        .default([])
        .describe(
          "Ids of models whose licence this site has read and accepts; a model that asks for it does not run otherwise.",
        ),
      providers: z
        .array(z.enum(["tensorrt", "cuda", "webgpu", "coreml", "dml", "cpu"]))
        .min(1)
        .default(["cpu"])
        .describe(
          "Execution providers in the order they are tried; each must pass the golden vectors.",
        ),
      threads: z
        .number()
        .int()
        .min(1)
        .max(256)
        .default(1)
        .describe("CPU threads of one model run."),
      memoryMegabytes: z
        .number()
        .int()
        .min(64)
        .max(4_194_304)
        .optional()
        .describe(
          "Memory for models, MiB, against what their manifests say they need (default: three quarters of the machine's). A model that was not used for the longest time makes room for another one.",
        ),
      runSeconds: z
        .number()
        .min(1)
        .max(86_400)
        .default(600)
        .describe("Time one model run may take before its process is killed."),
    })
    .prefault({}),
  search: z
    .strictObject({
      index: z
        .enum(["auto", "exact", "hnsw"])
        .default("auto")
        .describe("auto: exact up to exactRowsMax rows, HNSW above."),
      exactRowsMax: z
        .number()
        .int()
        .min(0)
        .max(10_000_000)
        .default(20_000)
        .describe("Rows up to which `auto` searches exactly."),
      efSearch: z.number().int().min(10).max(1_000).default(100).describe("hnsw.ef_search."),
      answers: z
        .number()
        .int()
        .min(1)
        .max(100)
        .default(10)
        .describe("Similar studies answered when the query does not say."),
      samePatient: z
        .enum(["exclude", "include"])
        .default("exclude")
        .describe("Other studies of the example's patient in similarity answers."),
      rankCarrier: z
        .enum(["StudyDescription", "StudyComments", "none"])
        .default("StudyDescription")
        .describe("Attribute that carries rank and score in SIMILAR answers, if it was requested."),
    })
    .prefault({}),
  report: z
    .strictObject({
      similar: z
        .number()
        .int()
        .min(0)
        .max(50)
        .default(5)
        .describe("Similar patients counted in the report (scores only, no identities)."),
    })
    .prefault({}),
  outbound: z
    .strictObject({
      attemptsMax: z
        .number()
        .int()
        .min(1)
        .max(1_000)
        .default(20)
        .describe("Attempts to send one document before it is parked."),
      ambiguousAttemptsMax: z
        .number()
        .int()
        .min(1)
        .max(1_000)
        .default(5)
        .describe(
          "Attempts after which the peer may have the document though it did not say so (no answer, or a broken association, after it was sent); then it is parked.",
        ),
      backoffSeconds: z
        .number()
        .min(0.1)
        .max(86_400)
        .default(5)
        .describe("First wait after a failed attempt; doubles each time."),
      backoffSecondsMax: z
        .number()
        .min(1)
        .max(86_400)
        .default(3_600)
        .describe("Longest wait between attempts."),
      responseSeconds: z
        .number()
        .min(0.5)
        .max(3_600)
        .default(60)
        .describe("Time a peer has to answer."),
    })
    .prefault({}),
  commitment: z
    .strictObject({
      referencesMax: z
        .number()
        .int()
        .min(1)
        .max(100_000)
        .default(20_000)
        .describe("Most references in one storage commitment request of a peer; more get 0213H."),
      sameAssociationSeconds: z
        .number()
        .min(0)
        .max(60)
        .default(1)
        .describe(
          "Time the asking peer has to release its association; after it the result is reported there if nothing else is under way. 0: always on a new association.",
        ),
      batchSeconds: z
        .number()
        .min(0)
        .max(3_600)
        .default(2)
        .describe(
          "When no document was delivered to a peer for this long, one request names all that wait; at the latest after ten times as long.",
        ),
      waitSeconds: z
        .number()
        .min(0)
        .max(600)
        .default(5)
        .describe(
          "Time our association stays open for the peer's report after our request; later ones come on an association of the peer.",
        ),
      reportHours: z
        .number()
        .min(0.001)
        .max(720)
        .default(24)
        .describe("Time a peer has to report before it is asked again with a new transaction."),
      roundsMax: z
        .number()
        .int()
        .min(1)
        .max(100)
        .default(3)
        .describe(
          "How often a document is asked for; after the last it is parked. What a peer does not commit is sent again in between.",
        ),
      keepDays: z
        .number()
        .min(1)
        .max(3_650)
        .default(30)
        .describe(
          "Time finished transactions are kept; the same one is answered the same until then.",
        ),
    })
    .prefault({}),
  peers: z
    .array(peerSchema)
    .default([])
    .superRefine((peers, context) => {
      // One title, one peer: a C-MOVE destination or a report's receiver is named by it alone. A peer may have many hosts.
      reportDuplicates(peers, "aeTitle", "AE title", context);
    })
    .describe("The systems we talk to. A calling AE title that is not listed is refused."),
  log: z
    .strictObject({
      level: z
        .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
        .default("info")
        .describe("Lowest level written."),
      identifiers: z
        .enum(["hash", "uid"])
        .default("hash")
        .describe("UIDs in logs: short digests, or whole."),
    })
    .prefault({}),
});

/** The whole configuration, with what one part asks of another. */
export const configSchema = nodeSchema.superRefine((config, context) => {
  config.peers.forEach((peer, index) => {
    const { keyFile, certFile, caFile } = config.dimse.tls;
    if (!peer.tls || (keyFile !== undefined && certFile !== undefined && caFile !== undefined))
      return;
    const message = "needs dimse.tls.keyFile, certFile and caFile";
    context.addIssue({ code: "custom", message, path: ["peers", index, "tls"] });
  });
  const { models, profiles } = config.encoder;
  profiles.forEach((one, index) => {
    const model = one.slice(0, one.indexOf(":"));
    if (models.includes(model)) return;
    const message = `names the model ${model}, which is not in encoder.models`;
    context.addIssue({ code: "custom", message, path: ["encoder", "profiles", index] });
  });
  const { role } = config.node;
  if (role === "all" || config.database.url !== undefined || config.database.urlFile !== undefined)
    return;
  const message = `role ${role} needs database.url: the embedded database serves one node (role all) alone`;
  context.addIssue({ code: "custom", message, path: ["node", "role"] });
});

export type Config = z.output<typeof configSchema>;
export type Peer = Config["peers"][number];

/** True for an address, or an address and the length of a prefix. */
export function isAddressRange(text: string): boolean {
  const [base = "", prefix, ...more] = text.split("/");
  const family = isIP(base);
  if (family === 0 || more.length > 0) return false;
  if (prefix === undefined) return true;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32);
}

function reportDuplicates<Key extends string>(
  list: readonly { readonly [key in Key]: string }[],
  key: Key,
  what: string,
  context: { addIssue(issue: { code: "custom"; message: string; path: PropertyKey[] }): void },
): void {
  const seen = new Set<string>();
  list.forEach((one, index) => {
    if (seen.has(one[key]))
      context.addIssue({
        code: "custom",
        message: `${what} ${one[key]} stands twice`,
        path: [index, key],
      });
    seen.add(one[key]);
  });
}
