import { expect } from "chai";
import { exporterStep } from "../../../src/cli/model/progress.ts";

describe("lines of an exporter", () => {
  const steps: readonly [string, unknown][] = [
    ['{"step":"weights read","done":1,"total":4}', { step: "weights read", done: 1, total: 4 }],
    ['{"step":"a","done":0,"total":1,"more":[]}', { step: "a", done: 0, total: 1 }],
    ['{"step":"a","done":2,"total":1}', undefined],
    ['{"step":"a","done":-1,"total":1}', undefined],
    ['{"step":"a","done":0.5,"total":1}', undefined],
    ['{"step":"a","done":0,"total":0}', undefined],
    ['{"step":"a","done":"1","total":2}', undefined],
    ['{"step":7,"done":1,"total":2}', undefined],
    ["null", undefined],
    ["[]", undefined],
    ["Downloading model", undefined],
  ];
  for (const [line, step] of steps)
    it(`${line} is ${step === undefined ? "no step" : "a step"}`, () => {
      expect(exporterStep(line)).to.deep.equal(step);
    });
});
