/** A thread that reads frames, decodes them and makes of each what the models want of it. */
import { createHash } from "node:crypto";
import { constants, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { LentBytes } from "../dicom/file-bytes.ts";
import { mustDiscardThread } from "../dicom/pixels/codecs.ts";
import { type FrameSource, openFrames } from "../dicom/pixels/frame-source.ts";
import { codeOf, messageOf } from "../kernel/errors.ts";
import { countStored } from "../volume/histogram.ts";
import { createPlaneReducer, type PlaneReducer } from "../volume/plane-reducer.ts";
import type {
  FrameToRead,
  ReductionSet,
  SliceAnswer,
  SliceJob,
  SliceThreadData,
} from "./slice-work.ts";
import type { PoolReply, PoolRequest } from "./thread-pool.ts";

/** The frames of a file come one after the other: it stays open until another one is asked for. */
let opened: { readonly path: string; readonly source: FrameSource } | undefined;
const lent = new LentBytes();
let reducing: { readonly id: number; readonly reducer: PlaneReducer } | undefined;
/** Jobs are done in the order they came in. */
let tail: Promise<void> = Promise.resolve();

const { niceness } = (workerData ?? { niceness: 0 }) as SliceThreadData;
// On Linux 0 is the calling thread; elsewhere the whole process would give way, sockets included.
if (niceness > 0 && process.platform === "linux")
  setPriority(0, Math.min(niceness, constants.priority.PRIORITY_LOW));

parentPort?.postMessage({ isReady: true } satisfies PoolReply<SliceAnswer>);

parentPort?.on("message", ({ call, job }: PoolRequest<SliceJob>) => {
  tail = tail.then(async () => {
    try {
      const [result, moved] = await done(job);
      parentPort?.postMessage({ call, result } satisfies PoolReply<SliceAnswer>, moved);
    } catch (error) {
      const reply: PoolReply<SliceAnswer> = {
        call,
        error: { code: codeOf(error), message: messageOf(error) },
        mustDiscard: mustDiscardThread(error),
      };
      parentPort?.postMessage(reply);
    }
  });
});

async function done(job: SliceJob): Promise<[SliceAnswer, ArrayBuffer[]]> {
  const stored = await storedValues(job.frame);
  if (job.do === "digest") {
    const bytes = new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
    return [{ digest: createHash("sha256").update(bytes).digest("hex") }, []];
  }
  const { k, set } = job;
  // For the native volume alone nothing is reduced.
  if (set.plans.length > 0) reducerOf(set).reduce(k, stored, job.frame.plane, job.planes);
  const counts = countStored(stored, job.frame.plane);
  if (!set.wantsStored) return [{ counts }, []];
  // What lies in lent memory cannot be given away.
  const own = stored.slice();
  return [{ counts, stored: own }, [own.buffer]];
}

function reducerOf(set: ReductionSet): PlaneReducer {
  if (reducing?.id !== set.id) reducing = { id: set.id, reducer: createPlaneReducer(set.plans) };
  return reducing.reducer;
}

async function storedValues({ path, transferSyntaxUid, pixelData, plane }: FrameToRead) {
  if (opened?.path !== path || plane.numberOfFrames === 1) {
    await opened?.source.close();
    opened = undefined;
    const header = { transferSyntaxUid, pixelData, planes: [plane] };
    opened = { path, source: await openFrames(path, header, lent) };
  }
  return opened.source.frame(plane.frameIndex);
}
