import { expect } from "chai";
import { KindredError } from "../../../src/kernel/errors.ts";
import { createThreadPool, type ThreadPool } from "../../../src/pipeline/thread-pool.ts";
import type { PoolAnswer, PoolJob } from "../../support/pool-thread.ts";

const THREADS = 2;

describe("threads that may be thrown away", function () {
  this.timeout(60_000);
  let pool: ThreadPool<PoolJob, PoolAnswer>;
  const open = (changes: { script?: string; jobSeconds?: number; idleSeconds?: number } = {}) =>
    createThreadPool<PoolJob, PoolAnswer>({
      script: new URL(`../../support/${changes.script ?? "pool-thread.ts"}`, import.meta.url),
      threads: THREADS,
      jobSeconds: changes.jobSeconds ?? 2,
      idleSeconds: changes.idleSeconds ?? 60,
      heapMegabytesMax: 64,
    });
  afterEach(() => pool.stop());

  const outcome = (job: PoolJob): Promise<PoolAnswer | KindredError> =>
    pool.run(job).catch((error: unknown) => {
      if (error instanceof KindredError) return error;
      throw error;
    });

  it("answers every job once, on as many threads as it has", async () => {
    pool = open();
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, value) => pool.run({ do: "answer", value })),
    );
    expect(answers.map((one) => one.value)).to.deep.equal(Array.from({ length: 200 }, (_, i) => i));
    expect(new Set(answers.map((one) => one.threadId)).size).to.equal(THREADS);
  });

  for (const fault of ["poison", "hang", "exit", "exhaust"] as const) {
    it(`fails the job that does "${fault}" alone, on a thread that is used no more`, async () => {
      pool = open();
      const jobs: PoolJob[] = Array.from({ length: 40 }, (_, value) => ({
        do: value % 10 === 3 ? fault : "answer",
        value,
      }));
      const outcomes = await Promise.all(jobs.map(outcome));
      for (const [value, one] of outcomes.entries()) {
        if (jobs[value]!.do === "answer") expect((one as PoolAnswer).value).to.equal(value);
        else expect((one as KindredError).code, `job ${value}`).to.equal("DATASET_UNREADABLE");
      }
      const ids = new Set(
        outcomes.flatMap((one) => (one instanceof KindredError ? [] : one.threadId)),
      );
      expect(ids.size).to.be.within(2, THREADS + 4);
      const later = await Promise.all([1, 2, 3].map((value) => pool.run({ do: "answer", value })));
      expect(later.map((one) => one.value)).to.deep.equal([1, 2, 3]);
    });
  }

  it("is unavailable, and blames no job, when its threads cannot be started", async () => {
    pool = open({ script: "no-such-thread.ts" });
    for (const value of [1, 2, 3])
      expect((await outcome({ do: "answer", value })) as KindredError)
        .to.have.property("code")
        .that.equals("UNAVAILABLE");
  });

  it("keeps a thread whose job was refused in order", async () => {
    pool = open();
    const refused = await outcome({ do: "refuse", value: 7 });
    expect((refused as KindredError).message).to.include("job 7");
    const first = await pool.run({ do: "answer", value: 1 });
    await outcome({ do: "refuse", value: 8 });
    expect((await pool.run({ do: "answer", value: 2 })).threadId).to.equal(first.threadId);
  });

  it("ends threads that have nothing to do, and starts others later", async () => {
    pool = open({ idleSeconds: 0.05 });
    const first = await pool.run({ do: "answer", value: 1 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect((await pool.run({ do: "answer", value: 2 })).threadId).not.to.equal(first.threadId);
  });

  it("refuses what is under way and what waits when it is stopped", async () => {
    pool = open({ jobSeconds: 30 });
    const all = Promise.all(
      Array.from({ length: 10 }, (_, value) => outcome({ do: "hang", value })),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    await pool.stop();
    for (const one of await all) expect((one as KindredError).code).to.equal("UNAVAILABLE");
  });
});
