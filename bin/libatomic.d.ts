/** What src/ takes of libatomic.js. */

/**
 * The environment in which the pinned Node starts, with the library written where it is missing. Throws
 * as `fs` does.
 */
export function runtimeEnvironment(): NodeJS.ProcessEnv;
