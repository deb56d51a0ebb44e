/** Faults on purpose: the real calls of the file system and the database, the n-th of which fails. */
import type { ArchiveFile, ArchiveFs } from "../../src/archive/archive-fs.ts";
import type { BoundedDatabase, OpenStatement } from "../../src/db/bounded.ts";
import { KindredError } from "../../src/kernel/errors.ts";

/**
 * What happens at the n-th call: `error` instead of the call; `late-error` after the call has had its effect;
 * `kill` and `late-kill` end the process there.
 */
export type FaultMode = "error" | "late-error" | "kill" | "late-kill";

export interface Faults {
  /** Calls seen while armed. */
  readonly calls: number;
  /** The n-th call came. */
  readonly hasFired: boolean;
  /** Name of the call that failed. */
  readonly firedAt: string;
  arm(): void;
  disarm(): void;
  around<T>(name: string, fault: () => Error, call: () => Promise<T>): Promise<T>;
  /** The same for a call that does not wait. */
  aroundNow<T>(name: string, fault: () => Error, call: () => T): T;
}

export function createFaults(nth: number, mode: FaultMode): Faults {
  let isArmed = false;
  let calls = 0;
  let firedAt = "";
  return {
    get calls() {
      return calls;
    },
    get hasFired() {
      return firedAt !== "";
    },
    get firedAt() {
      return firedAt;
    },
    arm() {
      isArmed = true;
    },
    disarm() {
      isArmed = false;
    },
    async around(name, fault, call) {
      if (!isArmed || ++calls !== nth) return call();
      firedAt = name;
      if (mode === "kill") process.kill(process.pid, "SIGKILL");
      if (mode === "error") throw fault();
      // Some calls are expected to fail, such as rmdir of a folder with files.
      const result = await Promise.allSettled([call()]);
      if (mode === "late-kill") process.kill(process.pid, "SIGKILL");
      if (result[0].status === "rejected") throw result[0].reason;
      throw fault();
    },
    aroundNow(name, fault, call) {
      if (!isArmed || ++calls !== nth) return call();
      firedAt = name;
      if (mode === "kill") process.kill(process.pid, "SIGKILL");
      if (mode === "error") throw fault();
      call();
      if (mode === "late-kill") process.kill(process.pid, "SIGKILL");
      throw fault();
    },
  };
}

const noSpace = () => Object.assign(new Error("a fault on purpose"), { code: "ENOSPC" });

export function faultyFs(fs: ArchiveFs, faults: Faults): ArchiveFs {
  const around = <T>(name: string, call: () => Promise<T>) => faults.around(name, noSpace, call);
  const fileOf = (file: ArchiveFile): ArchiveFile => ({
    writev: (buffers) => around("writev", () => file.writev(buffers)),
    writevNow: (buffers) => faults.aroundNow("writevNow", noSpace, () => file.writevNow(buffers)),
    datasync: () => around("datasync", () => file.datasync()),
    sync: () => around("sync", () => file.sync()),
    // A close that reports an error has closed all the same (Linux).
    close: async () => {
      await file.close();
      await around("close", async () => undefined);
    },
  });
  return {
    open: async (...args) => {
      let opened: ArchiveFile | undefined;
      try {
        return fileOf(await around("open", async () => (opened = await fs.open(...args))));
      } catch (error) {
        await opened?.close();
        throw error;
      }
    },
    mkdir: (...args) => around("mkdir", () => fs.mkdir(...args)),
    rename: (...args) => around("rename", () => fs.rename(...args)),
    rm: (...args) => around("rm", () => fs.rm(...args)),
    rmdir: (...args) => around("rmdir", () => fs.rmdir(...args)),
    readdir: (...args) => around("readdir", () => fs.readdir(...args)),
    readFile: (...args) => around("readFile", () => fs.readFile(...args)),
    writeFile: (...args) => around("writeFile", () => fs.writeFile(...args)),
    stat: (...args) => around("stat", () => fs.stat(...args)),
    statfs: (...args) => around("statfs", () => fs.statfs(...args)),
  };
}

/** A statement that fails this way is not answered: it may have run. */
export function faultyDatabase(database: BoundedDatabase, faults: Faults): BoundedDatabase {
  const away = (isSent?: false) => () =>
    new KindredError("DB_UNAVAILABLE", "a fault on purpose", {
      details: isSent === undefined ? {} : { isSent },
    });
  return {
    query: (text, values) => faults.around("query", away(), () => database.query(text, values)),
    async openStatement(text, values) {
      let opened: OpenStatement | undefined;
      try {
        await faults.around("open", away(false), async () => {
          opened = await database.openStatement(text, values);
        });
      } catch (error) {
        // Its connection is given up.
        await opened?.rollback();
        throw error;
      }
      const { commit, rollback } = opened!;
      return {
        async commit() {
          let isAsked = false;
          try {
            await faults.around("commit", away(), () => {
              isAsked = true;
              return commit();
            });
          } catch (error) {
            if (!isAsked) await rollback();
            throw error;
          }
        },
        async rollback() {
          await faults.around("rollback", away(), rollback).catch(rollback);
        },
      };
    },
  };
}

/** The answer of the first statement that matches is lost after it ran, or was committed. */
export function losingAnswer(database: BoundedDatabase, statement: RegExp): BoundedDatabase {
  let isLost = false;
  const answer = (text: string) => {
    if (isLost || !statement.test(text)) return;
    isLost = true;
    throw new KindredError("DB_UNAVAILABLE", "the answer is lost");
  };
  return {
    async query<Row>(text: string, values?: readonly unknown[]) {
      const result = await database.query<Row>(text, values);
      answer(text);
      return result;
    },
    async openStatement(text, values) {
      const { commit, rollback } = await database.openStatement(text, values);
      return {
        rollback,
        async commit() {
          await commit();
          answer(text);
        },
      };
    },
  };
}
