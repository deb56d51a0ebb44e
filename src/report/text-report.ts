/**
 * The text document: Basic Text SR, TID 2000 (PS3.16), the class that the oldest viewers show too. Its root is not
 * 126000, so OHIF shows its words, and it holds no IMAGE or SCOORD, which OHIF could only call unsupported there.
 */
import { cleanParagraph } from "./clean-text.ts";
import { CONCEPT, type Code } from "./codes.ts";
import { type ContentItem, item } from "./content.ts";
import type { ReportInput } from "./input.ts";
import type { Section } from "./lines.ts";
import { deviceObserver, language, procedureReported } from "./observer.ts";
import type { ReportWords } from "./wording.ts";

const TEXT_CHARACTERS_MAX = 20_000;

export function textTree(input: ReportInput, words: ReportWords): ContentItem {
  const { conclusion, similar, likelihoods, geometry, otherVolumes, measurements } = words;
  const { source, method } = words;
  const findings = [similar, likelihoods, geometry, otherVolumes, measurements].filter(
    (part) => part !== undefined,
  );
  return item("CONTAINS", CONCEPT.ctReport, { type: "CONTAINER", template: "2000" }, [
    language(),
    procedureReported(),
    ...deviceObserver(input),
    section(CONCEPT.conclusions, [text(CONCEPT.conclusion, conclusion)]),
    section(
      CONCEPT.findings,
      findings.map((part) => titled(CONCEPT.finding, part)),
    ),
    section(CONCEPT.procedureDescriptions, [
      titled(CONCEPT.procedureDescription, source),
      titled(CONCEPT.procedureDescription, method),
    ]),
  ]);
}

function section(concept: Code, children: readonly ContentItem[]): ContentItem {
  return item("CONTAINS", concept, { type: "CONTAINER" }, children);
}

function titled(concept: Code, { heading, lines }: Section): ContentItem {
  return text(concept, [heading, ...lines.map((line) => `  ${line}`)]);
}

function text(concept: Code, lines: readonly string[]): ContentItem {
  return item("CONTAINS", concept, {
    type: "TEXT",
    text: cleanParagraph(lines, TEXT_CHARACTERS_MAX),
  });
}
