/** A command line as others may see it: without what looks like a secret. */

const HIDDEN = "***";

/** Names whose values are secrets; a file or a command that has one is none itself. */
const SECRET =
  "[\\w.-]*(?:passw(?:or)?d|passphrase|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth|bearer|signature)[\\w.-]*";
const HARMLESS = /[_-](?:file|path|dir|command|cmd|id|url|type|method|user)$/i;

/** `NAME=VALUE`, `--name=value`, `"name": "value"`, also amidst an argument (`sh -c`, a connection string). */
const ASSIGNED = new RegExp(`(-{0,2})\\b(${SECRET})(["']?\\s*[=:]\\s*["']?)([^\\s"'&,;]+)`, "gi");
/** `--name value`, amidst an argument. */
const FOLLOWED = new RegExp(
  `(^|\\s)(--?)(${SECRET})(\\s+)([^\\s"'-][^\\s"']*|"[^"]*"|'[^']*')`,
  "gi",
);
/** An argument that is a flag alone: the next argument is its value. */
const FLAG = new RegExp(`^--?(${SECRET})$`, "i");
/** `Authorization: Basic dXNlcjpwYXNz` */
const HEADER = /\b((?:proxy-)?authorization|cookie|x-[\w-]*(?:key|token))(\s*:\s*)[^"'\r\n]+/gi;
const USERINFO = /([a-z][a-z\d+.-]*:\/\/[^\s:/@]*:)[^\s@/]+(@)/gi;
/** Secrets that are known by their own looks. */
const KNOWN =
  /\b(?:st_[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}|AKIA[A-Z\d]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)/g;
/** Programs whose `-p` is followed by a password without a blank. */
const GLUED = /(?:^|\/)(?:mysql\w*|mariadb[\w-]*|sshpass|7za?|unrar)$/;

/** The command with `***` in the place of secrets; a guess, made to rather hide too much. */
export function redact(command: readonly string[]): readonly string[] {
  const [program = ""] = command;
  return command.map((argument, at) => {
    const flag = FLAG.exec(command[at - 1] ?? "");
    if (at > 0 && flag && !HARMLESS.test(flag[1]) && !argument.startsWith("-")) return HIDDEN;
    if (at > 0 && GLUED.test(program) && /^-p./.test(argument)) return `-p${HIDDEN}`;
    return redactText(argument);
  });
}

function redactText(text: string): string {
  const unlessHarmless = (name: string, whole: string, hidden: string) =>
    HARMLESS.test(name) ? whole : hidden;
  return text
    .replace(USERINFO, `$1${HIDDEN}$2`)
    .replace(HEADER, `$1$2${HIDDEN}`)
    .replace(
      ASSIGNED,
      (whole, dashes, name, equals) =>
        unlessHarmless(name, whole, `${dashes}${name}${equals}${HIDDEN}`),
    )
    .replace(
      FOLLOWED,
      (whole, before, dashes, name, blank) =>
        unlessHarmless(name, whole, `${before}${dashes}${name}${blank}${HIDDEN}`),
    )
    .replace(KNOWN, HIDDEN);
}
