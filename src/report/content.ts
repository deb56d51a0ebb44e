/**
 * A content tree (PS3.3 C.17.3) as plain values, and its translation into the keyword form that the DICOM writer
 * takes. Every item has a concept name, also where the standard lets it be absent: a nameless item takes OHIF down.
 */
import type { Code } from "./codes.ts";
import { decimalString } from "./decimal.ts";
import type { ImageReference } from "./input.ts";

export type Relationship =
  | "CONTAINS"
  | "HAS OBS CONTEXT"
  | "HAS ACQ CONTEXT"
  | "HAS CONCEPT MOD"
  | "SELECTED FROM";

export type ItemValue =
  | { readonly type: "CONTAINER"; readonly template?: string }
  | { readonly type: "TEXT"; readonly text: string }
  | { readonly type: "CODE"; readonly code: Code }
  | { readonly type: "NUM"; readonly number: number; readonly unit: Code }
  | { readonly type: "UIDREF"; readonly uid: string }
  | { readonly type: "DATE"; readonly date: string }
  | { readonly type: "IMAGE"; readonly image: ImageReference; readonly frameNumber?: number }
  | {
      readonly type: "SCOORD";
      readonly graphicType: "POINT";
      readonly columnRow: readonly [number, number];
    };

export interface ContentItem {
  readonly relationship: Relationship;
  readonly concept: Code;
  readonly value: ItemValue;
  readonly children: readonly ContentItem[];
}

/** One content item; children in the order they are to be read. */
export function item(
  relationship: Relationship,
  concept: Code,
  value: ItemValue,
  children: readonly ContentItem[] = [],
): ContentItem {
  return { relationship, concept, value, children };
}

type Naturalized = Record<string, unknown>;

/** A code as a sequence of one item (PS3.3 8.8). */
export function codeSequence(code: Code): Naturalized[] {
  return [
    { CodeValue: code.value, CodingSchemeDesignator: code.scheme, CodeMeaning: code.meaning },
  ];
}

/** The root's attributes, to be merged into the data set; the root has no relationship (PS3.3 C.17.3.1). */
export function naturalizeRoot(root: ContentItem): Naturalized {
  const { RelationshipType: _, ...attributes } = naturalizeItem(root);
  return attributes;
}

function naturalizeItem(content: ContentItem): Naturalized {
  return {
    RelationshipType: content.relationship,
    ValueType: content.value.type,
    ConceptNameCodeSequence: codeSequence(content.concept),
    ...naturalizeValue(content.value),
    ...(content.children.length === 0
      ? {}
      : { ContentSequence: content.children.map(naturalizeItem) }),
  };
}

function naturalizeValue(value: ItemValue): Naturalized {
  switch (value.type) {
    case "CONTAINER":
      return {
        ContinuityOfContent: "SEPARATE",
        ...(value.template === undefined
          ? {}
          : {
              ContentTemplateSequence: [
                { MappingResource: "DCMR", TemplateIdentifier: value.template },
              ],
            }),
      };
    case "TEXT":
      return { TextValue: value.text };
    case "CODE":
      return { ConceptCodeSequence: codeSequence(value.code) };
    case "NUM":
      return {
        MeasuredValueSequence: [
          {
            NumericValue: decimalString(value.number),
            MeasurementUnitsCodeSequence: codeSequence(value.unit),
          },
        ],
      };
    case "UIDREF":
      return { UID: value.uid };
    case "DATE":
      return { Date: value.date };
    case "IMAGE":
      return {
        ReferencedSOPSequence: [
          {
            ReferencedSOPClassUID: value.image.sopClassUid,
            ReferencedSOPInstanceUID: value.image.sopInstanceUid,
            ...(value.frameNumber === undefined
              ? {}
              : { ReferencedFrameNumber: String(value.frameNumber) }),
          },
        ],
      };
    case "SCOORD":
      return { GraphicType: value.graphicType, GraphicData: [...value.columnRow] };
  }
}
