/** What this machine has of what ONNX Runtime's CUDA provider needs. */
import { execFile } from "node:child_process";
import { access, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

export interface GpuFacts {
  /** `linux x64` and the like. */
  readonly machine: string;
  /** Of the NVIDIA kernel module; undefined when none is loaded. */
  readonly driver: string | undefined;
  /** ONNX Runtime's own library for CUDA lies beside it. */
  readonly hasCudaProvider: boolean;
  /** Those of {@link CUDA_LIBRARIES} that the loader finds. */
  readonly libraries: readonly string[];
  /** `encoder.providers` */
  readonly providers: readonly string[];
  /** Folder of onnxruntime-node. */
  readonly runtimeFolder: string;
}

/** What the CUDA provider of ONNX Runtime 1.30 is linked against, and where it comes from. */
export const CUDA_LIBRARIES = [
  ["libcudart.so.12", "CUDA 12"],
  ["libcublas.so.12", "CUDA 12"],
  ["libcudnn.so.9", "cuDNN 9"],
] as const;

export async function gpuFacts(providers: readonly string[]): Promise<GpuFacts> {
  const runtimeFolder = dirname(
    createRequire(import.meta.url).resolve("onnxruntime-node/package.json"),
  );
  const binaries = join(runtimeFolder, "bin", "napi-v6", process.platform, process.arch);
  const version = await readFile("/proc/driver/nvidia/version", "utf8").catch(() => "");
  return {
    machine: `${process.platform} ${process.arch}`,
    driver:
      /Kernel Module\s+(?:for \S+\s+)?([\d.]+)/.exec(version)?.[1] ??
      (version === "" ? undefined : "of unknown version"),
    hasCudaProvider: await exists(join(binaries, "libonnxruntime_providers_cuda.so")),
    libraries: await foundLibraries(),
    providers,
    runtimeFolder,
  };
}

async function foundLibraries(): Promise<string[]> {
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((one) => one !== "");
  const cache = await promisify(execFile)("/sbin/ldconfig", ["-p"]).then(
    ({ stdout }) => stdout,
    () => "",
  );
  const found: string[] = [];
  for (const [name] of CUDA_LIBRARIES) {
    const isBeside = await Promise.all(folders.map((folder) => exists(join(folder, name))));
    if (isBeside.includes(true) || cache.includes(`\t${name} `)) found.push(name);
  }
  return found;
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
