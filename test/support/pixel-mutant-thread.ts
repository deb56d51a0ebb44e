/** Worker thread: reads header and frames of one file at a time, as the pipeline does. */
import { parentPort } from "node:worker_threads";
import { mustDiscardThread } from "../../src/dicom/pixels/codecs.ts";
import { openFrames } from "../../src/dicom/pixels/frame-source.ts";
import { readSliceFile } from "../../src/dicom/slice-file.ts";
import { KindredError } from "../../src/kernel/errors.ts";

export interface MutantOutcome {
  readonly state: "decoded" | "refused" | "violation";
  readonly message: string;
  readonly mustDiscard: boolean;
}

parentPort?.on("message", (path: string) => {
  void outcomeOf(path).then((outcome) => parentPort?.postMessage(outcome));
});

async function outcomeOf(path: string): Promise<MutantOutcome> {
  try {
    const header = await readSliceFile(path);
    const source = await openFrames(path, header);
    try {
      const wrong = await wrongFrame(source, header.planes[0]!);
      if (wrong !== undefined) return { state: "violation", message: wrong, mustDiscard: false };
      return { state: "decoded", message: "", mustDiscard: false };
    } finally {
      await source.close();
    }
  } catch (error) {
    const isOurs = error instanceof KindredError && error.code === "DATASET_UNREADABLE";
    const message = error instanceof Error ? error.message : String(error);
    // A reason is a sentence.
    if (isOurs && message.split(" ").length >= 4)
      return { state: "refused", message, mustDiscard: mustDiscardThread(error) };
    const stack = error instanceof Error ? error.stack : "";
    return { state: "violation", message: `${message} ${stack}`, mustDiscard: true };
  }
}

async function wrongFrame(
  source: Awaited<ReturnType<typeof openFrames>>,
  { rows, columns, isSigned }: { rows: number; columns: number; isSigned: boolean },
): Promise<string | undefined> {
  const last = source.frameCount - 1;
  for (const index of new Set([0, Math.floor(last / 2), last])) {
    const values = await source.frame(index);
    if (values.length !== rows * columns) return `frame ${index} has ${values.length} values`;
    if (values instanceof Int16Array !== isSigned) return `frame ${index} has the wrong sign`;
  }
  return undefined;
}
