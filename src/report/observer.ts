/** What every document says first: language, and the device as observer (PS3.16 TID 1204, 1001, 1004). */
import { CODE, CONCEPT } from "./codes.ts";
import { type ContentItem, item } from "./content.ts";
import { deviceNames } from "./header.ts";
import type { ReportInput } from "./input.ts";

export function language(): ContentItem {
  return item("HAS CONCEPT MOD", CONCEPT.language, { type: "CODE", code: CODE.english });
}

export function procedureReported(): ContentItem {
  return item("HAS CONCEPT MOD", CONCEPT.procedureReported, {
    type: "CODE",
    code: CODE.ctUnspecifiedRegion,
  });
}

export function deviceObserver(input: ReportInput): ContentItem[] {
  const device = deviceNames(input);
  const context = "HAS OBS CONTEXT";
  return [
    item(context, CONCEPT.observerType, { type: "CODE", code: CODE.device }),
    item(context, CONCEPT.deviceObserverUid, { type: "UIDREF", uid: device.uid }),
    item(context, CONCEPT.deviceObserverName, { type: "TEXT", text: device.name }),
    item(context, CONCEPT.deviceObserverManufacturer, { type: "TEXT", text: device.manufacturer }),
    item(context, CONCEPT.deviceObserverModelName, { type: "TEXT", text: device.model }),
    item(context, CONCEPT.deviceObserverSerialNumber, { type: "TEXT", text: device.serial }),
  ];
}
