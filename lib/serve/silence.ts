import type { WebSocket } from 'ws';

/**
 * Ends a connection on which nothing comes any more. A server that lost its power, or a robot that
 * left the network, closes no connection: without this, requests would go into it, unanswered, for
 * a quarter of an hour.
 *
 * @param isWaiting whether a request waits; `answerSilenceMs` counts then: a server of one thread
 *   answers no ping while it computes
 */
export function giveUpInSilence(
  socket: WebSocket,
  isWaiting: () => boolean,
  { silenceMs, answerSilenceMs }: { silenceMs: number; answerSilenceMs: number },
): void {
  let heard = performance.now();
  const hear = () => {
    heard = performance.now();
  };
  for (const event of ['pong', 'ping', 'message']) socket.on(event, hear);
  const timer = setInterval(() => {
    const bound = isWaiting() ? answerSilenceMs : silenceMs;
    if (performance.now() - heard > bound) socket.terminate();
    else socket.ping();
  }, Math.min(silenceMs, answerSilenceMs) / 3).unref();
  socket.once('close', () => clearInterval(timer));
}
