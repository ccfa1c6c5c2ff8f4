/** Requests to the admin endpoint, with its token when one was given. */

let token = '';

/** The endpoint wants a token, or another one. */
export class Unauthorized extends Error {
  constructor() {
    super(token === '' ? 'a token is needed' : 'the token is wrong');
  }
}

/** Kept by this page only, until it is closed. */
export function setToken(text: string): void {
  token = text;
}

/** Rejects with Unauthorized for a token that is missing or wrong. */
export async function ask<Answer>(path: string): Promise<Answer> {
  const headers: Record<string, string> = token === '' ? {} : { Authorization: `Bearer ${token}` };
  const response = await fetch(path, { headers, cache: 'no-store' });
  if (response.status === 401) throw new Unauthorized();
  if (!response.ok) throw new Error(`${path}: status ${response.status}`);
  return response.json();
}
