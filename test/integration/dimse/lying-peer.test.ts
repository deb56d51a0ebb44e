import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { DataSet } from "../../../src/dicom/data-set.ts";
import { encodeDataSet } from "../../../src/dicom/encode.ts";
import { encodeFileMeta } from "../../../src/dicom/part10.ts";
import { TAG } from "../../../src/dicom/tags.ts";
import { SOP_CLASS, UID } from "../../../src/dicom/uids.ts";
import { echo } from "../../../src/dimse/requestor/echo.ts";
import { find } from "../../../src/dimse/requestor/find.ts";
import { sendInstances } from "../../../src/dimse/requestor/send-instances.ts";
import type { SendOutcome } from "../../../src/dimse/requestor/store-outcome.ts";
import * as pdu from "../../../src/dimse/upper-layer/pdu.ts";
import type { KindredError } from "../../../src/kernel/errors.ts";
import { STATUSES } from "../../../src/kernel/statuses.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";
import {
  response,
  type Script,
  type ScriptedPeer,
  scriptedPeer,
  type Visitor,
} from "../../support/scripted-peer.ts";

/** For peers that answer, however busy the machine is; and for those that are waited for in vain. */
const AMPLE_SECONDS = 20;
const SHORT_SECONDS = 0.4;
const forever = () => new Promise<never>(() => undefined);
const target = (port: number, responseSeconds = AMPLE_SECONDS) => ({
  host: "127.0.0.1",
  port,
  callingAeTitle: "KINDRED",
  calledAeTitle: "LIAR",
  responseSeconds,
});

describe("the requestor and a lying peer", function () {
  this.timeout(30_000);
  const folder = temporaryFolder();
  const small = document("small", 2_000);
  /** More than the sockets of both sides hold. */
  const large = document("large", 24_000_000);
  let peer: ScriptedPeer | undefined;
  let before: string[];

  function document(name: string, bytes: number) {
    const sopInstanceUid = `2.25.${name.length}${bytes}`;
    const instance = {
      sopClassUid: SOP_CLASS.basicTextSr,
      sopInstanceUid,
      transferSyntaxUid: UID.explicitVrLittleEndian,
    };
    const dataSet = new DataSet()
      .setString(TAG.SOPClassUID, "UI", SOP_CLASS.basicTextSr)
      .setString(TAG.SOPInstanceUID, "UI", sopInstanceUid)
      .setString(0x00990010, "LO", "KINDRED TEST")
      .setString(0x00991001, "LO", "private, and kept")
      .setBytes(0x00991002, "OB", Buffer.alloc(bytes, 7));
    const body = encodeDataSet(dataSet, UID.explicitVrLittleEndian);
    const path = join(folder, `${name}.dcm`);
    writeFileSync(path, Buffer.concat([encodeFileMeta(instance), body]));
    return { ...instance, path, body, dataSet };
  }

  async function store(script: Script, ...files: (typeof small)[]): Promise<SendOutcome[]> {
    peer = await scriptedPeer(script);
    return sendInstances(target(peer.port), files.length === 0 ? [small] : files);
  }

  async function storeOne(
    script: Script,
    file = small,
    responseSeconds = AMPLE_SECONDS,
  ): Promise<SendOutcome> {
    peer = await scriptedPeer(script);
    return (await sendInstances(target(peer.port, responseSeconds), [file]))[0]!;
  }

  async function echoError(script: Script): Promise<KindredError> {
    peer = await scriptedPeer(script);
    return echo(target(peer.port)).then(
      () => expect.fail("the echo went well"),
      (error: KindredError) => error,
    );
  }

  async function findStudies(script: Script, responseSeconds = AMPLE_SECONDS) {
    peer = await scriptedPeer(script);
    return find(target(peer.port, responseSeconds), { level: "STUDY", keys: { PatientID: "*" } });
  }

  const resources = () =>
    process
      .getActiveResourcesInfo()
      .filter((one) => one.startsWith("TCP") || one === "Timeout")
      .sort();

  // Asynchronous as afterEach is, so that the runner's own timer is in both counts.
  beforeEach(async () => {
    await new Promise((resolve) => setImmediate(resolve));
    before = resources();
  });

  // Nothing of the association is left: no socket on either side, no timer.
  afterEach(async () => {
    await peer?.stop();
    peer = undefined;
    await new Promise((resolve) => setImmediate(resolve));
    expect(resources()).to.deep.equal(before);
  });

  /** Accepts, reads one request whole, answers as the callback says, and lets the association be released. */
  const answering =
    (answer: (to: Awaited<ReturnType<Visitor["request"]>>, visitor: Visitor) => Buffer[]): Script =>
    async (visitor) => {
      await visitor.accept();
      visitor.send(...answer(await visitor.request(), visitor));
      await visitor.release();
    };

  describe("C-STORE: what the peer answers", () => {
    const cases: [number, SendOutcome["kind"], SendOutcome["retry"]][] = [
      [0x0000, "stored", "permanent"],
      [0x0111, "warning", "permanent"],
      [0xb000, "warning", "permanent"],
      [0xb006, "warning", "permanent"],
      [0xb007, "warning", "permanent"],
      [0xa700, "failed", "transient"],
      [0xa7ff, "failed", "transient"],
      [0x0213, "failed", "transient"],
      [0xa900, "failed", "permanent"],
      [0xc000, "failed", "permanent"],
      [0xcfff, "failed", "permanent"],
      [0x0110, "failed", "permanent"],
      [0x0122, "failed", "permanent"],
      [0x0124, "failed", "permanent"],
      [0x0211, "failed", "permanent"],
      [0xfe00, "failed", "permanent"],
      [0x1234, "failed", "permanent"],
    ];
    for (const [status, kind, retry] of cases) {
      const hex = status.toString(16).toUpperCase().padStart(4, "0");
      it(`takes ${hex}H for ${kind}${kind === "failed" ? `, ${retry}` : ""}`, async () => {
        const outcome = await storeOne(answering((to) => [response(to, { status })]));
        expect(outcome).to.include({ kind, status });
        if (kind === "failed") expect(outcome.retry).to.equal(retry);
        if (kind !== "stored") expect(outcome.message).to.contain(`${hex}H`);
        expect(peer!.heard.at(-1), "ends with a release").to.equal(pdu.PDU.releaseRq);
      });
    }

    it("sends the bytes of the file", async () => {
      let got: Buffer | undefined;
      const [first] = await store(
        answering((to) => {
          got = to.dataSet;
          return [response(to, { status: 0 })];
        }),
        large,
      );
      expect(first!.kind).to.equal("stored");
      expect(got!.equals(large.body)).to.equal(true);
    });

    it("sends every element, in implicit VR, to a peer that takes nothing else", async () => {
      let got: Buffer | undefined;
      const outcome = await storeOne(async (visitor) => {
        await visitor.accept({
          resultOf: (_, syntax) => (syntax === UID.implicitVrLittleEndian ? 0 : 4),
        });
        const to = await visitor.request();
        got = to.dataSet;
        visitor.send(response(to, { status: 0 }));
        await visitor.release();
      });
      expect(outcome.kind).to.equal("stored");
      const expected = encodeDataSet(small.dataSet, UID.implicitVrLittleEndian);
      expect(got!.equals(expected)).to.equal(true);
    });

    it("sends several over one association, each with its own outcome", async () => {
      const outcomes = await store(
        async (visitor) => {
          await visitor.accept();
          const first = await visitor.request();
          visitor.send(response(first, { status: 0x0110, comment: "the first failed" }));
          visitor.send(response(await visitor.request(), { status: 0 }));
          visitor.send(response(await visitor.request(), { status: 0xa700 }));
          await visitor.release();
        },
        small,
        small,
        small,
      );
      expect(outcomes.map((one) => one.status)).to.deep.equal([0x0110, 0, 0xa700]);
    });
  });

  describe("C-STORE: presentation contexts", () => {
    const refusals: [number, RegExp][] = [
      [1, /user rejection/],
      [2, /no reason given/],
      [3, /SOP class not supported/],
      [4, /no transfer syntax/],
    ];
    for (const [result, message] of refusals) {
      it(`says that every context was refused with result ${result}`, async () => {
        const outcome = await storeOne(async (visitor) => {
          await visitor.accept({ result });
          await visitor.release();
        });
        expect(outcome).to.include({
          kind: "refusedContext",
          retry: "permanent",
          status: undefined,
        });
        expect(outcome.message).to.match(message);
        expect(peer!.heard).to.deep.equal([pdu.PDU.associateRq, pdu.PDU.releaseRq]);
      });
    }

    const lies: [string, Parameters<Visitor["accept"]>[0], RegExp][] = [
      ["accepts a context that was not proposed", { idOf: () => 99 }, /not proposed/],
      ["answers one context twice", { idOf: () => 1 }, /not proposed/],
      [
        "accepts a transfer syntax that was not proposed",
        { transferSyntax: "1.2.3" },
        /not proposed/,
      ],
      ["announces PDUs of 6 bytes", { maximumLength: 6 }, /Maximum Length of 6/],
      ["announces PDUs of 1 byte", { maximumLength: 1 }, /Maximum Length of 1/],
    ];
    for (const [name, change, message] of lies) {
      it(`ends with a peer that ${name}`, async () => {
        const outcome = await storeOne(async (visitor) => {
          await visitor.accept(change);
          await visitor.next();
        });
        expect(outcome).to.include({
          kind: "failed",
          code: "PEER_UNREACHABLE",
          retry: "transient",
        });
        expect(outcome.message).to.match(message);
        await closed();
        expect(peer!.heard).to.deep.equal([pdu.PDU.associateRq, pdu.PDU.abort]);
      });
    }
  });

  /** The script has read what was sent before the socket closed. */
  const closed = () => new Promise((resolve) => setTimeout(resolve, 20));

  describe("rejections", () => {
    const cases: [number, number, number, "PEER_REFUSED" | "PEER_BUSY", RegExp][] = [
      [1, 1, 1, "PEER_REFUSED", /permanently: no reason given/],
      [1, 1, 2, "PEER_REFUSED", /application context/],
      [1, 1, 3, "PEER_REFUSED", /does not know our AE title/],
      [1, 1, 7, "PEER_REFUSED", /AE title we call/],
      [1, 2, 1, "PEER_REFUSED", /no reason given/],
      [1, 2, 2, "PEER_REFUSED", /protocol version/],
      [2, 1, 1, "PEER_BUSY", /for now/],
      [2, 2, 1, "PEER_BUSY", /for now/],
      [2, 3, 1, "PEER_BUSY", /temporary congestion/],
      [2, 3, 2, "PEER_BUSY", /limit of associations/],
      [1, 3, 2, "PEER_REFUSED", /limit of associations/],
      [0, 0, 0, "PEER_BUSY", /unknown result/],
      [9, 200, 255, "PEER_BUSY", /the standard does not know/],
    ];
    for (const [result, source, reason, code, message] of cases) {
      it(`result ${result}, source ${source}, reason ${reason}: ${code}`, async () => {
        const outcome = await storeOne(async (visitor) => {
          await visitor.next();
          visitor.send(pdu.encodeAssociateRj({ result, source, reason }));
          await visitor.next();
        });
        expect(outcome).to.include({ kind: "failed", code, retry: STATUSES[code].retry });
        expect(outcome.message).to.match(message);
        expect(peer!.heard, "no A-ABORT after a rejection").to.deep.equal([pdu.PDU.associateRq]);
      });
    }
  });

  describe("an association that breaks", () => {
    const brokenPdu = Buffer.from([4, 0, 0, 0, 0, 8, 0, 0, 0, 99, 1, 3, 0, 0]);
    const answers =
      (bytes: Buffer): Script =>
      async (visitor) => {
        await visitor.next();
        visitor.send(bytes);
        await forever();
      };
    const afterRequest =
      (act: (visitor: Visitor, to: Awaited<ReturnType<Visitor["request"]>>) => void): Script =>
      async (visitor) => {
        await visitor.accept();
        act(visitor, await visitor.request());
        await forever();
      };
    const huge = Buffer.from([4, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3]);
    const cases: [string, Script, SendOutcome["retry"], RegExp, typeof small?][] = [
      [
        "closes at once",
        async ({ socket }) => void socket.destroy(),
        "transient",
        /before anything was asked/,
      ],
      [
        "closes instead of answering the association request",
        async (visitor) => {
          await visitor.next();
          visitor.socket.destroy();
        },
        "transient",
        /closed the connection before anything/,
      ],
      [
        "never answers the association request",
        forever,
        "transient",
        /did not answer the association request/,
      ],
      [
        "aborts instead of accepting",
        answers(pdu.encodeAbort(2, 1)),
        "transient",
        /aborted the association \(its upper layer, reason: unrecognized PDU\)/,
      ],
      [
        "speaks HTTP",
        answers(Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n")),
        "transient",
        /PDU type 72/,
      ],
      [
        "answers with a P-DATA-TF",
        answers(
          pdu.encodePData({ contextId: 1, isCommand: true, isLast: true, data: Buffer.alloc(4) }),
        ),
        "transient",
        /type 4 where none may come/,
      ],
      ["answers with a huge PDU", answers(huge), "transient", /claims 4294967295 bytes/],
      [
        "accepts with a PDU that ends in the middle of an item",
        answers(Buffer.from([2, 0, 0, 0, 0, 70, ...new Array(68).fill(0), 0x21, 0])),
        "transient",
        /broke the protocol/,
      ],
      [
        "closes in the middle of our data set",
        async (visitor) => {
          await visitor.accept();
          await visitor.next();
          await visitor.next();
          visitor.socket.destroy();
        },
        "transient",
        /in the middle of our request/,
        large,
      ],
      [
        "aborts in the middle of our data set",
        async (visitor) => {
          await visitor.accept();
          await visitor.next();
          visitor.send(pdu.encodeAbort(0, 0));
          visitor.socket.pause();
          await forever();
        },
        "transient",
        /aborted the association \(its application\) in the middle/,
        large,
      ],
      [
        "does not read our data set",
        async (visitor) => {
          await visitor.accept();
          visitor.socket.pause();
          await forever();
        },
        "transient",
        /did not read our request/,
        large,
      ],
      [
        "says success before it read the request",
        async (visitor) => {
          await visitor.accept();
          const { body } = (await visitor.next())!;
          const command = { messageId: 1, commandField: 1, affectedSopClassUid: "" } as never;
          visitor.send(response({ command, contextId: body[4]! }, { status: 0 }));
          await forever();
        },
        "transient",
        /success for a request that it had not read/,
        large,
      ],
      [
        "closes after the request",
        afterRequest(({ socket }) => void socket.destroy()),
        "ambiguous",
        /before it answered/,
      ],
      [
        "half closes after the request",
        afterRequest(({ socket }) => void socket.end()),
        "ambiguous",
        /before it answered/,
      ],
      [
        "never answers the request",
        afterRequest(() => undefined),
        "ambiguous",
        /did not answer within/,
      ],
      [
        "aborts after the request",
        afterRequest((visitor) => visitor.send(pdu.encodeAbort(2, 6))),
        "ambiguous",
        /invalid PDU parameter value\) before it answered/,
      ],
      [
        "asks for release instead of answering",
        afterRequest((visitor) => visitor.send(pdu.encodeReleaseRq())),
        "ambiguous",
        /released the association before it answered/,
      ],
      [
        "answers with garbage",
        afterRequest((visitor) => visitor.send(Buffer.alloc(4096, 0xee))),
        "ambiguous",
        /PDU type 238 does not exist/,
      ],
      [
        "answers with a huge PDU after the request",
        afterRequest((visitor) => visitor.send(huge)),
        "ambiguous",
        /claims/,
      ],
      [
        "answers with a broken PDV",
        afterRequest((visitor) => visitor.send(brokenPdu)),
        "ambiguous",
        /a PDV is longer than its PDU/,
      ],
      [
        "answers with a command set that is none",
        afterRequest((visitor, { contextId }) =>
          visitor.send(
            pdu.encodePData({
              contextId,
              isCommand: true,
              isLast: true,
              data: Buffer.alloc(101, 0xff),
            }),
          ),
        ),
        "ambiguous",
        /command set that cannot be read/,
      ],
      [
        "sends a command set without end",
        afterRequest((visitor, { contextId }) => {
          const data = Buffer.alloc(16_000);
          const part = pdu.encodePData({ contextId, isCommand: true, isLast: false, data });
          for (let count = 0; count < 4; count++) visitor.send(part);
        }),
        "ambiguous",
        /longer than 16384 bytes/,
      ],
      [
        "answers another message",
        afterRequest((visitor, to) => visitor.send(response(to, { status: 0, messageId: 77 }))),
        "ambiguous",
        /a response to message 77/,
      ],
      [
        "answers another service",
        afterRequest((visitor, to) =>
          visitor.send(response(to, { status: 0, commandField: 0x8030 })),
        ),
        "ambiguous",
        /not asked for/,
      ],
      [
        "sends a request of its own",
        afterRequest((visitor, to) =>
          visitor.send(response(to, { commandField: 0x0001, dataSet: Buffer.alloc(8) })),
        ),
        "ambiguous",
        /not asked for/,
      ],
      [
        "answers on another context",
        afterRequest((visitor, to) => visitor.send(response(to, { status: 0, contextId: 3 }))),
        "ambiguous",
        /presentation context 3/,
      ],
      [
        "answers without a status",
        afterRequest((visitor, to) => visitor.send(response(to, {}))),
        "ambiguous",
        /without a status/,
      ],
      [
        "answers C-STORE with pending",
        afterRequest((visitor, to) => visitor.send(response(to, { status: 0xff00 }))),
        "ambiguous",
        /pending response/,
      ],
      [
        "answers C-STORE with a data set",
        afterRequest((visitor, to) =>
          visitor.send(response(to, { status: 0, dataSet: Buffer.alloc(8) })),
        ),
        "ambiguous",
        /data set where the service has none/,
      ],
      [
        "drips its answer byte by byte",
        async (visitor) => {
          await visitor.accept();
          for (const byte of response(await visitor.request(), { status: 0 })) {
            visitor.send(Buffer.of(byte));
            await new Promise((resolve) => setTimeout(resolve, 50).unref());
          }
        },
        "ambiguous",
        /did not answer within/,
      ],
      [
        "sends empty fragments without end",
        async (visitor) => {
          await visitor.accept();
          const { contextId } = await visitor.request();
          const empty = pdu.encodePData({
            contextId,
            isCommand: true,
            isLast: false,
            data: Buffer.alloc(0),
          });
          const many = Buffer.concat(new Array(500).fill(empty));
          while (visitor.socket.writable) {
            visitor.send(many);
            await new Promise((resolve) => setTimeout(resolve, 2).unref());
          }
        },
        "ambiguous",
        /did not answer within/,
      ],
    ];
    for (const [name, script, retry, message, file] of cases) {
      it(`${retry} when the peer ${name}`, async () => {
        const isTimeout = message.source.startsWith("did not");
        const outcome = await storeOne(script, file, isTimeout ? SHORT_SECONDS : AMPLE_SECONDS);
        expect(outcome).to.include({ kind: "failed", retry });
        expect(outcome.message).to.match(message);
        expect(STATUSES[outcome.code!].retry).to.equal(retry);
      });
    }

    it("keeps the first outcome when the peer answers twice", async () => {
      const outcome = await storeOne(
        answering((to) => [response(to, { status: 0 }), response(to, { status: 0xc000 })]),
      );
      expect(outcome).to.include({ kind: "stored", status: 0 });
    });

    it("does not take a second answer to one object for the answer to the next", async () => {
      const outcomes = await store(
        async (visitor) => {
          await visitor.accept();
          const first = await visitor.request();
          visitor.send(response(first, { status: 0 }), response(first, { status: 0 }));
          await forever();
        },
        small,
        small,
        small,
      );
      expect(outcomes.map(({ kind, retry }) => [kind, retry])).to.deep.equal([
        ["stored", "permanent"],
        ["failed", "ambiguous"],
        ["failed", "transient"],
      ]);
    });

    it("keeps the outcome when the peer never answers the release, or breaks it", async () => {
      const endings: Script[] = [
        forever,
        async ({ socket }) => void socket.destroy(),
        async (visitor) => visitor.send(pdu.encodeAbort(2, 0)),
        async (visitor) => visitor.send(Buffer.alloc(64, 0xaa)),
      ];
      for (const end of endings) {
        const outcome = await storeOne(
          async (visitor) => {
            await visitor.accept();
            visitor.send(response(await visitor.request(), { status: 0 }));
            await end(visitor);
          },
          small,
          SHORT_SECONDS,
        );
        expect(outcome.kind).to.equal("stored");
        await peer!.stop();
      }
      peer = undefined;
    });

    it("leaves the others alone when one file is not there", async () => {
      const gone = { ...small, path: join(folder, "gone.dcm") };
      const outcomes = await store(
        answering((to) => [response(to, { status: 0 })]),
        gone,
        small,
      );
      expect(outcomes[0]).to.include({ kind: "failed", code: "NOT_FOUND", retry: "permanent" });
      expect(outcomes[1]!.kind).to.equal("stored");
    });
  });

  describe("C-FIND", () => {
    const match = (patientId: string) =>
      encodeDataSet(
        new DataSet()
          .setString(TAG.SpecificCharacterSet, "CS", "ISO_IR 192")
          .setString(TAG.PatientName, "PN", "Müller^Jörg=漢字")
          .setString(TAG.PatientID, "LO", patientId),
        UID.implicitVrLittleEndian,
      );

    it("takes FF01H as pending, like FF00H", async () => {
      const answer = await findStudies(
        answering((to) => [
          response(to, { status: 0xff01, dataSet: match("1") }),
          response(to, { status: 0xff00, dataSet: match("2") }),
          response(to, { status: 0xff01, dataSet: match("3") }),
          response(to, { status: 0 }),
        ]),
      );
      expect(answer.status).to.equal(0);
      expect(answer.hasIgnoredKeys).to.equal(true);
      expect(answer.matches.map((one) => one.PatientID)).to.deep.equal(["1", "2", "3"]);
      expect(answer.matches[0]!.PatientName).to.equal("Müller^Jörg");
    });

    it("reads several messages of one PDU", async () => {
      const answer = await findStudies(
        answering((to) => {
          const bodies = [
            response(to, { status: 0xff00, dataSet: match("1") }),
            response(to, { status: 0 }),
          ].flatMap(bodiesOf);
          return [pduOf(Buffer.concat(bodies))];
        }),
      );
      expect(answer.matches).to.have.length(1);
    });

    for (const status of [0xa700, 0xa900, 0xc001, 0xfe00, 0x0122, 0x0124]) {
      it(`hands out the matches before ${status.toString(16).toUpperCase()}H`, async () => {
        const answer = await findStudies(
          answering((to) => [
            response(to, { status: 0xff00, dataSet: match("1") }),
            response(to, { status }),
          ]),
        );
        expect(answer.status).to.equal(status);
        expect(answer.matches).to.have.length(1);
      });
    }

    const failures: [string, Script, string][] = [
      [
        "goes silent after a match",
        async (visitor) => {
          await visitor.accept();
          visitor.send(response(await visitor.request(), { status: 0xff00, dataSet: match("1") }));
          await forever();
        },
        "PEER_TIMEOUT",
      ],
      [
        "closes after a match",
        async (visitor) => {
          await visitor.accept();
          visitor.socket.end(
            response(await visitor.request(), { status: 0xff00, dataSet: match("1") }),
          );
        },
        "PEER_CLOSED",
      ],
      [
        "never stops sending matches",
        async (visitor) => {
          await visitor.accept();
          const one = response(await visitor.request(), { status: 0xff00, dataSet: match("1") });
          const many = Buffer.concat(new Array(500).fill(one));
          while (visitor.socket.writable) {
            visitor.send(many);
            await new Promise((resolve) => setTimeout(resolve, 2).unref());
          }
        },
        "PEER_REFUSED",
      ],
      [
        "sends a match that is no data set",
        answering((to) => [
          response(to, { status: 0xff00, dataSet: Buffer.alloc(64, 0xff) }),
          response(to, { status: 0 }),
        ]),
        "PEER_REFUSED",
      ],
      [
        "sends a match without end",
        async (visitor) => {
          await visitor.accept();
          const to = await visitor.request();
          visitor.send(response(to, { status: 0xff00, dataSet: Buffer.alloc(0) }).subarray(0, -12));
          const data = Buffer.alloc(16_000);
          const part = pdu.encodePData({
            contextId: to.contextId,
            isCommand: false,
            isLast: false,
            data,
          });
          for (let count = 0; count < 6; count++) visitor.send(part);
          await forever();
        },
        "PEER_CLOSED",
      ],
    ];
    for (const [name, script, code] of failures) {
      it(`${code} when the peer ${name}`, async () => {
        const seconds = code === "PEER_TIMEOUT" ? SHORT_SECONDS : AMPLE_SECONDS;
        const error = await findStudies(script, seconds).then(
          () => expect.fail("it was answered"),
          (one: KindredError) => one,
        );
        expect(error.code, error.message).to.equal(code);
      });
    }
  });

  describe("C-ECHO says why", () => {
    it("the peer answered with a failure", async () => {
      const error = await echoError(answering((to) => [response(to, { status: 0x0124 })]));
      expect(error).to.include({ code: "PEER_REFUSED" });
      expect(error.message).to.match(/0124H, not authorized/);
    });

    it("the peer is out of resources", async () => {
      const error = await echoError(answering((to) => [response(to, { status: 0xa700 })]));
      expect(error.code).to.equal("PEER_BUSY");
    });

    it("the peer does not take verification", async () => {
      const error = await echoError(async (visitor) => {
        await visitor.accept({ result: 3 });
        await visitor.release();
      });
      expect(error.message).to.match(/SOP class not supported/);
    });

    it("nothing listens", async () => {
      peer = await scriptedPeer(forever);
      const { port } = peer;
      await peer.stop();
      peer = undefined;
      const error = await echo(target(port)).catch((one: KindredError) => one);
      expect(error).to.include({ code: "PEER_UNREACHABLE" });
      expect((error as KindredError).message).to.match(/nothing listens there \(ECONNREFUSED\)/);
    });

    it("the host is not known", async () => {
      const error = await echo({ ...target(104), host: "no-such-host.invalid" }).catch(
        (one: KindredError) => one,
      );
      expect(error).to.include({ code: "PEER_UNREACHABLE" });
    });
  });

  it("survives a hundred lying peers at once and leaves nothing open", async () => {
    const ends: Script[] = [
      async (visitor) => visitor.send(Buffer.alloc(200, 0xff)),
      async ({ socket }) => void socket.destroy(),
      async (visitor) => {
        await visitor.accept();
        visitor.send(Buffer.alloc(100, 4));
      },
      async (visitor) => {
        await visitor.accept();
        visitor.socket.resetAndDestroy();
      },
    ];
    let count = 0;
    peer = await scriptedPeer((visitor) => ends[count++ % ends.length]!(visitor));
    const { port } = peer;
    const outcomes = await Promise.all(
      Array.from({ length: 100 }, () => sendInstances(target(port), [small])),
    );
    expect(outcomes.flat().filter((one) => one.kind !== "failed")).to.deep.equal([]);
  });

  it("settles on 300 mutated answers, and takes none for another", async function () {
    this.timeout(60_000);
    let state = 20_240_102;
    const random = (below: number) => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    /** Changes, drops or doubles a few bytes. */
    const mutated = (bytes: Buffer) => {
      const list = [...bytes];
      for (let count = 1 + random(3); count > 0; count--) {
        const at = random(list.length);
        const kind = random(4);
        if (kind === 0) list.splice(at, 1 + random(4));
        else if (kind === 1) list.splice(at, 0, random(256), random(256));
        else list[at] = kind === 2 ? random(256) : 0xff;
      }
      return Buffer.from(list);
    };
    peer = await scriptedPeer(async (visitor) => {
      const send = visitor.send;
      const isEarly = random(2) === 0;
      visitor.send = (...parts) =>
        send(isEarly ? mutated(Buffer.concat(parts)) : Buffer.concat(parts));
      await visitor.accept();
      const to = await visitor.request();
      send(mutated(response(to, { status: 0xa700 })));
      visitor.socket.end();
    });
    const { port } = peer;
    const outcomes: SendOutcome[] = [];
    for (let round = 0; round < 30; round++) {
      const some = Array.from({ length: 10 }, () =>
        sendInstances(target(port, SHORT_SECONDS), [small]),
      );
      outcomes.push(...(await Promise.all(some)).flat());
    }
    expect(outcomes).to.have.length(300);
    expect(
      outcomes
        .filter(({ kind, status }) => kind !== "failed" && status === undefined)
        .every(({ kind }) => kind === "refusedContext"),
    ).to.equal(true);
    expect(outcomes.filter(({ code }) => code === "INTERNAL")).to.deep.equal([]);
  });

  it("does not change the file", () => {
    expect(readFileSync(small.path).subarray(-small.body.length).equals(small.body)).to.equal(true);
  });
});

/** The bodies of concatenated PDUs. */
function bodiesOf(bytes: Buffer): Buffer[] {
  const found: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 6 + bytes.readUInt32BE(at + 2);
    found.push(bytes.subarray(at + 6, end));
    at = end;
  }
  return found;
}

function pduOf(body: Buffer): Buffer {
  const head = Buffer.from([4, 0, 0, 0, 0, 0]);
  head.writeUInt32BE(body.length, 2);
  return Buffer.concat([head, body]);
}
