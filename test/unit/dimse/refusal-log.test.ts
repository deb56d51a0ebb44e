import { expect } from "chai";
import { RefusalLog } from "../../../src/dimse/refusal-log.ts";
import { createLogger } from "../../../src/kernel/log.ts";

describe("the log of refusals", () => {
  it("writes each refusal, of a flood some of each kind and how many were left out", () => {
    const lines: Record<string, unknown>[] = [];
    const log = createLogger(
      { level: "info", identifiers: "hash" },
      { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
    );
    let nowMs = 0;
    const refusals = new RefusalLog(log, () => nowMs);
    for (let i = 0; i < 100_000; i++)
      refusals.warn("a", { event: "a", remote: "10.0.0.1" }, "refused");
    expect(lines).to.have.length(50);
    refusals.warn("b", { event: "b" }, "refused");
    expect(lines).to.have.length(51);
    nowMs = 1000;
    refusals.warn("a", { event: "a" }, "refused");
    expect(lines.at(-1)).to.include({ event: "a", suppressed: 99_950 });
    nowMs = 2000;
    refusals.warn("a", { event: "a" }, "refused");
    expect(lines.at(-1)).not.to.have.property("suppressed");
  });
});
