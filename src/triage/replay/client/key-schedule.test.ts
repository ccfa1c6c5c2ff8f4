/** Against the traces of RFC 8448: §3 (a full handshake) and §4 (the binder of a resumption). */
import assert from 'node:assert/strict';
import test from 'node:test';
import { expandLabel, hashBytes, KeySchedule, ticketKey } from './key-schedule.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const none = Buffer.alloc(0);
const clientHello = bytes(
  [
    '010000c00303cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece70000',
    '06130113031302010000910000000b0009000006736572766572ff01000100000a00140012001d00',
    '17001800190100010101020103010400230000003300260024001d002099381de560e4bd43d23d8e',
    '435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304000d0020001e040305030603',
    '020308040805080604010501060102010402050206020202002d00020101001c00024001',
  ].join(''),
);
const serverHello = bytes(
  [
    '020000560303a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e269280013',
    '0100002e00330024001d0020c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b0',
    '4e751f0f002b00020304',
  ].join(''),
);
const shared = bytes('8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d');

test('RFC 8448 §3: secrets and keys of the handshake', () => {
  const schedule = new KeySchedule('sha256', null);
  schedule.advance(shared);
  const transcript = hashBytes('sha256', clientHello, serverHello);
  assert.equal(
    schedule.derive('c hs traffic', transcript).toString('hex'),
    'b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21',
  );
  const server = schedule.derive('s hs traffic', transcript);
  assert.equal(
    server.toString('hex'),
    'b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38',
  );
  assert.equal(
    expandLabel('sha256', server, 'key', none, 16).toString('hex'),
    '3fce516009c21727d0f2e4e86ee403bc',
  );
  assert.equal(
    expandLabel('sha256', server, 'iv', none, 12).toString('hex'),
    '5d313eb2671276ee13000b30',
  );
});

test('RFC 8448 §3 and §4: the key of the ticket, and the binder made with it', () => {
  const resumption = bytes('7df235f2031d2a051287d02b0241b0bfdaf86cc856231f2d5aba46c434ec196c');
  const key = ticketKey('sha256', resumption, bytes('0000'));
  assert.equal(
    key.toString('hex'),
    '4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3',
  );
  const prefix = bytes(
    [
      '010001fc03031bc3ceb6bbe39cff938355b5a50adb6db21b7a6af649d7b4bc419d7876487d950000',
      '06130113031302010001cd0000000b0009000006736572766572ff01000100000a00140012001d00',
      '170018001901000101010201030104003300260024001d0020e4ffb68ac05f8d96c99da26698346c',
      '6be16482badddafe051a66b4f18d668f0b002a0000002b0003020304000d0020001e040305030603',
      '020308040805080604010501060102010402050206020202002d00020101001c0002400100150057',
    ].join('') +
      '00'.repeat(87) +
      [
        '002900dd00b800b22c035d829359ee5ff7af4ec900000000262a6494dc486d2c8a34cb33fa90bf1b',
        '0070ad3c498883c9367c09a2be785abc55cd226097a3a982117283f82a03a143efd3ff5dd36d64e8',
        '61be7fd61d2827db279cce145077d454a3664d4e6da4d29ee03725a6a4dafcd0fc67d2aea7052951',
        '3e3da2677fa5906c5b3f7d8f92f228bda40dda721470f9fbf297b5aea617646fac5c03272e970727',
        'c621a79141ef5f7de6505e5bfbc388e93343694093934ae4d357fad6aacb',
      ].join(''),
  );
  const schedule = new KeySchedule('sha256', key);
  const base = schedule.derive('res binder', hashBytes('sha256'));
  assert.equal(
    schedule.finished(base, hashBytes('sha256', prefix)).toString('hex'),
    '3add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d',
  );
});
