/** A program whose handler throws, for tests: the call that throws is named by the argument. */
import { Reactor } from '../../src/reactor/reactor.ts';

const place = process.argv[2];
const fault = (at: string) => {
  if (at === place) throw new Error(`a mistake in ${at}`);
};
const reactor = new Reactor();
const listener = reactor.listen({ address: { host: '127.0.0.1', port: 0 } }, (socket) => {
  fault('onAccept');
  socket.write(Buffer.from('hello'));
  socket.shutdownWrite();
  return { onConnect() {}, onData() {}, onEnd() {}, onDrain() {}, onClose() {} };
});
const client = reactor.connect(
  { host: '127.0.0.1', port: listener.port },
  {
    onConnect: () => fault('onConnect'),
    onData: () => fault('onData'),
    onEnd() {
      fault('onEnd');
      client.destroy();
    },
    onDrain() {},
    onClose: () => fault('onClose'),
  },
);
reactor.timer(() => fault('timer')).arm(10);
reactor.defer(() => fault('defer'));
