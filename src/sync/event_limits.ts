/** How much an event of a worker may say: what the server takes, and who sends it keeps to. */

/** Characters of a log line, and of what is said of an end. */
export const MESSAGE_MAX = 64 * 1024;
/** Characters of a phase, and of what is worked on. */
export const WORDS_MAX = 1_000;
/** Characters of the name of what has written a log line. */
export const SOURCE_MAX = 200;
/** Entity types that are counted of one job: every progress entry carries all of them. */
export const TYPES_MAX = 1_000;
/** Characters of an entity type. */
export const TYPE_MAX = 200;
export const PERCENT_MAX = 100;
