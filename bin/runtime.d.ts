/** What src/ takes of runtime.js. */

/** A Node to run sluice in, or why there is none. */
export type ChosenRuntime = { readonly binary: string } | { readonly refusal: string };

/** Fetches one where none is installed; `tell` hears of that. */
export function chooseRuntime(tell: (text: string) => void): ChosenRuntime;

/** Whether there is a Node for this machine that sluice can run in. */
export function isPlatformSupported(): boolean;
