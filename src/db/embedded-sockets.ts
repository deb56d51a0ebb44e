/**
 * PGlite's one session, shared by the processes of a node over a unix socket. PGlite's own socket server hands on
 * single messages, so that the Parse of one connection comes between Parse and Bind of another and each gets the other's
 * statement. Here a batch goes to the session whole, up to the message that ends it, and a connection that has a transaction
 * open has the session to itself until it ends. PostgreSQL manual, "Frontend/Backend Protocol".
 */
import { createServer, type Server, type Socket } from "node:net";

/** The part of PGlite that is used: it runs one call at a time. */
export interface EmbeddedSession {
  execProtocolRawStream(
    message: Uint8Array,
    options: { onRawData: (bytes: Uint8Array) => void },
  ): Promise<void>;
  isInTransaction(): boolean;
}

export interface EmbeddedSocketsOptions {
  readonly session: EmbeddedSession;
  readonly path: string;
  readonly connectionsMax: number;
  /** The session broke: nothing more can be asked of it. */
  readonly onBroken: (error: unknown) => void;
}

const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;
/** Longest message: a volume's worth of rows is far below. */
const MESSAGE_BYTES_MAX = 268_435_456;
const QUERY = 0x51;
const SYNC = 0x53;
const TERMINATE = 0x58;
const ROLLBACK = encodeQuery("rollback");

/** Bytes of one connection, cut into batches. */
class BatchReader {
  #bytes: Buffer = Buffer.alloc(0);
  /** Start of the message that is looked at; all before it belongs to the batch. */
  #at = 0;
  #isStarted = false;

  push(chunk: Buffer): void {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
  }

  /** The next whole batch; `ssl` and `end` for what is not for the session. */
  next(): Buffer | "ssl" | "end" | undefined {
    for (;;) {
      const headBytes = this.#isStarted ? 5 : 8;
      if (this.#bytes.length - this.#at < headBytes) return undefined;
      const type = this.#isStarted ? this.#bytes[this.#at]! : undefined;
      const lengthAt = this.#isStarted ? this.#at + 1 : this.#at;
      const length = this.#bytes.readUInt32BE(lengthAt);
      if (length < 4 || length > MESSAGE_BYTES_MAX || type === TERMINATE) return "end";
      const end = lengthAt + length;
      if (this.#bytes.length < end) return undefined;
      if (type === undefined) return this.#begin(end);
      this.#at = end;
      if (type === QUERY || type === SYNC) return this.#take(end);
    }
  }

  #begin(end: number): Buffer | "ssl" | "end" {
    const code = this.#bytes.readUInt32BE(4);
    if (code === CANCEL_REQUEST) return "end";
    const message = this.#take(end);
    if (code === SSL_REQUEST) return "ssl";
    this.#isStarted = true;
    return message;
  }

  #take(end: number): Buffer {
    const batch = this.#bytes.subarray(0, end);
    this.#bytes = this.#bytes.subarray(end);
    this.#at = 0;
    return batch;
  }
}

/** Listens; resolves when connections are taken. */
export async function serveEmbedded(
  options: EmbeddedSocketsOptions,
): Promise<{ stop(): Promise<void> }> {
  const { session } = options;
  const sockets = new Set<Socket>();
  const queue: { readonly from: Socket; readonly batch: Buffer }[] = [];
  /** Whose batch ran last: an open transaction is its. */
  let last: Socket | undefined;
  let isRunning = false;

  const run = async () => {
    if (isRunning) return;
    isRunning = true;
    try {
      for (let one = nextBatch(); one !== undefined; one = nextBatch()) {
        const { from, batch } = one;
        last = from;
        await session.execProtocolRawStream(batch, {
          // The bytes are a view of a buffer that is used again.
          onRawData: (bytes) => void (from.writable && from.write(Buffer.from(bytes))),
        });
      }
      isRunning = false;
    } catch (error) {
      options.onBroken(error);
    }
  };

  function nextBatch() {
    if (!session.isInTransaction()) return queue.shift();
    // Its connection broke: the transaction is rolled back before anybody else gets the session.
    if (last === undefined || last.destroyed) return { from: last!, batch: ROLLBACK };
    const index = queue.findIndex((one) => one.from === last);
    return index < 0 ? undefined : queue.splice(index, 1)[0];
  }

  const serve = (socket: Socket) => {
    const reader = new BatchReader();
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      reader.push(chunk);
      for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
        if (batch === "end") {
          socket.end();
          return;
        }
        if (batch === "ssl") socket.write("N");
        else queue.push({ from: socket, batch });
      }
      void run();
    });
    socket.on("close", () => {
      sockets.delete(socket);
      for (let i = queue.length - 1; i >= 0; i--) if (queue[i]!.from === socket) queue.splice(i, 1);
      void run();
    });
  };

  const server: Server = createServer(serve);
  server.maxConnections = options.connectionsMax;
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.path, resolve);
  });
  return {
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function encodeQuery(text: string): Buffer {
  const message = Buffer.alloc(1 + 4 + text.length + 1);
  message[0] = QUERY;
  message.writeUInt32BE(message.length - 1, 1);
  message.write(text, 5, "latin1");
  return message;
}
