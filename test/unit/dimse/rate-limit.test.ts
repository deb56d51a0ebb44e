import { expect } from "chai";
import fc from "fast-check";
import {
  type Bucket,
  perMinute,
  RateLimits,
  reserve,
  take,
} from "../../../src/dimse/rate-limit.ts";
import { RATE_KEYS_MAX } from "../../../src/kernel/limits.ts";

describe("token buckets", () => {
  const rate = { perSecond: 2, burst: 3 };

  it("give the burst at once, then one token each half second", () => {
    const seen: boolean[] = [];
    let bucket: Bucket | undefined;
    for (const nowMs of [0, 0, 0, 0, 499, 500, 999, 1000, 1000]) {
      const step = take(bucket, rate, nowMs);
      bucket = step.bucket;
      seen.push(step.isTaken);
    }
    expect(seen).to.deep.equal([true, true, true, false, false, true, false, true, false]);
  });

  it("never hold more than the burst", () => {
    let bucket: Bucket | undefined = { tokens: 0, atMs: 0 };
    let taken = 0;
    for (let i = 0; i < 10; i++) {
      const step = take(bucket, rate, 3_600_000);
      bucket = step.bucket;
      if (step.isTaken) taken++;
    }
    expect(taken).to.equal(3);
  });

  it("tell those who wait how long, one behind the other", () => {
    const waits: number[] = [];
    let bucket: Bucket | undefined;
    for (let i = 0; i < 6; i++) {
      const step = reserve(bucket, rate, 0);
      bucket = step.bucket;
      waits.push(step.waitMs);
    }
    expect(waits).to.deep.equal([0, 0, 0, 500, 1000, 1500]);
  });

  it("hold the rate over any series of moments, also when the clock steps back", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -50, max: 700 }), { maxLength: 200 }), (steps) => {
        let nowMs = 0;
        let latestMs = 0;
        let bucket: Bucket | undefined;
        let taken = 0;
        let lostMs = 0;
        for (const step of steps) {
          nowMs += step;
          // What a clock ran back it may run forward again: that time counts twice, no more.
          if (step < 0) lostMs -= step;
          latestMs = Math.max(latestMs, nowMs);
          const next = take(bucket, rate, nowMs);
          bucket = next.bucket;
          if (next.isTaken) taken++;
        }
        expect(taken).to.be.at.most(
          rate.burst + ((latestMs + lostMs) / 1000) * rate.perSecond + 1e-6,
        );
      }),
    );
  });

  it("make a tenth of a minute's events at once, at least one", () => {
    expect(perMinute(600)).to.deep.equal({ perSecond: 10, burst: 60 });
    expect(perMinute(1)).to.deep.equal({ perSecond: 1 / 60, burst: 1 });
  });

  it("remember a bounded number of keys and forget the one used longest ago", () => {
    const limits = new RateLimits();
    const once = { perSecond: 0.001, burst: 1 };
    for (let i = 0; i <= RATE_KEYS_MAX; i++) limits.take(`10.0.${i >> 8}.${i & 255}`, once, i);
    expect(limits.size).to.equal(RATE_KEYS_MAX);
    expect(limits.take("10.0.0.1", once, RATE_KEYS_MAX)).to.equal(false);
    expect(limits.take("10.0.0.0", once, RATE_KEYS_MAX)).to.equal(true);
  });
});
