/**
 * One node a name, over all machines: a lock of the kernel on one machine, a row with a time of last sight between
 * machines. The archive has one owner (or one repair) at a time, and each receiver node its own name.
 *
 * A node that was away for longer than ALIVE_SECONDS (frozen, or cut off from the database) may find its row taken: it was
 * displaced and must end. Instances are safe meanwhile: their writers are fenced (archive/writer.ts).
 */
import { randomUUID } from "node:crypto";
import { readFile, readlink, stat } from "node:fs/promises";
import { hostname } from "node:os";
import { KindredError, messageOf } from "../kernel/errors.ts";
import type { Logger } from "../kernel/log.ts";
import {
  ALIVE_SECONDS,
  archiveNodes,
  leaveNodeRow,
  type NodeRow,
  takeNodeRow,
} from "./archive-nodes.ts";
import type { Database } from "./database.ts";
import { isDataDirLocked } from "./lock.ts";

export const OWNER = "owner";
export const REPAIR = "repair";

export interface NodeClaim {
  /** Resolves with the reason when another run has taken the name. */
  readonly displaced: Promise<KindredError>;
  release(): Promise<void>;
}

export interface ClaimOptions {
  readonly database: Database;
  readonly dataDir: string;
  readonly node: string;
  readonly role: string;
  readonly log: Logger;
  /** Time to wait for a node that may be dead. */
  readonly waitSeconds: number;
}

const BEAT_MS = 3_000;
const LOOK_MS = 500;

/** The lock of the kernel that goes with a name: owner and repair exclude each other. */
export function lockOf(node: string): string {
  return node === OWNER || node === REPAIR ? "node" : node;
}

/**
 * Claims a name whose lock ({@link lockOf}) this process holds. Nothing is claimed in an embedded database: it has one node.
 *
 * @throws KindredError `DATA_DIR_IN_USE` naming who has it, `DB_UNAVAILABLE`
 */
export async function claimNode(options: ClaimOptions): Promise<NodeClaim> {
  const { database, dataDir, node, role, log } = options;
  if (database.engine === "embedded")
    return { displaced: new Promise(() => undefined), release: async () => undefined };
  const row = {
    node,
    role,
    run: randomUUID(),
    host: hostname(),
    process_id: process.pid,
    scope: await scopeOf(dataDir),
  };
  const deadline = performance.now() + options.waitSeconds * 1000;
  for (let isTold = false; ; isTold = true) {
    const rival = await take(options, row);
    if (rival === undefined) break;
    if (performance.now() >= deadline) throw inUse(rival);
    const facts = { event: "node.waits", node: rival.node, host: rival.host };
    if (!isTold) log.warn(facts, "another node uses the archive, or ended just now: waiting");
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  return keepClaim(database, row, log);
}

type OwnRow = Omit<NodeRow, "is_alive" | "seen_seconds">;

/**
 * Takes the row, and gives it back when another node stands in the way, which it returns. The row comes first, then the look:
 * of two that begin at the same time at least one sees the other.
 */
async function take(options: ClaimOptions, own: OwnRow): Promise<NodeRow | undefined> {
  const { database, node } = options;
  const dead = (await othersOf(options, own)).filter((one) => one.isDead);
  const deadRuns = dead.map(({ row }) => row.run);
  const isTaken = await takeNodeRow(database, own, deadRuns);
  const living = (await othersOf(options, own)).filter((one) => !one.isDead).map(({ row }) => row);
  if (!isTaken) {
    // Whoever has it may have left since.
    return living.find((one) => one.node === node) ?? take(options, own);
  }
  const rival = living.find((one) => node === REPAIR || one.node === REPAIR);
  if (rival !== undefined) await leaveNodeRow(database, node, own.run);
  return rival;
}

/** Nodes that were seen lately, and whether they are known to be dead all the same. */
async function othersOf(
  { database, dataDir }: ClaimOptions,
  own: OwnRow,
): Promise<{ row: NodeRow; isDead: boolean }[]> {
  const rows = (await archiveNodes(database)).filter((one) => one.is_alive && one.run !== own.run);
  return Promise.all(
    rows.map(async (row) => ({ row, isDead: await isProvenDead(dataDir, own, row) })),
  );
}

/** On the same machine the lock of a living run is taken. */
async function isProvenDead(
  dataDir: string,
  own: Pick<NodeRow, "node" | "scope">,
  other: NodeRow,
): Promise<boolean> {
  if (other.scope !== own.scope) return false;
  if (lockOf(other.node) === lockOf(own.node)) return true;
  return !(await isDataDirLocked(dataDir, lockOf(other.node)));
}

function keepClaim(database: Database, row: OwnRow, log: Logger): NodeClaim {
  const { promise: displaced, resolve } = Promise.withResolvers<KindredError>();
  let isReleased = false;
  let beating: Promise<void> = Promise.resolve();
  const beat = async () => {
    try {
      if ((await takeNodeRow(database.bounded, row, [])) || isReleased) return;
      clearInterval(timer);
      const text = `Another node has taken the place of this one (${row.node}), which was not seen for ${ALIVE_SECONDS} seconds: it ends`;
      resolve(new KindredError("DATA_DIR_IN_USE", text));
    } catch (error) {
      log.debug({ event: "node.beat_failed", why: messageOf(error) }, "the database is away");
    }
  };
  let isBeating = false;
  const timer = setInterval(() => {
    if (isBeating) return;
    isBeating = true;
    beating = beat().finally(() => {
      isBeating = false;
    });
  }, BEAT_MS);
  timer.unref();
  return {
    displaced,
    async release() {
      isReleased = true;
      clearInterval(timer);
      await beating;
      // A row that stays is taken over by the next start, here at once, elsewhere after ALIVE_SECONDS.
      await leaveNodeRow(database.bounded, row.node, row.run).catch(() => undefined);
    },
  };
}

/** Where an abstract socket of this folder is unique: the boot, the network namespace, the folder. */
async function scopeOf(dataDir: string): Promise<string> {
  const { dev, ino } = await stat(dataDir, { bigint: true });
  const boot = await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => hostname());
  const network = await readlink("/proc/self/ns/net").catch(() => "");
  return `${boot.trim()} ${network} ${dev}-${ino}`;
}

function inUse({ node, role, host, process_id: pid }: NodeRow): KindredError {
  return new KindredError(
    "DATA_DIR_IN_USE",
    `The archive is in use by ${node} (role ${role}, process ${pid} on ${host}): stop it first; one that was killed elsewhere is forgotten after ${ALIVE_SECONDS} seconds`,
  );
}
