/**
 * The association state table as data: all thirteen states and nineteen events, for requestor and acceptor, under
 * the standard's own labels. PS3.8 9.2, Tables 9-2 to 9-10. What the table does not list cannot happen: such an event is one of
 * our own making, and a bug.
 */

/**
 * Sta1 idle · Sta2 transport open, awaiting A-ASSOCIATE-RQ · Sta3 awaiting local answer · Sta4 awaiting transport
 * opening · Sta5 awaiting A-ASSOCIATE-AC or -RJ · Sta6 established · Sta7 awaiting A-RELEASE-RP · Sta8 awaiting local
 * release answer · Sta9 release collision, requestor, awaiting local answer · Sta10 release collision, acceptor, awaiting
 * A-RELEASE-RP · Sta11 release collision, requestor, awaiting A-RELEASE-RP · Sta12 release collision, acceptor, awaiting local
 * answer · Sta13 awaiting transport close.
 */
export type State =
  | "Sta1"
  | "Sta2"
  | "Sta3"
  | "Sta4"
  | "Sta5"
  | "Sta6"
  | "Sta7"
  | "Sta8"
  | "Sta9"
  | "Sta10"
  | "Sta11"
  | "Sta12"
  | "Sta13";

/**
 * Evt1 local A-ASSOCIATE request · Evt2 transport opened · Evt3 A-ASSOCIATE-AC · Evt4 A-ASSOCIATE-RJ · Evt5 transport
 * connection indicated · Evt6 A-ASSOCIATE-RQ · Evt7 local acceptance · Evt8 local rejection · Evt9 local P-DATA · Evt10 P-DATA-TF ·
 * Evt11 local release request · Evt12 A-RELEASE-RQ · Evt13 A-RELEASE-RP · Evt14 local release response · Evt15 local abort ·
 * Evt16 A-ABORT · Evt17 transport closed · Evt18 ARTIM timer expired · Evt19 unrecognized or invalid PDU.
 */
export type Event =
  | "Evt1"
  | "Evt2"
  | "Evt3"
  | "Evt4"
  | "Evt5"
  | "Evt6"
  | "Evt7"
  | "Evt8"
  | "Evt9"
  | "Evt10"
  | "Evt11"
  | "Evt12"
  | "Evt13"
  | "Evt14"
  | "Evt15"
  | "Evt16"
  | "Evt17"
  | "Evt18"
  | "Evt19";

/** Tables 9-6 to 9-9: AE associate · DT data transfer · AR release · AA abort. */
export type Action =
  | "AE-1"
  | "AE-2"
  | "AE-3"
  | "AE-4"
  | "AE-5"
  | "AE-6"
  | "AE-7"
  | "AE-8"
  | "DT-1"
  | "DT-2"
  | "AR-1"
  | "AR-2"
  | "AR-3"
  | "AR-4"
  | "AR-5"
  | "AR-6"
  | "AR-7"
  | "AR-8"
  | "AR-9"
  | "AR-10"
  | "AA-1"
  | "AA-2"
  | "AA-3"
  | "AA-4"
  | "AA-5"
  | "AA-6"
  | "AA-7"
  | "AA-8";

export interface Transition {
  readonly action: Action;
  readonly next: State;
  /** Next state when the acceptor, not the requestor, meets a release collision (AR-8). */
  readonly nextOfAcceptor?: State;
}

const to = (action: Action, next: State): Transition => ({ action, next });

/** From Sta3 on the provider aborts on what it did not expect. */
const ABORT = to("AA-8", "Sta13");
const UNEXPECTED = {
  Evt3: ABORT,
  Evt4: ABORT,
  Evt6: ABORT,
  Evt10: ABORT,
  Evt12: ABORT,
  Evt13: ABORT,
  Evt19: ABORT,
} as const;

/** What any state with an association, or half of one, does when it ends. */
const ENDINGS = {
  Evt15: to("AA-1", "Sta13"),
  Evt16: to("AA-3", "Sta1"),
  Evt17: to("AA-4", "Sta1"),
} as const;

const USER_ABORT = to("AA-1", "Sta13");
const IGNORE = to("AA-6", "Sta13");

/** Table 9-10, a row a state. */
export const STATE_TABLE: Readonly<Record<State, Readonly<Partial<Record<Event, Transition>>>>> = {
  Sta1: { Evt1: to("AE-1", "Sta4"), Evt5: to("AE-5", "Sta2") },
  Sta2: {
    Evt3: USER_ABORT,
    Evt4: USER_ABORT,
    Evt6: to("AE-6", "Sta3"),
    Evt10: USER_ABORT,
    Evt12: USER_ABORT,
    Evt13: USER_ABORT,
    Evt16: to("AA-2", "Sta1"),
    Evt17: to("AA-5", "Sta1"),
    Evt18: to("AA-2", "Sta1"),
    Evt19: USER_ABORT,
  },
  Sta3: { ...UNEXPECTED, ...ENDINGS, Evt7: to("AE-7", "Sta6"), Evt8: to("AE-8", "Sta13") },
  Sta4: { Evt2: to("AE-2", "Sta5"), Evt15: to("AA-2", "Sta1"), Evt17: to("AA-4", "Sta1") },
  Sta5: { ...UNEXPECTED, ...ENDINGS, Evt3: to("AE-3", "Sta6"), Evt4: to("AE-4", "Sta1") },
  Sta6: {
    ...UNEXPECTED,
    ...ENDINGS,
    Evt9: to("DT-1", "Sta6"),
    Evt10: to("DT-2", "Sta6"),
    Evt11: to("AR-1", "Sta7"),
    Evt12: to("AR-2", "Sta8"),
  },
  Sta7: {
    ...UNEXPECTED,
    ...ENDINGS,
    Evt10: to("AR-6", "Sta7"),
    Evt12: { action: "AR-8", next: "Sta9", nextOfAcceptor: "Sta10" },
    Evt13: to("AR-3", "Sta1"),
  },
  Sta8: { ...UNEXPECTED, ...ENDINGS, Evt9: to("AR-7", "Sta8"), Evt14: to("AR-4", "Sta13") },
  Sta9: { ...UNEXPECTED, ...ENDINGS, Evt14: to("AR-9", "Sta11") },
  Sta10: { ...UNEXPECTED, ...ENDINGS, Evt13: to("AR-10", "Sta12") },
  Sta11: { ...UNEXPECTED, ...ENDINGS, Evt13: to("AR-3", "Sta1") },
  Sta12: { ...UNEXPECTED, ...ENDINGS, Evt14: to("AR-4", "Sta13") },
  Sta13: {
    Evt3: IGNORE,
    Evt4: IGNORE,
    Evt6: to("AA-7", "Sta13"),
    Evt10: IGNORE,
    Evt12: IGNORE,
    Evt13: IGNORE,
    Evt16: to("AA-2", "Sta1"),
    Evt17: to("AR-5", "Sta1"),
    Evt18: to("AA-2", "Sta1"),
    Evt19: to("AA-7", "Sta13"),
  },
};

/** What to do on an event, and where that leads; undefined for the blanks of Table 9-10. */
export function transition(
  state: State,
  event: Event,
  role: "requestor" | "acceptor",
): Transition | undefined {
  const found = STATE_TABLE[state][event];
  if (found?.nextOfAcceptor === undefined || role === "requestor") return found;
  return { action: found.action, next: found.nextOfAcceptor };
}
