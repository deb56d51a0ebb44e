/** The demo's question in words. */
import type { Node } from "../../main.ts";
import { callNode } from "../api.ts";
import { type RankedAnswers, showRanked } from "../ranked.ts";

/** What a physician would type; four of the synthetic patients have it. */
export const DEMO_TEXT = "pleural effusion on the right";
const ANSWERS = 4;

/** Asks the node which studies fit {@link DEMO_TEXT}, and prints them. */
export async function askInWords(node: Pick<Node, "http">): Promise<void> {
  const config = { http: node.http } as Parameters<typeof callNode>[0];
  const query = new URLSearchParams({ text: DEMO_TEXT, k: String(ANSWERS) });
  console.log("");
  showRanked(await callNode<RankedAnswers>(config, `/api/v1/search?${query}`));
  console.log("");
}
