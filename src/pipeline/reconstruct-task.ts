/** What the reconstruction thread is asked, and what it answers: a series may make several volumes, or none. */
import type { Profile } from "../encoder/manifest.ts";
import type { VolumeRules } from "../volume/rules.ts";
import type { VolumeVerdict } from "../volume/types.ts";

export interface ReconstructTask {
  /** Part 10 files or bare data sets of one series. */
  readonly paths: readonly string[];
  /** What is tolerated and corrected, as the site configured it. */
  readonly rules: Partial<VolumeRules> & { readonly slicesMin: number };
  /** One tensor file for each profile and accepted volume, at {@link tensorFile}. */
  readonly outputs: readonly { readonly profile: Profile; readonly tensorPrefix: string }[];
  /** For people: a picture in the result, and NIfTI files. */
  readonly views?: ViewsWanted;
  /** Of the {@link EarlyTask}s of the series. */
  readonly earlyKey?: string;
}

/** Files of a series that still arrives, to be read and reduced when nothing else is to be done. */
export interface EarlyTask {
  /** One for each series revision. */
  readonly key: string;
  /** New ones. */
  readonly paths: readonly string[];
  readonly profiles: readonly Profile[];
  readonly picture: boolean;
  /** Where reduced planes may be kept, hundreds of megabytes. */
  readonly folder: string;
}

export type ReconstructRequest =
  | { readonly series: ReconstructTask }
  | { readonly early: EarlyTask };

export interface ViewsWanted {
  /** Each accepted volume comes with a picture of it. */
  readonly picture: boolean;
  /**
   * A NIfTI file of the volume with the ordinal, or with null one of each accepted volume, at {@link niftiFile}; a name
   * that ends in `.gz` is compressed.
   */
  readonly nifti?: { readonly path: string; readonly ordinal: number | null };
}

export interface ReconstructResult {
  /** By ordinal, without gaps; at least one. A series of which nothing is a volume has one refused entry. */
  readonly volumes: readonly ReconstructedVolume[];
  /** Slices that were reduced before the series was complete, and used. */
  readonly earlySlices: number;
}

export interface ReconstructedVolume {
  /** From 1; 1 is the main volume, see {@link compareVolumes}. */
  readonly ordinal: number;
  /** What tells it from the other volumes of the series, e.g. its kernel; empty when it is the only one. */
  readonly label: string;
  readonly verdict: VolumeVerdict;
  /** Slices, i.e. frames, of the volume; 0 when refused. */
  readonly usedCount: number;
  /** SOP Instance UIDs of these slices, each once, in the order of the slices; empty when refused. */
  readonly sopInstanceUids: readonly string[];
  /** The middle slice; null when refused. */
  readonly keySlice: KeySlice | null;
  /** x, y and z axis, e.g. `LPS`: where each index grows to; null when refused. */
  readonly axisCodes: string | null;
  /** A PNG file; null when refused or not wanted. */
  readonly picture: Uint8Array | null;
}

export interface KeySlice {
  readonly sopInstanceUid: string;
  readonly rows: number;
  readonly columns: number;
  /** From 1; only for multi-frame instances. */
  readonly frameNumber?: number;
}

export type ReconstructReply =
  | { readonly result: ReconstructResult }
  | { readonly error: { code: string; message: string } };

/** Path of the input tensor of one volume. */
export function tensorFile(tensorPrefix: string, ordinal: number): string {
  return `${tensorPrefix}-${ordinal}.f32`;
}

/** Path of the NIfTI file of one volume where several are written: `head.nii.gz`, `head-2.nii.gz`, … */
export function niftiFile(path: string, ordinal: number): string {
  return ordinal === 1 ? path : viewFile(path, String(ordinal));
}

/** The path with something before its extension: `head.nii.gz` and `2` make `head-2.nii.gz`. */
export function viewFile(path: string, suffix: string): string {
  const end = /(?:\.nii|\.png)?(?:\.gz)?$/.exec(path)![0];
  return suffix === "" ? path : `${path.slice(0, path.length - end.length)}-${suffix}${end}`;
}

/** The order of volumes: accepted before refused, then most slices, then the earliest label. */
export function compareVolumes(
  a: { verdict: VolumeVerdict; label: string; sliceCount: number },
  b: { verdict: VolumeVerdict; label: string; sliceCount: number },
): number {
  const rank = (verdict: VolumeVerdict) => (verdict.outcome === "refused" ? 1 : 0);
  return (
    rank(a.verdict) - rank(b.verdict) ||
    b.sliceCount - a.sliceCount ||
    (a.label < b.label ? -1 : a.label > b.label ? 1 : 0)
  );
}
