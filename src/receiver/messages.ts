/** What the node and its receiver processes say to each other over their channel. */
import type { SyncSlot } from "../archive/shared-syncs.ts";
import type { Config } from "../config/schema.ts";
import type { ListenerAddress } from "../dimse/connections.ts";
import type { ErrorCode } from "../kernel/errors.ts";
import type { CountAnswer, CountRequest } from "./shared-counts.ts";
import type { TextAnswer, TextRequest } from "./shared-texts.ts";

export type Address = ListenerAddress;

export type ToReceiver =
  | {
      readonly type: "start";
      readonly config: Config;
      /** Folder of the embedded database's socket; undefined with PostgreSQL. */
      readonly socketFolder: string | undefined;
      /** Its name as a writer of the archive. */
      readonly writer: string;
      /** Where it tells of its syncs; undefined where the machine has no memory as a file system. */
      readonly syncs: SyncSlot | undefined;
    }
  | { readonly type: "stop" }
  /** SIGHUP came: look at the TLS files. */
  | { readonly type: "reload" }
  | CountAnswer
  | { readonly type: "metrics"; readonly id: number }
  | { readonly type: "turn"; readonly id: number }
  | TextAnswer;

export type FromReceiver =
  | { readonly type: "listening"; readonly address: Address }
  | CountRequest
  | { readonly type: "failed"; readonly code: ErrorCode; readonly message: string }
  | { readonly type: "metrics"; readonly id: number; readonly metrics: unknown }
  | { readonly type: "turn wanted"; readonly id: number; readonly key: string }
  | { readonly type: "turn back"; readonly id: number }
  | TextRequest;
