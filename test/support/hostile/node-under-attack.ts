/** A node as a child process, with short timers and some studies in it, ready to be attacked. */
import type { ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { randomFrom } from "../../../src/phantom/random.ts";
import { authority, type Pair } from "../certificates.ts";
import { freePort } from "../free-port.ts";
import { ended, spawnNode } from "../node-under-test.ts";
import { REPORTING_PEER } from "./commitment-classes.ts";
import { BALANCER_ADDRESS } from "./connection-classes.ts";
import { TIMERS } from "./conversation.ts";
import { findBytes } from "./find-classes.ts";
import { type Credentials, play, type Target } from "./play.ts";
import { nodeFigures, type ProcessFigures } from "./process-figures.ts";
import { CLOSED_DESTINATION, RETRIEVABLE_PATIENT } from "./retrieve-classes.ts";
import { anyUid, elementsOf, storeBytes } from "./store-classes.ts";
import { associate, even, explicit, RELEASE_RQ } from "./wire.ts";

export interface NodeUnderAttack {
  readonly target: Target;
  readonly child: ChildProcess;
  /** What it wrote to its log at level error or above. */
  errors(): string[];
  figures(): ProcessFigures;
  /** Bytes in use in the heaps of the node and its receivers, and held outside them (MB), by its own metrics. */
  inUseMb(): Promise<number>;
  /** Figures once every timer of the node has run out. */
  settledFigures(): Promise<ProcessFigures>;
  stop(): Promise<number | null>;
}

/** Below this many at once from one address an attacker is within his limit. */
const PER_ADDRESS_MAX = 64;
const STUDIES = 120;
/** Instances of the patient whom the retrieves ask for. */
const RETRIEVABLE = 4;

export async function startNodeUnderAttack(): Promise<NodeUnderAttack> {
  const ports = { dicom: await freePort(), tls: await freePort(), http: await freePort() };
  const ca = authority("Site CA");
  const own = ca.sign("kindred", ["IP:127.0.0.1"]);
  const { child, output, dicom, http } = await spawnNode(
    {
      quietSeconds: 5,
      extra: {
        dimse: {
          port: ports.dicom,
          ...TIMERS,
          tls: { port: ports.tls, ...own, caFile: ca.caFile },
          proxyFrom: [BALANCER_ADDRESS],
          associationsMax: 128,
          associationsPerPeerMax: PER_ADDRESS_MAX,
        },
        // Reported by a call only, so that what is answered does not depend on the time.
        commitment: { sameAssociationSeconds: 0 },
        archive: { instanceBytesMax: 67_108_864 },
        log: { level: "error" },
        peers: [
          {
            aeTitle: "HOSTILE",
            host: "127.0.0.0/8",
            allow: ["store", "query", "similar", "retrieve", "commit"],
          },
          {
            aeTitle: REPORTING_PEER,
            host: ["127.0.0.1", "127.0.0.0/8"],
            port: 1,
            allow: ["store", "query"],
            sendReports: true,
            commit: true,
          },
          { aeTitle: CLOSED_DESTINATION, host: "127.0.0.1", port: 1, allow: [] },
          { aeTitle: "FLOODER", host: "127.0.0.3", allow: ["query"] },
          { aeTitle: "WATCHER", host: "127.0.0.9", allow: ["query"] },
        ],
      },
    },
    ports,
  );
  await fill(dicom);
  const figures = () => nodeFigures(child.pid!);
  return {
    target: {
      ...dicom,
      tls: {
        port: ports.tls,
        trusted: credentialsOf(ca.sign("hostile")),
        stranger: credentialsOf(authority("Another CA").sign("stranger")),
      },
    },
    child,
    errors: () =>
      output()
        .split("\n")
        .filter((line) => line !== ""),
    figures,
    inUseMb: () => inUseMb(http),
    async settledFigures() {
      const longest = Math.max(...Object.values(TIMERS));
      await new Promise((resolve) => setTimeout(resolve, (longest + 2) * 1000));
      return figures();
    },
    async stop() {
      child.kill("SIGTERM");
      return ended(child);
    },
  };
}

function credentialsOf({ keyFile, certFile }: Pair): Credentials {
  return { key: readFileSync(keyFile), cert: readFileSync(certFile) };
}

/** Studies with long names, so that queries have something to go through. */
async function fill(target: Target): Promise<void> {
  const random = randomFrom("studies of the node under attack");
  const stores = Array.from({ length: STUDIES }, () => {
    const uid = anyUid(random);
    return storeBytes(uid, Buffer.concat(elementsOf(random, uid)));
  });
  for (let instance = 0; instance < RETRIEVABLE; instance++) {
    const uid = anyUid(random);
    const change = { 1048608: explicit(0x00100020, "LO", even(RETRIEVABLE_PATIENT)) };
    stores.push(storeBytes(uid, Buffer.concat(elementsOf(random, uid, change))));
  }
  const { transcript } = await play(
    target,
    {
      steps: [
        { send: associate() },
        { replies: 1 },
        { send: Buffer.concat([...stores, findBytes(Buffer.alloc(0)), RELEASE_RQ]) },
      ],
      expected: /./,
      wants: "",
      endMs: 60_000,
    },
    "127.0.0.2",
  );
  if (!transcript.startsWith("AC RSP-8001-0000* RSP-8020-"))
    throw new Error(`the node does not take studies: ${transcript}`);
}

const IN_USE = /^kindred_nodejs_(?:heap_size_used|external_memory)_bytes(?:\{[^}]*\})? (\S+)$/gm;

/** Resident memory also has what the allocator keeps for later; what is in use is what a leak would grow. */
async function inUseMb(http: Target): Promise<number> {
  const text = await (await fetch(`http://${http.host}:${http.port}/metrics`)).text();
  const bytes = [...text.matchAll(IN_USE)].reduce((sum, match) => sum + Number(match[1]), 0);
  return Math.round(bytes / 1_048_576);
}
