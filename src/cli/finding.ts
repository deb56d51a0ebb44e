/** One line of `kindred doctor`. */
export interface Finding {
  readonly level: "ok" | "note" | "fault";
  readonly subject: string;
  readonly text: string;
  /** What to do. */
  readonly remedy?: string;
}
