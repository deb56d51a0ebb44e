import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { codeOf } from "../../../src/kernel/errors.ts";
import type { Node } from "../../../src/main.ts";
import { ctSeries, ctUids } from "../../support/ct-series.ts";
import { dataSetOf } from "../../support/data-sets.ts";
import { associatePeer } from "../../support/dimse-peer.ts";
import { command, findFields } from "../../support/hostile/wire.ts";
import { nativeOrSkip } from "../../support/native-postgres.ts";
import { push, startTestNode, waitFor } from "../../support/node-under-test.ts";
import { ENGINES } from "../../support/query-database.ts";

const LIMIT_SECONDS = 1;
/** Less than what the statement would still run, were it not stopped. */
const SETTLE_SECONDS = 2;
const STATEMENT_SECONDS = 5;
const OUT_OF_RESOURCES = 0xa700;
const PENDING = 0xff00;

for (const engine of ENGINES) {
  describe(`a query that takes too long on the ${engine} database`, function () {
    this.timeout(120_000);
    const series = ctSeries({ name: "slow-query", slices: 1, rows: 16 });
    const native = nativeOrSkip(engine);
    let node: Node;

    before(async () => {
      const url = await native()?.freshDatabase();
      const database = { querySeconds: LIMIT_SECONDS, ...(url === undefined ? {} : { url }) };
      ({ node } = await startTestNode({ quietSeconds: 3600, extra: { database } }));
      await push(node.dicom, series);
    });
    after(async () => {
      await node?.stop();
      await native()?.stop();
    });

    const target = (calledAeTitle: string) => ({
      ...node.dicom,
      callingAeTitle: "SENDER",
      calledAeTitle,
      responseSeconds: 30,
    });
    /** A C-FIND for one study: the final response, and how many matches came before it. */
    async function ask(calledAeTitle = "KINDRED") {
      const transferSyntaxes = [UID.implicitVrLittleEndian];
      const peer = await associatePeer({
        port: node.dicom.port,
        callingAeTitle: "SENDER",
        calledAeTitle,
        contexts: [{ id: 1, abstractSyntax: SOP_CLASS.studyRootFind, transferSyntaxes }],
      });
      const identifier = dataSetOf({
        QueryRetrieveLevel: "STUDY",
        StudyInstanceUID: ctUids("slow-query").study,
        PatientID: "",
      });
      const bytes = encodeDataSet(identifier, UID.implicitVrLittleEndian);
      await peer.send(1, command(findFields()), bytes);
      for (let matches = 0; ; matches++) {
        const message = await peer.next();
        if (message === undefined) throw new Error("no final response");
        const { status, errorComment: comment } = message.command;
        if (status === PENDING) continue;
        await peer.release();
        return { status, comment, matches };
      }
    }
    const timeouts = async () => {
      const text = await (await fetch(`http://${node.http.host}:${node.http.port}/metrics`)).text();
      return Number(
        /^kindred_find_timeouts_total\{called="KINDRED"\} (\d+)$/m.exec(text)?.[1] ?? 0,
      );
    };
    /** Every statement that reads a study then takes so long. */
    async function slowDown(): Promise<void> {
      await node.database.query("alter table study rename to study_kept");
      await node.database.query(
        `create view study as select k.* from study_kept k
           where (select pg_sleep(${STATEMENT_SECONDS}) is not null or k.study_instance_uid is null)`,
      );
    }
    async function speedUp(): Promise<void> {
      await node.database.query("drop view study");
      await node.database.query("alter table study_kept rename to study");
    }

    it("ends with A700H and a sentence, is counted, and an echo is answered meanwhile", async () => {
      await slowDown();
      try {
        const asked = [ask(), ask("SIMILAR")];
        await sleep(100);
        await echo(target("KINDRED"));
        for (const answer of await Promise.all(asked))
          expect(answer).to.deep.equal({
            status: OUT_OF_RESOURCES,
            comment: "Stopped after 1 s: narrow the query",
            matches: 0,
          });
        expect(await timeouts()).to.equal(1);
      } finally {
        await speedUp();
      }
      const answer = await waitFor(ask, (one) => one.status === 0);
      expect(answer.matches).to.equal(1);
    });

    it("limits each statement of a transaction, which is rolled back", async () => {
      const error = await node.database.limited
        .transaction(async (tx) => {
          await tx.query("create table half_done (n int)");
          await tx.query(`select pg_sleep(${STATEMENT_SECONDS})`);
        })
        .catch((failure: unknown) => failure);
      expect(codeOf(error)).to.equal("QUERY_TOO_SLOW");
      const { rows } = await node.database.query("select to_regclass('half_done') as found");
      expect(rows).to.deep.equal([{ found: null }]);
    });

    it(
      engine === "postgresql"
        ? "is stopped in the database"
        : "runs on in the database, where everything else waits for it",
      async () => {
        const startedAt = performance.now();
        const error = await node.database.limited
          .query(`select pg_sleep(${STATEMENT_SECONDS})`)
          .catch((failure: unknown) => failure);
        expect(codeOf(error)).to.equal("QUERY_TOO_SLOW");
        // The server says so a moment after its answer.
        await waitFor(
          () =>
            node.database.query<{ running: number }>(
              `select count(*)::int as running from pg_stat_activity
               where query like 'select pg_sleep%' and state = 'active' and pid <> pg_backend_pid()`,
            ),
          ({ rows }) => rows[0]?.running === 0,
          SETTLE_SECONDS,
        );
        const seconds = (performance.now() - startedAt) / 1000;
        if (engine === "embedded") expect(seconds).to.be.at.least(STATEMENT_SECONDS - 0.5);
      },
    );

    it("leaves the limit on its own transaction", async () => {
      await node.database.limited.query("select 1");
      const { rows } = await node.database.query<{ statement_timeout: string }>(
        "show statement_timeout",
      );
      expect(rows).to.deep.equal([{ statement_timeout: "0" }]);
    });
  });
}
