/** What this machine has of what ONNX Runtime's CUDA provider needs. */
import { execFile } from "node:child_process";
import { access, open, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";

export interface GpuFacts {
  /** `linux x64` and the like. */
  readonly machine: string;
  /** Of the NVIDIA kernel module; undefined when none is loaded. */
  readonly driver: string | undefined;
  /** ONNX Runtime's own library for CUDA lies beside it, and can be read. */
  readonly hasCudaProvider: boolean;
  /** What that library needs, or would need as it is downloaded. */
  readonly needed: readonly CudaLibrary[];
  /** Names of those needed that the loader finds. */
  readonly libraries: readonly string[];
  /** `encoder.providers` */
  readonly providers: readonly string[];
  /** Folder of onnxruntime-node. */
  readonly runtimeFolder: string;
}

/** A shared library, and of what it is a part. */
export interface CudaLibrary {
  readonly name: string;
  readonly from: string;
}

/** CUDA of the provider that onnxruntime-node downloads; the one in Python's onnxruntime-gpu 1.30 is made for CUDA 13. */
const DOWNLOADED_CUDA = "12";
/** Names of shared libraries stand before the code of the provider, which is hundreds of megabytes long. */
const NAMES_BYTES_MAX = 1_048_576;

/** What the CUDA provider of ONNX Runtime is linked against, and where it comes from. @param major - of CUDA */
export function cudaLibraries(major: string = DOWNLOADED_CUDA): readonly CudaLibrary[] {
  return [
    { name: `libcudart.so.${major}`, from: `CUDA ${major}` },
    { name: `libcublas.so.${major}`, from: `CUDA ${major}` },
    { name: "libcudnn.so.9", from: "cuDNN 9" },
  ];
}

export async function gpuFacts(providers: readonly string[]): Promise<GpuFacts> {
  const runtimeFolder = dirname(
    createRequire(import.meta.url).resolve("onnxruntime-node/package.json"),
  );
  const binaries = join(runtimeFolder, "bin", "napi-v6", process.platform, process.arch);
  const provider = join(binaries, "libonnxruntime_providers_cuda.so");
  const start = await startOf(provider);
  const needed = cudaLibraries(start && cudaMajorIn(start));
  const version = await readFile("/proc/driver/nvidia/version", "utf8").catch(() => "");
  return {
    machine: `${process.platform} ${process.arch}`,
    driver:
      /Kernel Module\s+(?:for \S+\s+)?([\d.]+)/.exec(version)?.[1] ??
      (version === "" ? undefined : "of unknown version"),
    hasCudaProvider: start !== undefined,
    needed,
    libraries: await foundLibraries(needed.map(({ name }) => name)),
    providers,
    runtimeFolder,
  };
}

/** @param start - first bytes of the provider library. @returns undefined when they do not name its CUDA */
export function cudaMajorIn(start: Buffer): string | undefined {
  return /\0libcudart\.so\.(\d{1,3})\0/.exec(start.toString("latin1"))?.[1];
}

/** Undefined when there is no such file, or none that we may read. */
async function startOf(path: string): Promise<Buffer | undefined> {
  const file = await open(path).catch(() => undefined);
  if (file === undefined) return undefined;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(NAMES_BYTES_MAX), 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await file.close();
  }
}

async function foundLibraries(names: readonly string[]): Promise<string[]> {
  const folders = (process.env.LD_LIBRARY_PATH ?? "").split(":").filter((one) => one !== "");
  const cache = await promisify(execFile)("/sbin/ldconfig", ["-p"]).then(
    ({ stdout }) => stdout,
    () => "",
  );
  const found: string[] = [];
  for (const name of names) {
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
