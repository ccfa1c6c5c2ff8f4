/**
 * Content on its way through a compressor. The work is done by libuv's threads, so that the loop
 * goes on meanwhile; what waits for it is bounded by pausing whoever brings the content.
 */
import { constants, createBrotliCompress, createGzip, createZstdCompress } from 'node:zlib';
import type { ContentCoding } from '../../routing/route.ts';

/**
 * Level 0 to 9, for bodies that are compressed while they are sent: most of the gain in little
 * time.
 */
const GZIP_LEVEL = 6;
/** Of 0 to 11. Faster than gzip's default, and smaller. */
const BROTLI_QUALITY = 4;
/** Of 1 to 22. The library's default. */
const ZSTD_LEVEL = 3;
/** Brotli's window, 2^19 bytes: its default takes several MiB for each response. */
const BROTLI_WINDOW_BITS = 19;

/** Compressed bytes are flushed when no more of the body has come for so many milliseconds. */
const FLUSH_AFTER_MS = 25;

/**
 * Compressors at once in one worker. Each takes up to 2 MiB; further responses are sent as they
 * are.
 */
export const ENCODERS_MAX = 64;

let live = 0;

export interface EncoderOwner {
  onEncoded(bytes: Uint8Array): void;
  onEncodedEnd(): void;
  onEncoderError(error: Error): void;
  /** More can be written. */
  onEncoderReady(): void;
}

type Compressor = ReturnType<
  typeof createGzip | typeof createBrotliCompress | typeof createZstdCompress
>;

export class Encoder {
  readonly #compressor: Compressor;
  readonly #flushKind: number;
  /** Of content whose end is not in sight; null when it comes in one go. */
  readonly #timer: NodeJS.Timeout | null;
  readonly #flushesAlways: boolean;
  #isLive = true;

  /** Null when there are too many. `lengthHint` is -1 for content that may trickle. */
  static begin(
    coding: ContentCoding,
    lengthHint: number,
    isEventStream: boolean,
    owner: EncoderOwner,
  ): Encoder | null {
    return live >= ENCODERS_MAX ? null : new Encoder(coding, lengthHint, isEventStream, owner);
  }

  private constructor(
    coding: ContentCoding,
    lengthHint: number,
    isEventStream: boolean,
    owner: EncoderOwner,
  ) {
    live++;
    this.#compressor = compressorFor(coding, lengthHint);
    this.#flushKind = FLUSH_KINDS[coding];
    this.#flushesAlways = isEventStream;
    const flushesLater = lengthHint < 0 && !isEventStream;
    this.#timer = flushesLater ? setTimeout(() => this.#flush(), FLUSH_AFTER_MS) : null;
    this.#compressor.on('data', (bytes: Buffer) => owner.onEncoded(bytes));
    this.#compressor.on('end', () => {
      this.#release();
      owner.onEncodedEnd();
    });
    this.#compressor.on('error', (error) => {
      if (!this.#isLive) return;
      this.destroy();
      owner.onEncoderError(error);
    });
    this.#compressor.on('drain', () => owner.onEncoderReady());
  }

  /** Returns false when the compressor is behind: stop until `onEncoderReady`. */
  write(bytes: Uint8Array): boolean {
    // The bytes are the caller's, and the compressor's thread comes to them later.
    const mayGoOn = this.#compressor.write(Buffer.from(bytes));
    if (this.#flushesAlways) this.#flush();
    else this.#timer?.refresh();
    return mayGoOn;
  }

  end(): void {
    this.#compressor.end();
  }

  pause(): void {
    this.#compressor.pause();
  }

  resume(): void {
    this.#compressor.resume();
  }

  /** Nothing more is called. */
  destroy(): void {
    this.#release();
    this.#compressor.removeAllListeners('data');
    this.#compressor.removeAllListeners('end');
    this.#compressor.removeAllListeners('drain');
    this.#compressor.destroy();
  }

  #flush(): void {
    if (this.#isLive && !this.#compressor.writableEnded) this.#compressor.flush(this.#flushKind);
  }

  #release(): void {
    if (!this.#isLive) return;
    this.#isLive = false;
    live--;
    if (this.#timer !== null) clearTimeout(this.#timer);
  }
}

const FLUSH_KINDS: Record<ContentCoding, number> = {
  gzip: constants.Z_SYNC_FLUSH,
  br: constants.BROTLI_OPERATION_FLUSH,
  zstd: constants.ZSTD_e_flush,
};

function compressorFor(coding: ContentCoding, lengthHint: number): Compressor {
  switch (coding) {
    case 'gzip':
      return createGzip({ level: GZIP_LEVEL });
    case 'br':
      return createBrotliCompress({
        params: {
          [constants.BROTLI_PARAM_QUALITY]: BROTLI_QUALITY,
          [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS,
          [constants.BROTLI_PARAM_SIZE_HINT]: Math.max(0, lengthHint),
        },
      });
    case 'zstd':
      return createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL } });
  }
}
