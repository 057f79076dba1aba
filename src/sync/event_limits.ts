/** How much a worker may say. The server refuses more, and what sends events keeps to it. */

/** Characters of the name of a sync, and of a job. */
export const SYNC_NAME_MAX = 100;
export const JOB_NAME_MAX = 200;
/** Tags of a job, and characters of one. */
export const TAGS_MAX = 20;
export const TAG_MAX = 100;
export const ATTEMPT_MAX = 1_000_000;
/** Seconds that a worker may be silent. */
export const LEASE_S_MAX = 7 * 24 * 3600;
/** The lease of a worker that names none, in milliseconds. */
export const WORKER_LEASE_MS = 15 * 60_000;
/** Characters of a member's name in `meta` and `fields`, and how deep these may be nested. */
export const MEMBER_MAX = 100;
export const DEPTH_MAX = 20;

/** Characters of a producer's id. */
export const PRODUCER_MAX = 100;
/** Events of an array, which one commit takes whole. */
export const EVENTS_MAX = 10_000;
/** Characters of a log line's message, and of an error's. */
export const MESSAGE_MAX = 64 * 1024;
/** Characters of the code of an error. */
export const CODE_MAX = 100;
/** Characters of `phase`, and of `current`. */
export const WORDS_MAX = 1_000;
/** Characters of a log line's `source`. */
export const SOURCE_MAX = 200;
/** Entity types that are counted of one job: every progress entry carries all of them. */
export const TYPES_MAX = 1_000;
/** Characters of an entity type. */
export const TYPE_MAX = 200;
export const PERCENT_MAX = 100;
