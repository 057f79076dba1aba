/** What the runtimes give a child where a pipe is asked for. */

/**
 * Bun gives a socket, which a program cannot open again: `echo x > /dev/stderr` in a script would
 * fail. Deno gives a pipe (and would leave the ends of one of our own open in the child).
 */
export const PIPES_ARE_SOCKETS = "Bun" in globalThis;
