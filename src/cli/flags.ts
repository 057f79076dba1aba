/** The flags of the command line. */

/** The flags of a command as commander has read them; each command reads those that it declares. */
export type Flags = Readonly<Record<string, unknown>>;
