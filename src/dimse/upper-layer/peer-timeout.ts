/**
 * Time that a peer has. The event loop runs timers before it reads sockets: when it did not run for a while, a timer
 * would find a peer late whose bytes have been waiting in the socket all along. So a timer that is due lets the sockets
 * be read first, and whoever gets what was waiting cancels it.
 */
export interface PeerTimeout {
  cancel(): void;
}

/** @param onDue - called once, unless cancelled before. The timer alone does not keep the process alive */
export function peerTimeout(seconds: number, onDue: () => void): PeerTimeout {
  let afterReading: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    afterReading = setImmediate(onDue);
  }, seconds * 1000);
  timer.unref();
  return {
    cancel() {
      clearTimeout(timer);
      clearImmediate(afterReading);
    },
  };
}
