import { expect } from "chai";
import { gpuFindings } from "../../../src/cli/gpu.ts";
import {
  cudaLibraries,
  cudaMajorIn,
  type GpuFacts,
  gpuFacts,
} from "../../../src/encoder/gpu-facts.ts";

const whole: GpuFacts = {
  machine: "linux x64",
  driver: "570.10",
  hasCudaProvider: true,
  needed: cudaLibraries(),
  libraries: cudaLibraries().map(({ name }) => name),
  providers: ["cuda", "cpu"],
  runtimeFolder: "/app/node_modules/onnxruntime-node",
};

describe("what doctor says of CUDA", () => {
  it("is good where all is there and used, and how to use it where it is not", () => {
    expect(gpuFindings(whole)[0]!.level).to.equal("ok");
    const [unused] = gpuFindings({ ...whole, providers: ["cpu"] });
    expect(unused!.remedy).to.include('encoder.providers = ["cuda", "cpu"]');
  });

  for (const [name, lacking, text, remedy] of [
    ["another machine", { machine: "darwin arm64" }, "this is darwin arm64", "coreml"],
    ["no driver", { driver: undefined }, "no NVIDIA driver", "--gpus all"],
    [
      "no provider library",
      { hasCudaProvider: false },
      "libonnxruntime_providers_cuda.so",
      "node /app/node_modules/onnxruntime-node/script/install.js --onnxruntime-node-install",
    ],
    ["no cuDNN", { libraries: ["libcudart.so.12", "libcublas.so.12"] }, "libcudnn.so.9", "cuDNN 9"],
    ["no CUDA", { libraries: ["libcudnn.so.9"] }, "libcudart.so.12, libcublas.so.12", "CUDA 12"],
  ] as [string, Partial<GpuFacts>, string, string][])
    it(`names ${name} alone, with what to do`, () => {
      const findings = gpuFindings({ ...whole, ...lacking });
      expect(findings).to.have.length(1);
      expect(findings[0]).to.include({ level: "note" });
      expect(findings[0]!.text).to.include(text);
      expect(findings[0]!.remedy).to.include(remedy);
    });

  it("names all that is missing at once", () => {
    const bare = { ...whole, driver: undefined, hasCudaProvider: false, libraries: [] };
    expect(gpuFindings(bare)).to.have.length(3);
  });

  it("asks for the CUDA that the provider library is linked against", async () => {
    const needed = cudaLibraries("13");
    const [finding] = gpuFindings({ ...whole, needed });
    expect(finding!.text).to.include("libcudart.so.13, libcublas.so.13");
    expect(finding!.remedy).to.include("CUDA 13");
    expect(
      gpuFindings({ ...whole, needed, libraries: needed.map(({ name }) => name) })[0]!.level,
    ).to.equal("ok");
  });

  it("reads that from the library's own names", () => {
    const major = (text: string) => cudaMajorIn(Buffer.from(text));
    expect(major("\x7fELF\0libcublas.so.13\0libcudart.so.13\0")).to.equal("13");
    expect(major("libcudart.so.13 of a text")).to.equal(undefined);
  });

  it("looks at this very machine", async () => {
    const facts = await gpuFacts(["cpu"]);
    expect(facts.machine).to.equal(`${process.platform} ${process.arch}`);
    expect(facts.runtimeFolder).to.match(/onnxruntime-node$/);
  });
});
