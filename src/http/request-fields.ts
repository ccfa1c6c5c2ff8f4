/**
 * From a decoded field section to a request's head (RFC 9113 §8.1.1, §8.2, §8.3.1, §8.5; RFC 9114
 * §4.1.2, §4.2, §4.3.1, §4.4, which say the same).
 */
import { type Authority, NO_AUTHORITY, parseAuthority } from './authority.ts';
import { BAD_VALUE, type DecodedFields, FieldKind } from './field-kind.ts';
import { FieldSection } from './field-section.ts';
import type { RequestHead } from './message.ts';
import { PRIORITY_DEFAULT, type Priority, parsePriority } from './priority.ts';

/** Reads one request after the other; the results of the last are in its fields. */
export class RequestReader {
  /** What makes the request malformed. */
  failure = '';
  priority: Priority = PRIORITY_DEFAULT;
  /** It expects what we do not know (RFC 9110 §10.1.1). */
  hasUnknownExpectation = false;

  // The pseudo-header fields; '' stands for absent, since none of them may be empty.
  #method = '';
  #scheme = '';
  #authority = NO_AUTHORITY;
  #path = '';
  #protocol = '';
  #host = NO_AUTHORITY;
  #contentLength = -1;
  #expectContinue = false;
  #hasRegularField = false;
  readonly #version: '2' | '3';
  /** Where the cookie line is in the section, or -1. */
  #cookieIndex = -1;

  constructor(version: '2' | '3') {
    this.#version = version;
  }

  /**
   * `connectionScheme` is given to requests without `:scheme` (CONNECT). `allowsProtocol`: we have
   * announced ENABLE_CONNECT_PROTOCOL. Null when the request is malformed: `failure` says why.
   */
  read(
    decoded: DecodedFields,
    endStream: boolean,
    connectionScheme: string,
    allowsProtocol: boolean,
  ): RequestHead | null {
    this.#reset();
    const fields = new FieldSection();
    const { kinds, names, values, count } = decoded;
    for (let i = 0; i < count; i++) {
      const kind = kinds[i]!;
      if (kind === FieldKind.REGULAR) {
        this.#hasRegularField = true;
        fields.append(names[i]!, values[i]!);
      } else if (!this.#special(kind, names[i]!, values[i]!, fields)) return null;
    }
    if (!this.#checkTarget(connectionScheme, allowsProtocol)) return null;
    if (endStream) {
      if (this.#contentLength > 0) return this.#fail('content-length of a request without a body');
      this.#contentLength = 0;
    }
    return {
      method: this.#method,
      version: this.#version,
      scheme: this.#scheme,
      authority: this.#authority,
      path: this.#path,
      fields,
      contentLength: this.#contentLength,
      expectContinue: this.#expectContinue && !endStream,
      upgrade: this.#protocol,
    };
  }

  #reset(): void {
    this.priority = PRIORITY_DEFAULT;
    this.hasUnknownExpectation = false;
    this.#method = '';
    this.#scheme = '';
    this.#authority = NO_AUTHORITY;
    this.#path = '';
    this.#protocol = '';
    this.#host = NO_AUTHORITY;
    this.#contentLength = -1;
    this.#expectContinue = false;
    this.#hasRegularField = false;
    this.#cookieIndex = -1;
  }

  #special(kind: number, name: string, value: string, fields: FieldSection): boolean {
    if (kind >= BAD_VALUE) {
      this.#fail(`a wrong value of ${name}`);
      return false;
    }
    if (kind <= FieldKind.UNKNOWN_PSEUDO) return this.#pseudo(kind, name, value);
    this.#hasRegularField = true;
    switch (kind) {
      case FieldKind.CONTENT_LENGTH:
        if (this.#contentLength >= 0) return this.#reject('content-length twice');
        this.#contentLength = Number(value);
        break;
      case FieldKind.HOST:
        // Host is what :authority is (RFC 9113 §8.3.1), and not kept beside it.
        if (this.#host !== NO_AUTHORITY) return this.#reject('host twice');
        return this.#hasAuthority((this.#host = parseAuthority(value) ?? NO_AUTHORITY));
      case FieldKind.COOKIE:
        return this.#cookie(name, value, fields);
      case FieldKind.EXPECT:
        // As in HTTP/1.1, where twice is a list of two.
        if (this.#expectContinue || value.toLowerCase() !== '100-continue') {
          this.hasUnknownExpectation = true;
        }
        this.#expectContinue = true;
        break;
      case FieldKind.PRIORITY:
        this.priority = parsePriority(value);
        break;
      case FieldKind.TE:
        break;
      default:
        return this.#reject(
          kind === FieldKind.CONNECTION ? `connection-specific ${name}` : 'a wrong field name',
        );
    }
    fields.append(name, value);
    return true;
  }

  /** RFC 9113 §8.3: before all others, each once, and only those of a request. */
  #pseudo(kind: number, name: string, value: string): boolean {
    if (this.#hasRegularField) return this.#reject(`${name} after other fields`);
    switch (kind) {
      case FieldKind.METHOD:
        if (this.#method !== '') return this.#reject(':method twice');
        this.#method = value;
        return true;
      case FieldKind.SCHEME:
        if (this.#scheme !== '') return this.#reject(':scheme twice');
        this.#scheme = value;
        return true;
      case FieldKind.AUTHORITY:
        if (this.#authority !== NO_AUTHORITY) return this.#reject(':authority twice');
        return this.#hasAuthority((this.#authority = parseAuthority(value) ?? NO_AUTHORITY));
      case FieldKind.PATH:
        if (this.#path !== '') return this.#reject(':path twice');
        this.#path = value;
        return true;
      case FieldKind.PROTOCOL:
        if (this.#protocol !== '') return this.#reject(':protocol twice');
        this.#protocol = value;
        return true;
      default:
        return this.#reject(`${name} in a request`);
    }
  }

  /** RFC 9113 §8.2.3: crumbs are one field to everybody else. */
  #cookie(name: string, value: string, fields: FieldSection): boolean {
    if (this.#cookieIndex === -1) {
      this.#cookieIndex = fields.length;
      fields.append(name, value);
    } else fields.values[this.#cookieIndex] += `; ${value}`;
    return true;
  }

  #checkTarget(connectionScheme: string, allowsProtocol: boolean): boolean {
    if (this.#method === '') return this.#reject('no :method');
    if (this.#authority === NO_AUTHORITY) this.#authority = this.#host;
    else if (this.#host !== NO_AUTHORITY && !this.#isHostTheSame(connectionScheme)) {
      return this.#reject(':authority and host differ');
    }
    if (this.#authority === NO_AUTHORITY) return this.#reject('no :authority');
    if (this.#protocol !== '') {
      // RFC 8441 §4.
      if (!allowsProtocol || this.#method !== 'CONNECT') return this.#reject(':protocol');
    } else if (this.#method === 'CONNECT') {
      // RFC 9113 §8.5: the authority is all there is.
      if (this.#scheme !== '' || this.#path !== '') {
        return this.#reject('CONNECT with :scheme or :path');
      }
      if (this.#authority.port === -1) return this.#reject('CONNECT without a port');
      this.#scheme = connectionScheme;
      return true;
    }
    if (this.#scheme === '') return this.#reject('no :scheme');
    if (this.#path === '') return this.#reject('no :path');
    if (this.#path === '*' && this.#method !== 'OPTIONS') return this.#reject(':path *');
    return true;
  }

  #hasAuthority(read: Authority): boolean {
    return read !== NO_AUTHORITY || this.#reject('a wrong authority');
  }

  /** RFC 9113 §8.3.1: compared in normal form, so that a default port makes no difference. */
  #isHostTheSame(connectionScheme: string): boolean {
    const scheme = this.#scheme === '' ? connectionScheme : this.#scheme;
    return this.#host.inScheme(scheme) === this.#authority.inScheme(scheme);
  }

  #reject(reason: string): false {
    this.failure = reason;
    return false;
  }

  #fail(reason: string): null {
    this.failure = reason;
    return null;
  }
}
