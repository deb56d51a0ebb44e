import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from "node:zlib";
import { expect } from "chai";
import fc from "fast-check";
import { Inflate } from "../../../src/dicom/inflate.ts";

const LIMIT_BYTES = 16 * 1024 * 1024;
const STRATEGIES = [
  constants.Z_DEFAULT_STRATEGY,
  constants.Z_FILTERED,
  constants.Z_HUFFMAN_ONLY,
  constants.Z_RLE,
  constants.Z_FIXED,
];

interface Inflated {
  readonly state: string;
  readonly output: Buffer;
  readonly trailingBytes: number;
}

/** Pushes the bytes cut at the given places; a cut twice is an empty chunk. */
function inflate(bytes: Uint8Array, cuts: readonly number[] = [], limit = LIMIT_BYTES): Inflated {
  const output: Buffer[] = [];
  const one = new Inflate((chunk) => output.push(Buffer.from(chunk)), limit);
  let at = 0;
  for (const cut of [...cuts, bytes.length].sort((a, b) => a - b)) {
    one.push(bytes.subarray(at, Math.max(at, cut)));
    while (one.advance());
    at = Math.max(at, cut);
  }
  const state = one.finish();
  return { state, output: Buffer.concat(output), trailingBytes: one.trailingBytes };
}

/** What Node's zlib makes of the bytes; undefined when it refuses them. */
function reference(bytes: Uint8Array): Buffer | undefined {
  try {
    return inflateRawSync(bytes, { maxOutputLength: LIMIT_BYTES });
  } catch {
    return undefined;
  }
}

/** Repeats, runs and noise: what uses matches near and far, literals of few and of many bits. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 40_000 })).map(([byte, count]) => {
        return new Uint8Array(count).fill(byte);
      }),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 300 }))
        .map(([word, count]) => Buffer.concat(Array.from({ length: count }, () => word))),
      fc.integer().map((seed) => noise(seed, 3_000)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => Buffer.concat(parts));

const options: fc.Arbitrary<ZlibOptions> = fc.record({
  level: fc.integer({ min: 0, max: 9 }),
  memLevel: fc.integer({ min: 1, max: 9 }),
  windowBits: fc.integer({ min: 9, max: 15 }),
  strategy: fc.constantFrom(...STRATEGIES),
});

/** Letters of very different frequency, so that codes get long. */
function noise(seed: number, count: number): Buffer {
  let state = seed >>> 0;
  const bytes = new Uint8Array(count).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(-18 * Math.log((state + 1) / 4_294_967_297)) & 0xff;
  });
  return Buffer.from(bytes.buffer);
}

describe("Inflate beside Node's zlib", () => {
  it("gives what was deflated, at every level and strategy", () => {
    const data = Buffer.concat([noise(1, 60_000), Buffer.alloc(70_000, 3), noise(2, 20_000)]);
    for (let level = 0; level <= 9; level++) {
      for (const strategy of STRATEGIES) {
        const { state, output, trailingBytes } = inflate(deflateRawSync(data, { level, strategy }));
        expect(state).to.equal("done");
        expect(trailingBytes).to.equal(0);
        expect(output.equals(data), `level ${level}, strategy ${strategy}`).to.equal(true);
      }
    }
  });

  it("gives what was deflated, whatever it is and however it is cut", () => {
    fc.assert(
      fc.property(content, options, fc.array(fc.nat()), (data, how, places) => {
        const bytes = deflateRawSync(data, how);
        const cuts = places.map((place) => place % (bytes.length + 1));
        const { state, output, trailingBytes } = inflate(bytes, cuts);
        expect(state).to.equal("done");
        expect(trailingBytes).to.equal(0);
        expect(output.equals(data)).to.equal(true);
      }),
      { numRuns: 150 },
    );
  });

  it("takes one byte at a time", () => {
    const data = Buffer.concat([noise(5, 5_000), Buffer.alloc(3_000), noise(6, 500)]);
    const bytes = deflateRawSync(data);
    const each = Array.from(bytes, (_, index) => index);
    expect(inflate(bytes, each)).to.deep.equal({ state: "done", output: data, trailingBytes: 0 });
  });

  it("goes on from block to block, empty and stored ones among them", () => {
    const parts = [noise(7, 900), Buffer.alloc(0), noise(8, 100_000), Buffer.alloc(50, 9)];
    const bytes = Buffer.concat([
      deflateRawSync(parts[0]!, { finishFlush: constants.Z_FULL_FLUSH }),
      deflateRawSync(parts[1]!, { finishFlush: constants.Z_SYNC_FLUSH }),
      deflateRawSync(parts[2]!, { finishFlush: constants.Z_FULL_FLUSH, level: 0 }),
      deflateRawSync(parts[3]!),
    ]);
    const { state, output } = inflate(bytes, [10, 11, 5_000]);
    expect(state).to.equal("done");
    expect(output.equals(Buffer.concat(parts))).to.equal(true);
  });

  it("calls every beginning of a stream cut, and hands out no byte that is not there", () => {
    const data = Buffer.concat([noise(9, 700), Buffer.alloc(400, 1), Buffer.from("abcabcabc")]);
    for (const how of [{}, { level: 0 }, { strategy: constants.Z_FIXED }]) {
      const bytes = deflateRawSync(data, how);
      for (let end = 0; end < bytes.length; end++) {
        const { state, output } = inflate(bytes.subarray(0, end), [end >> 1]);
        expect(state, `${end} of ${bytes.length}`).to.equal("cut");
        expect(data.subarray(0, output.length).equals(output)).to.equal(true);
      }
    }
  });

  it("accepts and refuses the same mutated streams", () => {
    fc.assert(
      fc.property(
        content,
        options,
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
          minLength: 1,
          maxLength: 4,
        }),
        fc.nat(),
        (data, how, edits, place) => {
          const bytes = deflateRawSync(data, how);
          for (const [at, change] of edits) bytes[at % bytes.length]! ^= change;
          const expected = reference(bytes);
          const { state, output } = inflate(bytes, [place % bytes.length]);
          if (expected === undefined) expect(state).to.be.oneOf(["cut", "broken", "large"]);
          else expect({ state, output }).to.deep.equal({ state: "done", output: expected });
        },
      ),
      { numRuns: 300 },
    );
  });

  it("accepts and refuses the same random bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const expected = reference(bytes);
        const { state, output } = inflate(bytes);
        if (expected === undefined) expect(state).to.be.oneOf(["cut", "broken"]);
        else expect({ state, output }).to.deep.equal({ state: "done", output: expected });
      }),
      { numRuns: 2_000 },
    );
  });
});

describe("Inflate and hostile streams", () => {
  for (const [what, bytes] of [
    ["a block of type 3", [0x07]],
    ["a stored block whose lengths differ", [0x01, 0x05, 0x00, 0x00, 0x00]],
    ["a distance before the beginning", [0x4b, 0x04, 0x12, 0x00]],
    ["a dynamic block without an end of block", [0x05, 0xe0, 0x81, 0x08, 0x00, 0x00, 0x00, 0x00]],
  ] as const) {
    it(`calls ${what} broken`, () => {
      const padded = Uint8Array.from([...bytes, ...new Array(16).fill(0)]);
      expect(reference(padded)).to.equal(undefined);
      expect(inflate(padded).state).to.equal("broken");
    });
  }

  it("stops a bomb at the limit and hands out no more than that", () => {
    const limit = 1_000_000;
    const bomb = deflateRawSync(Buffer.alloc(64 * 1024 * 1024), { level: 9 });
    expect(bomb.length).to.be.lessThan(70_000);
    const { state, output } = inflate(bomb, [100, 1_000, 10_000], limit);
    expect(state).to.equal("large");
    expect(output.length).to.be.at.most(limit);
  });

  it("lets exactly the limit pass", () => {
    const data = noise(11, 200_000);
    expect(inflate(deflateRawSync(data), [], 200_000).state).to.equal("done");
    expect(inflate(deflateRawSync(data), [], 199_999).state).to.equal("large");
  });

  it("counts the bytes after the end, wherever they are cut", () => {
    const bytes = deflateRawSync(Buffer.from("hello"));
    for (const extra of [1, 2, 700, 5_000]) {
      const long = Buffer.concat([bytes, Buffer.alloc(extra)]);
      for (const cuts of [[], [bytes.length], [bytes.length + 1], [3, 4, bytes.length - 1]]) {
        const { state, output, trailingBytes } = inflate(long, cuts);
        expect({ state, text: output.toString(), trailingBytes }).to.deep.equal({
          state: "done",
          text: "hello",
          trailingBytes: extra,
        });
      }
    }
  });

  it("stays in its state after an error", () => {
    const one = new Inflate(() => undefined, 10);
    one.push(new Uint8Array(1_000).fill(0xff));
    while (one.advance());
    one.push(deflateRawSync(Buffer.from("later")));
    expect(one.finish()).to.equal("broken");
  });
});
