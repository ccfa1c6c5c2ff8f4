/** A request of exactly so many bytes, for records of given sizes: what was in them is not known. */

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const FRAME_HEADER_BYTES = 9;
const HEADERS = 1;
const SETTINGS = 4;
/** No type of RFC 9113: whoever does not know it ignores it (§5.5). */
const UNKNOWN_FRAME = 0xee;
const END_STREAM_AND_HEADERS = 0x05;

/** As many records as sizes, which together begin with a request for `/`. */
export function requestRecords(sizes: readonly number[], host: string, protocol: string): Buffer[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const bytes = protocol === 'h2' ? http2Bytes(total, host) : http1Bytes(total, host);
  const records: Buffer[] = [];
  let at = 0;
  for (const size of sizes) {
    records.push(bytes.subarray(at, at + size));
    at += size;
  }
  return records;
}

/** Filled with a field; less than the shortest request is a part of it. */
function http1Bytes(total: number, host: string): Buffer {
  const head = `GET / HTTP/1.1\r\nHost: ${host === '' ? 'localhost' : host}\r\n`;
  const field = 'X-Filler: ';
  const room = total - head.length - field.length - 4;
  const filled = room < 0 ? `${head}\r\n` : `${head}${field}${'x'.repeat(room)}\r\n\r\n`;
  return Buffer.concat([Buffer.from(filled, 'latin1'), Buffer.alloc(total)]).subarray(0, total);
}

function http2Bytes(total: number, host: string): Buffer {
  // :method GET, :scheme https, :path /, and :authority as a literal (RFC 7541 Appendix A, §6.2.2).
  const authority = Buffer.from(host === '' ? 'localhost' : host.slice(0, 100), 'latin1');
  const block = Buffer.concat([Buffer.of(0x82, 0x87, 0x84, 0x01, authority.length), authority]);
  const bytes = Buffer.concat([
    HTTP2_PREFACE,
    frame(SETTINGS, 0, 0, Buffer.alloc(0)),
    frame(HEADERS, END_STREAM_AND_HEADERS, 1, block),
  ]);
  const room = total - bytes.length - FRAME_HEADER_BYTES;
  const filler = room < 0 ? Buffer.alloc(total) : frame(UNKNOWN_FRAME, 0, 0, Buffer.alloc(room));
  return Buffer.concat([bytes, filler]).subarray(0, total);
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}
