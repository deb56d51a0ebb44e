/** Writing to a peer that may not read: it has so many seconds to make room. */
import type { Socket } from "node:net";
import { KindredError } from "../../kernel/errors.ts";
import { peerTimeout } from "./peer-timeout.ts";

/** Data up to this length are copied behind their head: cheaper than a write of two buffers. */
const JOINED_BYTES_MAX = 1_024;

/**
 * Writes head and data in one go and waits while the peer does not read.
 *
 * @param onLate - called before the socket is destroyed because the peer did not read in time
 * @throws KindredError `PEER_CLOSED`, `PEER_TIMEOUT`
 */
export async function writeWithin(
  socket: Socket,
  seconds: number,
  onLate: () => void,
  head: Buffer,
  data?: Buffer,
): Promise<void> {
  if (socket.destroyed) throw closed();
  let isRoom: boolean;
  if (data === undefined || data.length <= JOINED_BYTES_MAX) {
    isRoom = socket.write(data === undefined ? head : Buffer.concat([head, data]));
  } else {
    socket.cork();
    socket.write(head);
    isRoom = socket.write(data);
    socket.uncork();
  }
  if (!isRoom && socket.writableNeedDrain) await drained(socket, seconds, onLate);
}

function drained(socket: Socket, seconds: number, onLate: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let isLate = false;
    const timer = peerTimeout(seconds, () => {
      isLate = true;
      onLate();
      socket.destroy();
    });
    const settle = (finish: () => void) => () => {
      timer.cancel();
      socket.off("drain", onDrain);
      socket.off("close", onClose);
      finish();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() =>
      reject(
        isLate
          ? new KindredError("PEER_TIMEOUT", "The peer does not read what it is sent")
          : closed(),
      ),
    );
    socket.on("drain", onDrain);
    socket.on("close", onClose);
  });
}

/** Writing to a peer that has gone is no fault of ours. */
export function closed(): KindredError {
  return new KindredError("PEER_CLOSED", "The peer closed the association");
}
