/**
 * The origin of the server bench: as little work per request as a socket allows, so that the server
 * under test is the limit. It answers `/o/<bytes>` as cacheable for an hour, `/dyn` as not, and
 * `/asked` with how many requests it has had.
 */
import { createServer } from 'node:net';

const END_OF_HEAD = '\r\n\r\n';
const ready = new Map<string, Buffer>();
let asked = 0;

function answerTo(target: string): Buffer {
  const known = ready.get(target);
  if (known !== undefined) return known;
  const size = Number(/^\/o\/(\d+)$/.exec(target)?.[1] ?? 1024);
  const control = target.startsWith('/o/') ? 'public, max-age=3600' : 'no-store';
  const head =
    `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: ${size}\r\n` +
    `Cache-Control: ${control}\r\nDate: ${new Date().toUTCString()}\r\nETag: "o${size}"\r\n\r\n`;
  const answer = Buffer.concat([Buffer.from(head), Buffer.alloc(size, 'sluice')]);
  ready.set(target, answer);
  return answer;
}

const server = createServer({ noDelay: true }, (socket) => {
  let text = '';
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1');
    for (let end = text.indexOf(END_OF_HEAD); end !== -1; end = text.indexOf(END_OF_HEAD)) {
      const target = text.slice(text.indexOf(' ') + 1, text.indexOf(' HTTP/'));
      text = text.slice(end + END_OF_HEAD.length);
      if (target === '/asked') {
        const count = String(asked);
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${count.length}\r\n\r\n${count}`);
      } else {
        asked++;
        socket.write(answerTo(target.replace(/\?.*$/, '')));
      }
    }
  });
});
server.listen(Number(process.argv[2]), '127.0.0.1', 4096);
