import { expect } from "chai";
import {
  type Event,
  STATE_TABLE,
  type State,
  transition,
} from "../../../src/dimse/upper-layer/state-table.ts";

/**
 * PS3.8 Table 9-10 as printed: a row an event, a column a state (Sta1 to Sta13), `action>next`, `-` for a blank. Two cells
 * lead to two states: AE-6 to Sta3, or by the rejection of the provider to Sta13; AR-8 to Sta9 for the requestor, to Sta10
 * for the acceptor.
 */
const TABLE_9_10 = `
Evt1   AE-1>4  -        -        -       -        -        -         -        -        -         -        -         -
Evt2   -       -        -        AE-2>5  -        -        -         -        -        -         -        -         -
Evt3   -       AA-1>13  AA-8>13  -       AE-3>6   AA-8>13  AA-8>13   AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-6>13
Evt4   -       AA-1>13  AA-8>13  -       AE-4>1   AA-8>13  AA-8>13   AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-6>13
Evt5   AE-5>2  -        -        -       -        -        -         -        -        -         -        -         -
Evt6   -       AE-6>3   AA-8>13  -       AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-7>13
Evt7   -       -        AE-7>6   -       -        -        -         -        -        -         -        -         -
Evt8   -       -        AE-8>13  -       -        -        -         -        -        -         -        -         -
Evt9   -       -        -        -       -        DT-1>6   -         AR-7>8   -        -         -        -         -
Evt10  -       AA-1>13  AA-8>13  -       AA-8>13  DT-2>6   AR-6>7    AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-6>13
Evt11  -       -        -        -       -        AR-1>7   -         -        -        -         -        -         -
Evt12  -       AA-1>13  AA-8>13  -       AA-8>13  AR-2>8   AR-8>9/10 AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-6>13
Evt13  -       AA-1>13  AA-8>13  -       AA-8>13  AA-8>13  AR-3>1    AA-8>13  AA-8>13  AR-10>12  AR-3>1   AA-8>13   AA-6>13
Evt14  -       -        -        -       -        -        -         AR-4>13  AR-9>11  -         -        AR-4>13   -
Evt15  -       -        AA-1>13  AA-2>1  AA-1>13  AA-1>13  AA-1>13   AA-1>13  AA-1>13  AA-1>13   AA-1>13  AA-1>13   -
Evt16  -       AA-2>1   AA-3>1   -       AA-3>1   AA-3>1   AA-3>1    AA-3>1   AA-3>1   AA-3>1    AA-3>1   AA-3>1    AA-2>1
Evt17  -       AA-5>1   AA-4>1   AA-4>1  AA-4>1   AA-4>1   AA-4>1    AA-4>1   AA-4>1   AA-4>1    AA-4>1   AA-4>1    AR-5>1
Evt18  -       AA-2>1   -        -       -        -        -         -        -        -         -        -         AA-2>1
Evt19  -       AA-1>13  AA-8>13  -       AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13  AA-8>13   AA-8>13  AA-8>13   AA-7>13
`;

describe("the state table (PS3.8 Table 9-10)", () => {
  const rows = TABLE_9_10.trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/));

  it("has thirteen states and nineteen events", () => {
    expect(rows).to.have.length(19);
    expect(Object.keys(STATE_TABLE)).to.have.length(13);
    for (const row of rows) expect(row).to.have.length(14);
  });

  for (const [event, ...cells] of rows) {
    it(`${event} in every state`, () => {
      cells.forEach((cell, index) => {
        const state = `Sta${index + 1}` as State;
        for (const role of ["requestor", "acceptor"] as const) {
          const found = transition(state, event as Event, role);
          const [action, next] = cell.split(">");
          const wanted =
            cell === "-"
              ? undefined
              : { action, next: `Sta${next!.split("/").at(role === "requestor" ? 0 : -1)}` };
          expect(
            found && { action: found.action, next: found.next },
            `${state} ${role}`,
          ).to.deep.equal(wanted);
        }
      });
    });
  }
});
