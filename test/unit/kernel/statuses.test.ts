import { expect } from "chai";
import { STATUSES, statusHex } from "../../../src/kernel/statuses.ts";

describe("the status table", () => {
  for (const [code, row] of Object.entries(STATUSES)) {
    it(`${code} has statuses that exist in C-STORE, C-FIND, HTTP and sysexits`, () => {
      const isFailure = (status: number) =>
        [0xa, 0xc].includes(status >>> 12) ||
        [0x0110, 0x0111, 0x0122, 0x0124].includes(status) ||
        status === 0xfe00;
      expect(isFailure(row.store), statusHex(row.store)).to.equal(true);
      expect(isFailure(row.find), statusHex(row.find)).to.equal(true);
      expect(row.http).to.be.within(400, 599);
      expect(row.exit).to.be.oneOf([64, 65, 69, 70, 77, 78]);
    });
  }
  it("writes statuses as the standard does", () => expect(statusHex(0x111)).to.equal("0111H"));
});
