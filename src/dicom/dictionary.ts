/**
 * The data dictionary of PS3.6, as dcmjs carries it; the only place that knows dcmjs's shape of it. It is loaded at the
 * first question: a receiver that meets explicit VR only never needs its 20 MB.
 */
import { createRequire } from "node:module";
import type dcmjs from "dcmjs";

interface DictionaryEntry {
  readonly tag: string;
  readonly vr: string;
  readonly name: string;
}

type MetaDictionary = (typeof dcmjs.data)["DicomMetaDictionary"];

const load = createRequire(import.meta.url);

function metaDictionary(): MetaDictionary {
  // The module system keeps it after the first time.
  return (load("dcmjs") as typeof dcmjs).data.DicomMetaDictionary;
}

/** The entry of a tag, or undefined for private and unknown tags. */
export function entryOf(tag: number): DictionaryEntry | undefined {
  const hex = tag.toString(16).toUpperCase().padStart(8, "0");
  return metaDictionary().dictionary[`(${hex.slice(0, 4)},${hex.slice(4)})`] as
    | DictionaryEntry
    | undefined;
}

/** The tag of a keyword, or undefined. */
export function tagOfKeyword(keyword: string): number | undefined {
  const entry = metaDictionary().nameMap[keyword] as DictionaryEntry | undefined;
  if (entry === undefined) return undefined;
  const hex = entry.tag.replace(/[(),]/g, "");
  return /^[0-9A-F]{8}$/i.test(hex) ? Number.parseInt(hex, 16) : undefined;
}
