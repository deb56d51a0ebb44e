/**
 * CharLS, OpenJPEG, OpenJPH, libjpeg and libjxl as `dcmjs-codecs` compiles them to WebAssembly. The module is driven here
 * without the library's own code, so that what the codecs complain about is heard: they decode on after damage, and an error
 * leaves the memory of an instance in an unknown state. Such an instance is dropped.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

export type WasmCodec =
  | "DecodeJpeg"
  | "DecodeJpegLs"
  | "DecodeJpeg2000"
  | "DecodeHtJpeg2000"
  | "DecodeJpegXl";

export interface CodedFrame {
  readonly bytes: Uint8Array;
  readonly rows: number;
  readonly columns: number;
  /** Width of the samples that come out, 8 or 16. */
  readonly bitsAllocated: number;
  readonly bitsStored: number;
  readonly isSigned: boolean;
}

/** What a codec said, threw or warned of. */
export class CodecError extends Error {}

type Exports = Readonly<Record<string, (...values: number[]) => number>> & {
  readonly memory: WebAssembly.Memory;
};

interface Instance {
  readonly exports: Exports;
  /** Complaints of the decoding under way. */
  readonly complaints: string[];
}

const MODULE_FILE = "dcmjs-codecs/build/dcmjs-native-codecs.wasm";
/** An instance begins with 256 MiB, of which the system gives what is touched; one that grew beyond this is dropped. */
const MEMORY_BYTES_MAX = 536_870_912;
const COMPLAINTS_MAX = 8;
const MONOCHROME2 = 1;
/** `nosys` of the WebAssembly system interface. */
const NOT_SUPPORTED = 52;
/** libjpeg tells every marker it meets; these are its warnings. OpenJPEG and OpenJPH say what theirs are. */
const COMPLAINT = /Warning|Corrupt|Premature|Inconsistent|Invalid|ojph (?:warning|error)/;

let module: Promise<WebAssembly.Module> | undefined;
let instance: Instance | undefined;

/**
 * @returns samples `[row][column]`, little endian, 8 or 16 bits each: a copy
 * @throws CodecError when the codec failed, or warned; the thread is better thrown away then
 */
export async function decodeWithCodec(codec: WasmCodec, frame: CodedFrame): Promise<Uint8Array> {
  module ??= readFile(createRequire(import.meta.url).resolve(MODULE_FILE)).then((bytes) =>
    WebAssembly.compile(bytes),
  );
  instance ??= await instantiate(await module);
  const { exports, complaints } = instance;
  complaints.length = 0;
  try {
    const samples = run(exports, codec, frame);
    if (complaints.length > 0) throw new CodecError(complaints[0]);
    if (exports.memory.buffer.byteLength > MEMORY_BYTES_MAX) instance = undefined;
    return samples;
  } catch (error) {
    instance = undefined;
    if (error instanceof CodecError) throw error;
    throw new CodecError(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** Bytes of the codecs' memory in this thread; 0 before the first frame and after an error. */
export function codecMemoryBytes(): number {
  return instance?.exports.memory.buffer.byteLength ?? 0;
}

function run(exports: Exports, codec: WasmCodec, frame: CodedFrame): Uint8Array {
  const call = (name: string, ...values: number[]) => exports[name]!(...values);
  const context = call("CreateCodecsContext");
  call("SetColumns", context, frame.columns);
  call("SetRows", context, frame.rows);
  call("SetBitsAllocated", context, frame.bitsAllocated);
  call("SetBitsStored", context, frame.bitsStored);
  call("SetSamplesPerPixel", context, 1);
  call("SetPixelRepresentation", context, frame.isSigned ? 1 : 0);
  call("SetPlanarConfiguration", context, 0);
  call("SetPhotometricInterpretation", context, MONOCHROME2);
  call("SetEncodedBufferSize", context, frame.bytes.length);
  const encoded = call("GetEncodedBuffer", context);
  // The memory is looked up anew each time: it is another buffer after it has grown.
  new Uint8Array(exports.memory.buffer, encoded, frame.bytes.length).set(frame.bytes);
  const parameters = call("CreateDecoderParameters");
  call("SetConvertColorspaceToRgb", parameters, 0);
  call(codec, context, parameters);
  call("ReleaseDecoderParameters", parameters);
  const decoded = call("GetDecodedBuffer", context);
  const count = call("GetDecodedBufferSize", context);
  const needed = (frame.rows * frame.columns * frame.bitsAllocated) / 8;
  if (count !== needed) throw new CodecError(`it gave ${count} bytes instead of ${needed}`);
  const samples = new Uint8Array(exports.memory.buffer, decoded, count).slice();
  call("ReleaseCodecsContext", context);
  return samples;
}

async function instantiate(compiled: WebAssembly.Module): Promise<Instance> {
  const complaints: string[] = [];
  const text = (at: number, length: number) => {
    const { memory } = made.exports as Exports;
    const from = at >>> 0;
    const bytes = new Uint8Array(memory.buffer).subarray(from, from + Math.min(length >>> 0, 300));
    return Buffer.from(bytes).toString("latin1").trim();
  };
  const hear = (message: string) => {
    if (complaints.length < COMPLAINTS_MAX && COMPLAINT.test(message)) complaints.push(message);
  };
  const made: WebAssembly.Instance = await WebAssembly.instantiate(compiled, {
    env: {
      onCodecsException: (at: number, length: number) => {
        throw new CodecError(text(at, length));
      },
      onCodecsInfo: (at: number, length: number) => hear(text(at, length)),
      onCodecsTrace: () => undefined,
      emscripten_notify_memory_growth: () => undefined,
    },
    wasi_snapshot_preview1: systemInterface(
      () => made.exports as Exports,
      (at, length) => hear(text(at, length)),
    ),
  });
  const exports = made.exports as Exports;
  exports._initialize?.();
  return { exports, complaints };
}

/** The few system calls the module imports: it has no files, no environment and no clock; what it prints is heard. */
function systemInterface(
  exports: () => Exports,
  onText: (at: number, length: number) => void,
): Record<string, (...values: number[]) => number> {
  const write = (at: number, value: number) =>
    new DataView(exports().memory.buffer).setUint32(at >>> 0, value, true);
  return {
    proc_exit: (code = 0) => {
      throw new CodecError(`it ended with ${code}`);
    },
    clock_time_get: () => NOT_SUPPORTED,
    environ_sizes_get: (countAt = 0, bytesAt = 0) => {
      write(countAt, 0);
      write(bytesAt, 0);
      return 0;
    },
    environ_get: () => 0,
    fd_close: () => 0,
    fd_seek: () => 0,
    fd_write: (_file, vectors = 0, count = 0, writtenAt = 0) => {
      const view = new DataView(exports().memory.buffer);
      let written = 0;
      for (let i = 0; i < Math.min(count, 16); i++) {
        const at = (vectors >>> 0) + 8 * i;
        const length = view.getUint32(at + 4, true);
        onText(view.getUint32(at, true), length);
        written += length;
      }
      write(writtenAt, written);
      return 0;
    },
  };
}
