import { expect } from "chai";
import { createTurns } from "../../../src/dimse/services/turns.ts";
import { turnsByChannel, turnsOfReceiver } from "../../../src/receiver/shared-turns.ts";

/** A receiver joined to the node's turns by a channel that delivers later, as a real one does. */
function receiver(shared: ReturnType<typeof createTurns>) {
  const later = (work: () => void) => void setImmediate(work);
  const near = turnsByChannel((message) =>
    later(() => {
      if (message.type === "turn wanted") far.take(message.id, message.key);
      else if (message.type === "turn back") far.leave(message.id);
    }),
  );
  const far = turnsOfReceiver(shared, (message) =>
    later(() => {
      if (message.type === "turn") near.given(message.id);
    }),
  );
  return { turns: near.turns, dies: () => far.leaveAll() };
}

const never = new AbortController().signal;
const settled = () => new Promise((resolve) => setTimeout(resolve, 20));

describe("turns that receivers share", () => {
  it("are limited over all of them, and pass on when given back", async () => {
    const shared = createTurns(1, () => undefined);
    const [a, b] = [receiver(shared), receiver(shared)];
    const first = (await a.turns.take("FAR", never))!;
    let isSecond = false;
    const second = b.turns.take("FAR", never).then((giveBack) => {
      isSecond = true;
      return giveBack;
    });
    await settled();
    expect(isSecond).to.equal(false);
    expect(await b.turns.take("NEAR", never)).to.be.a("function");
    first();
    expect(await second).to.be.a("function");
  });

  it("come free when a receiver that held or wanted one dies", async () => {
    const shared = createTurns(1, () => undefined);
    const [a, b, c] = [receiver(shared), receiver(shared), receiver(shared)];
    await a.turns.take("FAR", never);
    void b.turns.take("FAR", never);
    await settled();
    const third = c.turns.take("FAR", never);
    await settled();
    b.dies();
    a.dies();
    expect(await third).to.be.a("function");
  });

  it("are left when the signal fires, even as the turn is on its way", async () => {
    const shared = createTurns(1, () => undefined);
    const [a, b] = [receiver(shared), receiver(shared)];
    const controller = new AbortController();
    const left = a.turns.take("FAR", controller.signal);
    controller.abort();
    expect(await left).to.equal(undefined);
    expect(await b.turns.take("FAR", never)).to.be.a("function");
    expect(await a.turns.take("FAR", AbortSignal.abort())).to.equal(undefined);
  });
});
