/** What the command line says. */

/** What commander read of a command's flags; each command reads what it declares. */
export type Flags = Readonly<Record<string, unknown>>;
