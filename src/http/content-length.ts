/** What Content-Length says of a message whose end its protocol tells by other means. */

/** Whether a response of this status may have a Content-Length field (RFC 9110 §8.6). */
export function mayAnnounceLength(status: number): boolean {
  return status >= 200 && status !== 204 && status !== 304;
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
