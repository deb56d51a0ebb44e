/**
 * A peer for storage commitment, on our own protocol rooms: it stores what it gets, answers requests as it is told, and
 * collects the reports on its own requests. What it promises is the test's choice, not a mock's.
 */
import { configSchema } from "../../src/config/schema.ts";
import { SOP_CLASS, UID } from "../../src/dicom/uids.ts";
import { encodeActionRequest } from "../../src/dimse/command-set.ts";
import {
  COMMITMENT_INSTANCE_UID,
  encodeActionInformation,
} from "../../src/dimse/commitment-information.ts";
import { reportToPeer } from "../../src/dimse/commitment-requestor.ts";
import { createDimseListener } from "../../src/dimse/listener.ts";
import type {
  CommitmentRequest,
  CommitmentResult,
  InstanceReference,
} from "../../src/dimse/ports.ts";
import {
  type RequestedAssociation,
  requestAssociation,
  type Target,
} from "../../src/dimse/requestor-association.ts";
import {
  type CommitmentService,
  createCommitmentService,
} from "../../src/dimse/services/commitment.ts";
import { silentLogger } from "../../src/kernel/log.ts";
import { createMetrics } from "../../src/kernel/metrics.ts";
import { waitFor } from "./node-under-test.ts";

export interface CommitmentPeer {
  readonly port: number;
  /** Where the node is; known only after it started. */
  node: { readonly host: string; readonly port: number };
  /** What it holds, by SOP Instance UID: how often it was sent. */
  readonly stored: Map<string, number>;
  readonly requests: CommitmentRequest[];
  /** Reports it got, with how the association stood. */
  readonly reports: { readonly result: CommitmentResult; readonly way: "same" | "new" }[];
  /** The report on a transaction, once it is there. */
  report(transactionUid: string, count?: number): Promise<CommitmentPeer["reports"][number]>;
  /** Target of the node, called as this peer. */
  target(): Target;
  /** Associates with the node as SCU of storage commitment; reports on it are collected. */
  associate(): Promise<RequestedAssociation>;
  stop(): Promise<void>;
}

export interface CommitmentPeerOptions {
  readonly aeTitle?: string;
  readonly port?: number;
  /** 0: it reports on new associations. */
  readonly sameAssociationSeconds?: number;
  /** What it says to a request; undefined: it never reports. By default it commits everything. */
  readonly judge?: (request: CommitmentRequest) => CommitmentResult | undefined;
}

export async function startCommitmentPeer(
  options: CommitmentPeerOptions = {},
): Promise<CommitmentPeer> {
  const { aeTitle = "PEER", port = 0 } = options;
  const config = configSchema.parse({
    dimse: { aeTitle, port, releaseSeconds: 0.5 },
    commitment: { sameAssociationSeconds: options.sameAssociationSeconds ?? 0.1 },
    peers: [
      {
        aeTitle: "KINDRED",
        host: "127.0.0.1",
        port: 1,
        allow: ["store", "query", "commit"],
        sendReports: true,
        commit: true,
      },
    ],
  });
  const parts = { log: silentLogger(), metrics: createMetrics() };
  const judge =
    options.judge ??
    ((request: CommitmentRequest) => ({
      transactionUid: request.transactionUid,
      committed: request.references,
      failed: [],
    }));
  const stored = new Map<string, number>();
  const requests: CommitmentRequest[] = [];
  const reports: CommitmentPeer["reports"] = [];
  const serviceFor = (way: "same" | "new"): CommitmentService =>
    createCommitmentService({
      config,
      ...parts,
      sink: {
        async request(request) {
          requests.push(request);
          const result = judge(request);
          return {
            renew: async () => undefined,
            judge: async () => result ?? (await new Promise<never>(() => undefined)),
            reported: async () => undefined,
            handOver: async () => {
              if (result !== undefined) await reportToPeer(peer.target(), result, aeTitle);
            },
          };
        },
        async result(_, result) {
          reports.push({ result, way });
        },
      },
    });
  const here = serviceFor("new");
  const there = serviceFor("same");
  const listener = createDimseListener({
    config: config.dimse,
    peers: config.peers,
    commitment: { handler: here.handler, settled: async () => undefined },
    ...parts,
    store: {
      async begin({ sopInstanceUid }) {
        return {
          write: async () => undefined,
          complete: async () =>
            void stored.set(sopInstanceUid, (stored.get(sopInstanceUid) ?? 0) + 1),
          abort: async () => undefined,
        };
      },
    },
    find: {
      // biome-ignore lint/correctness/useYield: it has nothing to find
      async *find() {
        return {};
      },
    },
  });
  const bound = await listener.start();
  const peer: CommitmentPeer = {
    port: bound.port,
    node: { host: "127.0.0.1", port: 1 },
    stored,
    requests,
    reports,
    report: async (transactionUid, count = 1) => {
      const those = () => reports.filter((one) => one.result.transactionUid === transactionUid);
      const found = await waitFor(
        async () => those(),
        (list) => list.length >= count,
      );
      return found[count - 1]!;
    },
    target: () => ({
      ...peer.node,
      callingAeTitle: aeTitle,
      calledAeTitle: "KINDRED",
      responseSeconds: 20,
    }),
    associate: () =>
      requestAssociation(
        peer.target(),
        [
          {
            abstractSyntax: SOP_CLASS.storageCommitmentPush,
            transferSyntaxes: [UID.explicitVrLittleEndian],
          },
        ],
        async (command, context, responder) =>
          there.handler(command, context, responder, responder.info.calledAeTitle),
      ),
    stop: () => listener.stop(),
  };
  return peer;
}

/** Fields of an N-ACTION that a test wants otherwise. */
export interface ActionChange {
  readonly sopClassUid?: string;
  readonly sopInstanceUid?: string;
  readonly actionTypeId?: number;
  readonly information?: Buffer;
}

/** Sends an N-ACTION on an open association. @returns status and error comment */
export async function ask(
  association: RequestedAssociation,
  transactionUid: string,
  references: readonly InstanceReference[],
  change: ActionChange = {},
): Promise<{ status: number | undefined; comment: string }> {
  const context = association.contexts[0]!;
  const { status, errorComment } = await association.responder.request(
    context.id,
    (messageId) =>
      encodeActionRequest({
        messageId,
        sopClassUid: change.sopClassUid ?? SOP_CLASS.storageCommitmentPush,
        sopInstanceUid: change.sopInstanceUid ?? COMMITMENT_INSTANCE_UID,
        actionTypeId: change.actionTypeId ?? 1,
      }),
    change.information ??
      encodeActionInformation({ transactionUid, references }, context.transferSyntax),
  );
  return { status, comment: errorComment };
}
