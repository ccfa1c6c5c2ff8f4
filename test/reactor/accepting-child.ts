/**
 * A worker in small, for tests: accepts on the inherited descriptor 3, greets each connection with
 * its process id, and reports its listener's counts to whoever sends a message.
 */
import { Reactor } from '../../src/reactor/reactor.ts';

const reactor = new Reactor();
const listener = reactor.listen({ fd: 3 }, (socket) => {
  socket.write(Buffer.from(`${process.pid}`));
  return {
    onConnect() {},
    onData() {},
    onEnd: () => socket.destroy(),
    onDrain() {},
    onClose() {},
  };
});
process.on('message', () => process.send!(listener.counts));
process.on('disconnect', () => process.exit());
process.send!('ready');
