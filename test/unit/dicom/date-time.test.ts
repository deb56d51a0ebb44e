import { expect } from "chai";
import fc from "fast-check";
import { type DateTimeVr, parseSpanKey, spanOf } from "../../../src/dicom/date-time.ts";

const SPANS: readonly (readonly [DateTimeVr, string, string, string])[] = [
  ["DA", "20240229", "20240229", "20240229"],
  ["DA", "2024.02.29", "20240229", "20240229"],
  ["TM", "10", "100000.000000", "105960.999999"],
  ["TM", "1011", "101100.000000", "101160.999999"],
  ["TM", "101112", "101112.000000", "101112.999999"],
  ["TM", "101112.5", "101112.500000", "101112.599999"],
  ["TM", "101112.500000", "101112.500000", "101112.500000"],
  ["TM", "10:11:12.5", "101112.500000", "101112.599999"],
  ["TM", "235960", "235960.000000", "235960.999999"],
  ["DT", "2024+0000", "20240101000000.000000", "20241231235959.999999"],
  ["DT", "202402+0000", "20240201000000.000000", "20240229235959.999999"],
  ["DT", "20240229+0100", "20240228230000.000000", "20240229225959.999999"],
  ["DT", "2024022910-0500", "20240229150000.000000", "20240229155959.999999"],
  ["DT", "20240229101112.25+1400", "20240228201112.250000", "20240228201112.259999"],
];

const WRONG: readonly (readonly [DateTimeVr, string])[] = [
  ...(["", "2024", "20240230", "20241301", "2024.0101", "202401010"] as const).map(
    (text) => ["DA", text] as const,
  ),
  ...(
    [
      "",
      "1",
      "101",
      "24",
      "1060",
      "101161",
      "1011.5",
      "10:1112",
      "101112.",
      "101112.1234567",
    ] as const
  ).map((text) => ["TM", text] as const),
  ...(["", "24", "20240230", "2024022925", "2024+9999", "2024-1300", "0999"] as const).map(
    (text) => ["DT", text] as const,
  ),
];

describe("dates and times", () => {
  for (const [vr, text, from, to] of SPANS) {
    it(`${vr} ${text} is ${from} to ${to}`, () =>
      expect(spanOf(vr, text)).to.deep.equal({ from, to }));
  }
  for (const [vr, text] of WRONG) {
    it(`${vr} ${JSON.stringify(text)} is none`, () => expect(spanOf(vr, text)).to.equal(undefined));
  }

  it("reads a DT without offset in the zone of its data set, and without one in that of the machine", () => {
    expect(spanOf("DT", "20240101101112", "+0200")?.from).to.equal("20240101081112.000000");
    const local = new Date(2024, 0, 1, 10, 11, 12).toISOString().replace(/\D/g, "").slice(0, 14);
    expect(spanOf("DT", "20240101101112")?.from).to.equal(`${local}.000000`);
    expect(spanOf("DT", "20240101101112", "nowhere")).to.equal(undefined);
  });

  it("keeps the order of times in their texts", () => {
    const two = (max: number) => fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, "0"));
    const time = fc.tuple(two(23), two(59), two(59), fc.integer({ min: 0, max: 999_999 }));
    fc.assert(
      fc.property(time, time, (a, b) => {
        const seconds = (t: typeof a) =>
          Number(t[0]) * 3600 + Number(t[1]) * 60 + Number(t[2]) + t[3] / 1e6;
        const text = (t: typeof a) =>
          spanOf("TM", `${t[0]}${t[1]}${t[2]}.${String(t[3]).padStart(6, "0")}`)!.from;
        expect(Math.sign(seconds(a) - seconds(b))).to.equal(
          text(a) < text(b) ? -1 : text(a) > text(b) ? 1 : 0,
        );
      }),
    );
  });
});

describe("date and time keys", () => {
  it("know a range from an offset from UTC", () => {
    expect(parseSpanKey("DT", "20240101-0500")).to.deep.equal({
      isRange: false,
      from: "20240101050000.000000",
      to: "20240102045959.999999",
    });
    expect(parseSpanKey("DT", "20240101+0000-20240102+0000")).to.deep.equal({
      isRange: true,
      from: "20240101000000.000000",
      to: "20240102235959.999999",
    });
    expect(parseSpanKey("DT", "20240101-0500-")).to.deep.equal({
      isRange: true,
      from: "20240101050000.000000",
    });
    expect(parseSpanKey("DT", "-2024+0000")).to.deep.equal({
      isRange: true,
      to: "20241231235959.999999",
    });
  });

  it("include the whole span of the upper end", () => {
    expect(parseSpanKey("TM", "1000 - 18")).to.deep.equal({
      isRange: true,
      from: "100000.000000",
      to: "185960.999999",
    });
  });

  for (const [vr, text] of [
    ["DA", "-"],
    ["DA", "20240101-2024"],
    ["DA", "20240101--20240102"],
    ["TM", "10-1"],
    ["DT", "-"],
    ["DT", "x-2024"],
  ] as const) {
    it(`refuse ${vr} ${text}`, () => expect(parseSpanKey(vr, text)).to.equal(undefined));
  }
});

describe("a date", () => {
  it("is one when the calendar has it", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 9999 }),
        fc.integer({ min: 0, max: 13 }),
        fc.integer({ min: 0, max: 32 }),
        (year, month, day) => {
          const digits = (value: number, count: number) => String(value).padStart(count, "0");
          const date = new Date(Date.UTC(2000, month - 1, day));
          date.setUTCFullYear(year, month - 1, day);
          const isDate = date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
          const text = `${digits(year, 4)}${digits(month, 2)}${digits(day, 2)}`;
          expect(spanOf("DA", text)?.from).to.equal(isDate ? text : undefined);
        },
      ),
      {
        numRuns: 1_000,
        examples: [
          [1900, 2, 29],
          [2000, 2, 29],
          [2024, 2, 29],
          [2023, 2, 29],
        ],
      },
    );
  });
});
