/** The figures that are demanded, and how a measured one is printed beside them. */
import type { Spread } from "./measure.ts";

export interface Figure {
  readonly name: string;
  readonly must: string;
  readonly aim: string;
  /** `least`: the value must not fall below; `most`: it must not exceed. */
  readonly sense: "least" | "most";
  readonly mustValue: number;
  readonly aimValue: number;
}

export const atMost = (name: string, mustValue: number, aimValue: number, unit = ""): Figure => ({
  name,
  must: `≤ ${mustValue}${unit}`,
  aim: `≤ ${aimValue}${unit}`,
  sense: "most",
  mustValue,
  aimValue,
});
export const atLeast = (name: string, mustValue: number, aimValue: number): Figure => ({
  name,
  must: `≥ ${mustValue}`,
  aim: `≥ ${aimValue}`,
  sense: "least",
  mustValue,
  aimValue,
});

export const FIGURES = {
  cpu: atMost("CPU an image, receiving process, over storescp's", 1.6, 1.1),
  unsyncedRate: atLeast("images/s over storescp's, no fsync on either", 0.9, 1.1),
  syncedRate: atLeast("images/s over Orthanc's, both synced", 2.5, 4),
  fourOverOne: atLeast("images/s, four associations over one", 1.5, 1.8),
  peakSlices: atMost("peak RSS of the receiving process, 1000 slices", 120, 90, " MB"),
  peakMultiFrame: atMost("peak RSS of the receiving process, one 200 MB object", 160, 110, " MB"),
  lag: atMost("event-loop p99 while receiving", 20, 10, " ms"),
  million: atMost("cost an image at 1 million instances over an empty store", 1.1, 1),
} satisfies Record<string, Figure>;

/** One row of the table of demanded figures. */
export function figureRow(figure: Figure, value: Spread | undefined, note = ""): string[] {
  if (value === undefined) return [figure.name, figure.must, figure.aim, "not measured", "", note];
  const meets = (limit: number) =>
    figure.sense === "most" ? value.median <= limit : value.median >= limit;
  const verdict = meets(figure.aimValue) ? "aim" : meets(figure.mustValue) ? "must" : "MISSED";
  return [figure.name, figure.must, figure.aim, spreadText(value), verdict, note];
}

export function spreadText(value: Spread): string {
  return `${short(value.median)} (${short(value.least)} to ${short(value.most)})`;
}

export function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}

/** A Markdown table. */
export function markdown(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}
