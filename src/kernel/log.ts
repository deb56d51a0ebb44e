/**
 * Structured logs: one JSON line an event. `event` is a dotted constant, `msg` is for people. Patient names,
 * IDs, birth dates, accession numbers, data sets and identifiers are never logged; `redact` lists their
 * usual keys all the same.
 */
import { createHash } from "node:crypto";
import { type Logger as PinoLogger, pino } from "pino";

export type Logger = PinoLogger;

export interface LogOptions {
  readonly level: "fatal" | "error" | "warn" | "info" | "debug" | "trace" | "silent";
  /** `hash` shortens every UID to a stable digest, `uid` writes it whole. */
  readonly identifiers: "hash" | "uid";
}

const PATIENT_KEYS = [
  "patientName",
  "patientId",
  "patientBirthDate",
  "accessionNumber",
  "identifier",
  "dataSet",
];

/** Makes the root logger; every room takes a child of it with its `component`. */
export function createLogger(
  options: LogOptions,
  destination?: { write(line: string): void },
): Logger {
  const settings = {
    level: options.level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: PATIENT_KEYS.flatMap((key) => [key, `*.${key}`]), censor: "***" },
  };
  const logger = destination ? pino(settings, destination) : pino(settings);
  const uidSerializer = (uid: string) => shownUid(uid, options.identifiers);
  const serializers = {
    series: uidSerializer,
    study: uidSerializer,
    instance: uidSerializer,
    transaction: uidSerializer,
  };
  return logger.child({}, { serializers });
}

/** A UID as it may stand in a log: whole, or eight hex digits of its digest. */
export function shownUid(uid: string, identifiers: LogOptions["identifiers"]): string {
  if (identifiers === "uid") return uid;
  return createHash("sha256").update(uid).digest("hex").slice(0, 8);
}

/** A logger that writes nothing, for parts built without one. */
export function silentLogger(): Logger {
  return pino({ level: "silent" });
}
