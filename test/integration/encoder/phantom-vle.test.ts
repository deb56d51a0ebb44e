import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { discoverBundles } from "../../../src/encoder/bundle.ts";
import { createEncoder, type Encoder } from "../../../src/encoder/encoder.ts";
import { silentLogger } from "../../../src/kernel/log.ts";
import { createMetrics } from "../../../src/kernel/metrics.ts";

const MODELS = fileURLToPath(new URL("../../../models/", import.meta.url));
const ID = "phantom-vle";

describe("phantom-vle", () => {
  let encoder: Encoder;

  before(async () => {
    encoder = createEncoder({
      config: {
        models: [ID],
        acceptedLicences: [],
        providers: ["cpu"],
        threads: 1,
        runSeconds: 60,
      },
      bundles: await discoverBundles([MODELS], [ID]),
      log: silentLogger(),
      metrics: createMetrics(),
    });
    await encoder.start();
  });
  after(async () => {
    await encoder?.stop();
  });

  it("proves itself with what PyTorch computed of its weights", () => {
    expect(encoder.status().map(({ state, reason }) => [state, reason])).to.deep.equal([
      ["ready", null],
    ]);
    expect(encoder.profiles().map(({ modelId, profile }) => [modelId, profile.id])).to.deep.equal([
      [ID, "trunk-and-head-5x4x4mm"],
    ]);
  });
});
