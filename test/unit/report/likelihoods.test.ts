import { expect } from "chai";
import fc from "fast-check";
import { buildReports } from "../../../src/report/build-reports.ts";
import type { ReportLikelihood } from "../../../src/report/input.ts";
import {
  likelihoodLine,
  likelihoodSection,
  likelihoodSentence,
} from "../../../src/report/likelihoods.ts";
import { findings, likelihood } from "./sample-findings.ts";
import { sampleInput } from "./sample-input.ts";

describe("likelihoods in the report", () => {
  it("are lines with value, calibration and source", () => {
    const table: readonly (readonly [Partial<ReportLikelihood>, string])[] = [
      [{}, "pleural effusion: likelihood 0.83 (uncalibrated, prompts short)"],
      [
        { isCalibrated: true, source: "head", sourceId: "probe" },
        "pleural effusion: likelihood 0.83 (calibrated by the author, head probe)",
      ],
      [
        { threshold: 0.5 },
        "pleural effusion: likelihood 0.83 (uncalibrated, prompts short, above the author's threshold 0.5)",
      ],
      [
        { threshold: 0.834 },
        "pleural effusion: likelihood 0.83 (uncalibrated, prompts short, not above the author's threshold 0.834)",
      ],
      [
        { isLikelihood: false, value: -0.12345 },
        "pleural effusion: score -0.123 (uncalibrated, prompts short)",
      ],
      [{ value: 1 }, "pleural effusion: likelihood above 0.99 (uncalibrated, prompts short)"],
      [{ value: 0 }, "pleural effusion: likelihood below 0.01 (uncalibrated, prompts short)"],
    ];
    for (const [changes, line] of table) expect(likelihoodLine(likelihood(changes))).to.equal(line);
  });

  it("stand under the model that said them, highest first, with its guard and what was not computed", () => {
    const likelihoods = [
      likelihood({ name: "low", value: 0.1 }),
      likelihood({ name: "lower", value: 0.04 }),
      likelihood({ name: "lowest", value: 0.001 }),
      likelihood(),
      likelihood({ name: "set", value: 0.3, threshold: 0.2, sourceId: "set" }),
      likelihood({ name: "below", value: 0.2, threshold: 0.2, sourceId: "set" }),
      likelihood({ source: "head", sourceId: "probe" }),
    ];
    expect(
      likelihoodSection([
        findings({ likelihoods, problems: ["head own: A logit is no finite number"] }),
      ]),
    ).to.deep.equal({
      heading: "AI likelihoods, not verified",
      lines: [
        "Model phantom-vle 1.2.0, bundle 0123456789abcdef, research only",
        "  Distance from the training data: 3.25, limit 12",
        "  pleural effusion: likelihood 0.83 (uncalibrated, prompts short)",
        "  low: likelihood 0.10 (uncalibrated, prompts short)",
        "  Lower, prompts short, likelihood 0.04 at most: lower, lowest",
        "  set: likelihood 0.30 (uncalibrated, prompts set, above the author's threshold 0.2)",
        "  Lower, prompts set, likelihood 0.20 at most: below",
        "  pleural effusion: likelihood 0.83 (uncalibrated, head probe)",
        "  Not computed: head own: A logit is no finite number",
      ],
    });
    expect(likelihoodSection([])).to.equal(undefined);
  });

  it("are the guard's statement alone where they are withheld", () => {
    const withheld = findings({
      statement: "Unlike the training data.",
      guard: { distance: 14.2, threshold: 12 },
      likelihoods: [],
    });
    expect(likelihoodSection([withheld])!.lines.slice(1)).to.deep.equal([
      "  Withheld: Unlike the training data.",
      "  Distance from the training data: 14.2, limit 12",
    ]);
    expect(likelihoodSentence(withheld)).to.equal(
      "Model phantom-vle 1.2.0: findings withheld. Unlike the training data.",
    );
  });

  it("are counted, not told, in the conclusion", () => {
    expect(likelihoodSentence(findings())).to.equal(
      "Model phantom-vle 1.2.0: 1 value of labels listed, uncalibrated, research only.",
    );
    expect(likelihoodSentence(findings({ likelihoods: [] }))).to.equal(
      "Model phantom-vle 1.2.0: no finding could be computed.",
    );
    const both = findings({ likelihoods: [likelihood(), likelihood({ isCalibrated: true })] });
    expect(likelihoodSentence(both)).to.include(
      "2 values of labels listed, 1 of them calibrated by its author",
    );
  });

  it("come into both documents, which say first that nothing is verified", () => {
    const documents = buildReports(sampleInput({ findings: [findings()] }));
    for (const { textLines, bytes } of documents) {
      expect(textLines[0]).to.equal("AI result, not verified. Not for diagnostic use.");
      expect(textLines.join("\n")).to.include("pleural effusion: likelihood 0.83 (uncalibrated");
      expect(bytes.toString("utf8")).to.include("pleural effusion: likelihood 0.83 (uncalibrated");
    }
  });

  it("of any number and wording make documents that are safe to send", () => {
    const any = fc.record({
      name: fc.string({ unit: "binary", maxLength: 128 }),
      value: fc.double({ min: 0, max: 1, noNaN: true }),
      isLikelihood: fc.boolean(),
      isCalibrated: fc.boolean(),
      threshold: fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
      source: fc.constantFrom("head" as const, "zeroShot" as const),
      sourceId: fc.constantFrom("a", "b"),
    });
    const run = fc.record({
      modelId: fc.constant("m"),
      modelVersion: fc.string({ unit: "binary", maxLength: 20 }),
      bundleDigest: fc.constant("d"),
      guard: fc.option(
        fc.record({
          distance: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true })),
          threshold: fc.double({ min: 0, max: 1e6, noNaN: true }),
        }),
      ),
      statement: fc.option(fc.string({ unit: "binary", maxLength: 500 })),
      problems: fc.array(fc.string({ unit: "binary", maxLength: 600 }), { maxLength: 8 }),
      likelihoods: fc.array(any, { maxLength: 60 }),
    });
    fc.assert(
      fc.property(fc.array(run, { maxLength: 3 }), (all) => {
        expect(buildReports(sampleInput({ findings: all }))).to.have.length(2);
      }),
      { numRuns: 30 },
    );
  });
});
