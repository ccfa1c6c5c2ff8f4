import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NO_AUTHORITY } from '../../http/authority.ts';
import { FieldSection } from '../../http/field-section.ts';
import type { HttpVersion, RequestHead } from '../../http/message.ts';
import { isGrpcCall } from './grpc-answer.ts';

const call = (version: HttpVersion): RequestHead => ({
  method: 'POST',
  version,
  scheme: 'https',
  authority: NO_AUTHORITY,
  path: '/s/m',
  fields: FieldSection.of(['content-type', 'application/grpc+proto']),
  contentLength: -1,
  expectContinue: false,
  upgrade: '',
});

test('calls of gRPC are known over HTTP/2 and HTTP/3, and nowhere else', () => {
  const versions: readonly HttpVersion[] = ['1.0', '1.1', '2', '3'];
  assert.deepEqual(
    versions.filter((version) => isGrpcCall(call(version))),
    ['2', '3'],
  );
});
