/** Body Part Examined → a region of CID 4031 "Common Anatomic Regions" (PS3.16; PS3.16 Annex L gives the terms). */
import type { Code } from "./codes.ts";

const sct = (value: string, meaning: string): Code => ({ value, scheme: "SCT", meaning });

const CHEST = sct("51185008", "Chest");
const ABDOMEN = sct("113345001", "Abdomen");
const PELVIS = sct("12921003", "Pelvis");
const HEAD = sct("69536005", "Head");
const NECK = sct("45048000", "Neck");
const HEAD_NECK = sct("774007", "Head and Neck");
const CHEST_ABDOMEN = sct("416550000", "Chest and Abdomen");
const ABDOMEN_PELVIS = sct("416949008", "Abdomen and Pelvis");
const CHEST_ABDOMEN_PELVIS = sct("416775004", "Chest, Abdomen and Pelvis");
const NECK_CHEST = sct("417437006", "Neck and Chest");
const NECK_CHEST_ABDOMEN = sct("416152001", "Neck, Chest and Abdomen");
const NECK_CHEST_ABDOMEN_PELVIS = sct("416319003", "Neck, Chest, Abdomen and Pelvis");
const SPINE = sct("421060004", "Spine");
const ENTIRE_BODY = sct("38266002", "Entire body");

// Keys without spaces, hyphens and the like, in upper case.
const REGIONS: Readonly<Record<string, Code>> = {
  CHEST,
  THORAX: CHEST,
  LUNG: CHEST,
  LUNGS: CHEST,
  ABDOMEN,
  ABD: ABDOMEN,
  LIVER: ABDOMEN,
  KIDNEY: ABDOMEN,
  PANCREAS: ABDOMEN,
  SPLEEN: ABDOMEN,
  PELVIS,
  HEAD,
  BRAIN: HEAD,
  SKULL: sct("89546000", "Skull"),
  NECK,
  HEADNECK: HEAD_NECK,
  HEADANDNECK: HEAD_NECK,
  CHESTABDOMEN: CHEST_ABDOMEN,
  CHESTABD: CHEST_ABDOMEN,
  ABDOMENPELVIS: ABDOMEN_PELVIS,
  ABDPELVIS: ABDOMEN_PELVIS,
  CHESTABDPELVIS: CHEST_ABDOMEN_PELVIS,
  CHESTABDOMENPELVIS: CHEST_ABDOMEN_PELVIS,
  CAP: CHEST_ABDOMEN_PELVIS,
  TAP: CHEST_ABDOMEN_PELVIS,
  NECKCHEST: NECK_CHEST,
  NECKCHESTABDOMEN: NECK_CHEST_ABDOMEN,
  NECKCHESTABDPELV: NECK_CHEST_ABDOMEN_PELVIS,
  NECKCHESTABDPELVIS: NECK_CHEST_ABDOMEN_PELVIS,
  HEART: sct("80891009", "Heart"),
  COLON: sct("71854001", "Colon"),
  SPINE,
  CSPINE: sct("122494005", "Cervical spine"),
  TSPINE: sct("122495006", "Thoracic spine"),
  LSPINE: sct("122496007", "Lumbar spine"),
  SSPINE: sct("54735007", "Sacrum"),
  SINUS: sct("2095001", "Paranasal sinus"),
  SHOULDER: sct("16982005", "Shoulder"),
  ELBOW: sct("16953009", "Elbow joint"),
  WRIST: sct("74670003", "Wrist joint"),
  HAND: sct("85562004", "Hand"),
  HIP: sct("29836001", "Hip joint"),
  KNEE: sct("72696002", "Knee"),
  ANKLE: sct("70258002", "Ankle joint"),
  FOOT: sct("56459004", "Foot"),
  EXTREMITY: sct("66019005", "Extremity"),
  WHOLEBODY: ENTIRE_BODY,
  BODY: ENTIRE_BODY,
};

/** The region for a Body Part Examined, or undefined when it is absent or unknown. */
export function regionOf(bodyPartExamined: string): Code | undefined {
  const key = bodyPartExamined
    .slice(0, 64)
    .toUpperCase()
    .replace(/[^A-Z]/g, "");
  return Object.hasOwn(REGIONS, key) ? REGIONS[key] : undefined;
}
