import { createSecretKey, randomBytes } from "node:crypto";
import { expect } from "chai";
import fc from "fast-check";
import { createDataSetDigest, DIGEST_KEY_BYTES } from "../../../src/archive/data-set-digest.ts";

const newKey = () => createSecretKey(randomBytes(DIGEST_KEY_BYTES));
const KEY = newKey();

function digestOf(pieces: readonly Uint8Array[], key = KEY): string {
  const digest = createDataSetDigest(key);
  for (const piece of pieces) digest.update(piece);
  return digest.digest().toString("hex");
}

describe("the digest of a data set", () => {
  it("is the same however the bytes are cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }), (pieces) => {
        expect(digestOf(pieces)).to.equal(digestOf([Buffer.concat(pieces)]));
      }),
    );
  });

  it("changes with any bit, with the length, and with the key", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), fc.nat(), (bytes, at) => {
        const other = Uint8Array.from(bytes);
        other[at % bytes.length]! ^= 1 << (at % 8);
        expect(digestOf([other])).to.not.equal(digestOf([bytes]));
        expect(digestOf([bytes, Uint8Array.of(0)])).to.not.equal(digestOf([bytes]));
        expect(digestOf([bytes], newKey())).to.not.equal(digestOf([bytes]));
      }),
    );
  });
});
