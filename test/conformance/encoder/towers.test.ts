/** The Python of models/towers against this code and against hostile files; it needs NumPy of `.cache/py` and no more. */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "chai";
import { goldenInput } from "../../../src/encoder/vector.ts";
import { temporaryFolder } from "../../support/node-under-test.ts";

const path = (name: string) => fileURLToPath(new URL(`../../../${name}`, import.meta.url));
const PYTHON = path(".cache/py/bin/python");
const READ = `
import sys, json
from weights import read_checkpoint
try:
    print(json.dumps({k: v.tolist() for k, v in read_checkpoint(sys.argv[1])["state_dict"].items()}))
except Exception as error:
    print(type(error).__name__, error)
`;
const GOLDEN = `
import sys
from golden import golden_input
seed, *size = (int(value) for value in sys.argv[1].split(","))
sys.stdout.buffer.write(golden_input(seed, size, -0.5, 2.25).tobytes())
`;

function python(...args: string[]): Buffer {
  const ended = spawnSync(PYTHON, args, {
    env: { ...process.env, PYTHONPATH: path("models/towers"), PYTHONDONTWRITEBYTECODE: "1" },
    maxBuffer: 1 << 26,
  });
  if (ended.status !== 0) throw new Error(ended.stderr.toString());
  return ended.stdout;
}

describe("the exporters of towers", function () {
  this.timeout(60_000);
  before(function () {
    if (existsSync(PYTHON)) return;
    if (process.env.KINDRED_REQUIRE_TOOLS === "1") throw new Error(".cache/py is not there");
    console.log("      SKIPPED: no Python packages in .cache/py (CONTRIBUTING.md)");
    this.skip();
  });

  for (const [seed, ...size] of [
    [1, 8, 8, 8],
    [20261124, 20, 17, 33],
    [2_147_483_647, 3, 9, 1],
    [77, 40, 64, 48],
  ] as const) {
    it(`make the golden input of seed ${seed} that the node makes, to the bit`, () => {
      const made = python("-c", GOLDEN, [seed, ...size].join());
      const wanted = goldenInput(seed, [1, 1, ...size], [-0.5, 2.25]);
      expect(made.equals(Buffer.from(wanted.buffer))).to.equal(true);
    });
  }

  it("read tensors of a plain checkpoint, and run or read nothing of any other", () => {
    const folder = temporaryFolder();
    python(path("test/support/checkpoints.py"), folder);
    const read = (name: string) => python("-c", READ, join(folder, name)).toString().trim();
    expect(JSON.parse(read("plain.pt"))).to.deep.equal({
      a: [
        [2, 3],
        [4, 5],
      ],
      b: [1.5, -2],
      c: 7,
    });
    const refused: Readonly<Record<string, string>> = {
      "code.pt": "asks for posix.system",
      "too-long.pt": "does not fit its data",
      "strides.pt": "is not stored in order",
      "huge.pt": "does not fit its data",
      "negative.pt": "does not fit its data",
      "minus.pt": "does not fit its data",
      "kind.pt": "tensors of ComplexFloatStorage are not read",
      "path.pt": "unknown reference",
      "text.pt": "BadZipFile",
      "empty.pt": "is no PyTorch checkpoint",
    };
    for (const [name, words] of Object.entries(refused)) expect(read(name), name).to.include(words);
    expect(readdirSync(folder)).to.not.include("was-run");
  });
});
