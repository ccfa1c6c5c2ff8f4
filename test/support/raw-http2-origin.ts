/** An HTTP/2 origin that sends the frames it is told to, in the clear. */
import { createServer, type Socket } from 'node:net';
import { ACK, frame, PREFACE, type ReadFrame, readFrames, settings, TYPE } from '../http2/wire.ts';
import { within } from './waiting.ts';

export interface RawHttp2Origin extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
  /** Connections so far. */
  readonly connections: number;
}

/** `onFrame` hears of every frame but those that are answered here: SETTINGS and PING. */
export async function startRawHttp2Origin(
  onFrame: (socket: Socket, frame: ReadFrame) => void,
): Promise<RawHttp2Origin> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.write(settings());
    let received = Buffer.alloc(0);
    let skip = PREFACE.length;
    socket.on('data', (bytes: Buffer) => {
      received = Buffer.concat([received, bytes]);
      if (skip > 0 && received.length >= skip) {
        received = received.subarray(skip);
        skip = 0;
      }
      if (skip > 0) return;
      for (;;) {
        const length = received.length < 9 ? 0 : received.readUIntBE(0, 3);
        if (received.length < 9 + length) return;
        const [one] = readFrames(received.subarray(0, 9 + length));
        received = received.subarray(9 + length);
        answer(socket, one!, onFrame);
      }
    });
  });
  const { promise, resolve } = Promise.withResolvers<void>();
  server.listen(0, '127.0.0.1', resolve);
  await within(promise, 'a raw HTTP/2 origin to listen');
  const { port } = server.address() as { port: number };
  return {
    port,
    url: `h2c://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

function answer(
  socket: Socket,
  one: ReadFrame,
  onFrame: (socket: Socket, frame: ReadFrame) => void,
): void {
  const isAck = (one.flags & ACK) !== 0;
  if (one.type === TYPE.SETTINGS) {
    if (!isAck) socket.write(frame(TYPE.SETTINGS, ACK, 0));
  } else if (one.type === TYPE.PING) {
    if (!isAck) socket.write(frame(TYPE.PING, ACK, 0, one.payload));
  } else onFrame(socket, one);
}
