/** How a server of an origin is, in words: for commands, and for the page in a browser. */

/** Beside the state stands why its requests fail, and for how long they have. */
export function serverStateText(server: {
  readonly state: string;
  readonly trouble: { readonly text: string; readonly seconds: number } | null;
}): string {
  const { state, trouble } = server;
  return trouble === null ? state : `${state} for ${trouble.seconds} s: ${trouble.text}`;
}
