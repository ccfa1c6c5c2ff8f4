/** What Content-Length says of a message whose end its protocol tells by other means. */

import type { ResponseHead } from './message.ts';

/** Whether a response of this status may have a Content-Length field (RFC 9110 §8.6). */
export function mayAnnounceLength(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
}

type Head = Pick<ResponseHead, 'status' | 'contentLength' | 'isAlone'>;

/** Whether nothing follows a response's head, to a request of this kind (RFC 9110 §6.4.1, §15.3.5, §15.4.5). */
export function isWithoutContent({ status, isAlone }: Head, isForHead: boolean): boolean {
  return isForHead || status === 204 || status === 304 || isAlone === true;
}

/** What a response's Content-Length says; -1 for none. */
export function contentLengthToSend({ status, contentLength, isAlone }: Head): number {
  return mayAnnounceLength(status) && isAlone !== true ? contentLength : -1;
}

/** Bytes announced by Content-Length, or -1; and received. */
export interface CountedContent {
  readonly expectedBytes: number;
  readonly receivedBytes: number;
}

/** Whether content departs from Content-Length (RFC 9113 §8.1.1, RFC 9114 §4.1.2). */
export function hasLengthFault(content: CountedContent, isEnd: boolean): boolean {
  const { expectedBytes, receivedBytes } = content;
  if (expectedBytes < 0) return false;
  return receivedBytes > expectedBytes || (isEnd && receivedBytes < expectedBytes);
}
