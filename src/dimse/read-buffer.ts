/**
 * Reading a connection into one buffer that is used again and again. Node makes a new one of 64 KiB outside of V8's heap for every
 * read, and V8 answers so much memory with collections (docs/decisions/0004). The option for it (`onread`) is there for sockets
 * that call but not for those of a server, so the handle of an accepted one moves to a socket that is made with it. That way is not
 * documented: where it is not there, the socket stays what it was.
 */
import { Socket, type SocketConstructorOpts } from "node:net";

/** What one read may bring. */
const READ_BYTES = 131_072;

interface WithHandle {
  _handle: { useUserBuffer?: unknown; readStart?: unknown } | null;
}

/**
 * The connection of a socket that was paused since it was accepted. The chunks of its `data` events are lent: they are valid
 * during the event, and longer only while the socket is paused. `pause` and `resume` work as ever; other ways of reading bring nothing.
 */
export function withReadBuffer(accepted: Socket): Socket {
  const owner = accepted as unknown as WithHandle;
  const handle = owner._handle;
  if (typeof handle?.useUserBuffer !== "function" || accepted.bytesRead > 0) return accepted;
  owner._handle = null;
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
  const options = {
    handle,
    onread: {
      buffer,
      callback(bytes: number) {
        socket.emit("data", buffer.subarray(0, bytes));
        return true;
      },
    },
  };
  const socket: Socket = new Socket(options as object as SocketConstructorOpts);
  // The server counts the one that it accepted.
  socket.once("close", () => accepted.destroy());
  return socket;
}
