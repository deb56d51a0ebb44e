/** What a slice thread is asked: one frame at a time, so that a bad one fails alone. */
import type { SliceFileHeader } from "../dicom/slice-file.ts";
import type { HuCounts } from "../volume/histogram.ts";
import type { ReductionPlan } from "../volume/reduction-plan.ts";
import type { SlicePlane } from "../volume/types.ts";

/** What a slice thread is started with. */
export interface SliceThreadData {
  /** Added to its niceness, where the system knows one for each thread. */
  readonly niceness: number;
}

/** Where a frame is and how its pixels lie; of a file with many frames only this one's facts travel. */
export interface FrameToRead {
  readonly path: string;
  readonly transferSyntaxUid: string;
  readonly pixelData: SliceFileHeader["pixelData"];
  readonly plane: SlicePlane;
}

/** What is made of every frame of one volume; a thread keeps what it has set up for the last one. */
export interface ReductionSet {
  /** One for each list of plans. */
  readonly id: number;
  readonly plans: readonly ReductionPlan[];
  /** The native volume is wanted too. */
  readonly wantsStored: boolean;
}

export type SliceJob =
  /** Are two slices at one position the same? Answered by a digest of the stored values. */
  | { readonly do: "digest"; readonly frame: FrameToRead }
  | {
      readonly do: "reduce";
      readonly frame: FrameToRead;
      /** Which slice of the order. */
      readonly k: number;
      readonly set: ReductionSet;
      /** Where the thread writes its planes, one a plan: memory that both threads share. */
      readonly planes: readonly Float32Array[];
    };

export interface SliceAnswer {
  readonly digest?: string;
  readonly stored?: Int16Array | Uint16Array;
  readonly counts?: HuCounts;
}
