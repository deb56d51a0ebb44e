/** `kindred doctor`: what this machine lacks for CUDA, and the command that brings each. */
import { join } from "node:path";
import type { GpuFacts } from "../encoder/gpu-facts.ts";
import type { Finding } from "./finding.ts";

/** A model that does not find its GPU falls to the next provider, slow but right: no fault. */
export function gpuFindings(facts: GpuFacts): Finding[] {
  const { machine, driver, hasCudaProvider, needed, libraries, providers, runtimeFolder } = facts;
  const wantsCuda = providers.includes("cuda") || providers.includes("tensorrt");
  const missing: { text: string; remedy: string }[] = [];
  if (machine !== "linux x64")
    missing.push({
      text: `CUDA runs on linux x64 alone, and this is ${machine}`,
      remedy: 'use "webgpu", "coreml" or "dml" where they prove themselves, or "cpu"',
    });
  if (driver === undefined)
    missing.push({
      text: "no NVIDIA driver is loaded (/proc/driver/nvidia/version)",
      remedy:
        "install the driver of the distribution and restart; in a container, start it with --gpus all",
    });
  if (!hasCudaProvider)
    missing.push({
      text: "libonnxruntime_providers_cuda.so is not installed",
      remedy: `node ${join(runtimeFolder, "script", "install.js")} --onnxruntime-node-install (it downloads from NuGet)`,
    });
  const lacking = needed.filter(({ name }) => !libraries.includes(name));
  if (lacking.length > 0)
    missing.push({
      text: `the loader does not find ${lacking.map(({ name }) => name).join(", ")}`,
      remedy: `install ${[...new Set(lacking.map(({ from }) => from))].join(" and ")} from NVIDIA's packages and run ldconfig, or add their folder to LD_LIBRARY_PATH`,
    });
  if (missing.length > 0) return missing.map((one) => ({ level: "note", subject: "CUDA", ...one }));
  return [
    wantsCuda
      ? { level: "ok", subject: "CUDA", text: `driver ${driver}; see the models above` }
      : {
          level: "note",
          subject: "CUDA",
          text: `everything is here (driver ${driver}), and encoder.providers does not name it`,
          remedy: 'encoder.providers = ["cuda", "cpu"]',
        },
  ];
}
