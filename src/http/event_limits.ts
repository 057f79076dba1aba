/** How long the parts of a worker's event may be. */

/** Characters of a log line, and of what is said of an end. */
export const MESSAGE_MAX = 64 * 1024;
/** Characters of a phase, and of what is worked on. */
export const WORDS_MAX = 1_000;
/** Characters of the name of what has written a log line. */
export const SOURCE_MAX = 200;
export const PERCENT_MAX = 100;
