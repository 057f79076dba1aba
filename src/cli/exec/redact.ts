/** A command line as others may see it: without what looks like a secret, and not too long. */
import { clip } from "../../client/clip.ts";
import { baseName, programIndex } from "../../sources/formats/flags.ts";

const HIDDEN = "***";
/** Characters of a command that are shown: a list of files may have more than a server takes. */
const SHOWN_MAX = 16 * 1024;

/**
 * Names whose values are secrets, not those of files and the like: such a value is searched as any
 * other text, as that of `auth_url="https://h/?a=1&token=..."`.
 */
const SECRET = "(?:" + [
  "[\\w.-]*(?:passw(?:or)?d|passphrase|passwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential|auth|bearer|signature)[\\w.-]*",
  // As a word of its own: --sftp-pass, RCLONE_CONFIG_PASS, MYSQL_PWD, --b2-key
  "(?:[\\w.-]*[_.-])?(?:(?:ssh)?pass|pwd)",
  "[\\w.-]*[_.-]key",
].join("|") + ")(?<![_-](?:file|path|dir|command|cmd|id|url|type|method|user))";

/** All within quotes. The quote may also close what the name is in: `grep 'token=' f; x --token='...'`. */
const quoted = (quote: string) => `(?<=${quote})[^\\s"'&,;][^${quote}]*(?<![=:])(?=${quote})`;

/**
 * `NAME=VALUE`, `--name=value`, `"name": "value"`, also amidst an argument (`sh -c`, a connection
 * string). It begins where a name does: else a long one would be searched from each of its parts.
 */
const ASSIGNED = new RegExp(
  `((?<![\\w.-])-{0,2}${SECRET}["']?\\s*[=:]\\s*["']?)(${quoted('"')}|${quoted("'")}|[^\\s"'&,;]+)`,
  "gi",
);
/** `--name value`, amidst an argument. */
const FOLLOWED = new RegExp(
  `((?:^|\\s)--?${SECRET}\\s+)([^\\s"'-][^\\s"']*|"[^"]*"|'[^']*')`,
  "gi",
);
/** An argument that is a flag alone: the next argument is its value. */
const FLAG = new RegExp(`^--?${SECRET}$`, "i");
/** `Authorization: Basic dXNlcjpwYXNz` */
const HEADER =
  /\b((?:proxy-)?authorization|cookie|x-[\w-]{0,60}(?:key|token))(\s*:\s*)[^"'\r\n]+/gi;
const USERINFO = /([a-z][a-z\d+.-]{0,30}:\/\/[^\s:/@]*:)[^\s@/]+(@)/gi;
/** Secrets that can be told by their form. */
const KNOWN =
  /\b(?:st_[\w-]{16,}|gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{15,}|xox[abprs]-[\w-]{10,}|sk-[\w-]{16,}|AKIA[A-Z\d]{16}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)/g;
/**
 * Programs, the flag that a password follows, and the blanks between the two. Only the first such
 * flag counts, as sshpass starts a program that has its own; openssl has `-keyout` too.
 */
const ASKING = [
  ["mysql\\w{0,20}|mariadb[\\w-]{0,20}|7za?|unrar", "-p", ""],
  ["sshpass|mongo\\w{0,20}|ncftp\\w{0,20}", "-p", "\\s*"],
  ["zip|unzip|sqlcmd|bcp", "-P", "\\s*"],
  ["ldap\\w{1,20}", "-w", "\\s*"],
  ["openssl", "-k", "\\s+"],
  ["redis-cli", "-a", "\\s+"],
].map(([names, flag, blanks]) => ({
  flag,
  apart: blanks !== "",
  glued: blanks !== "\\s+",
  name: new RegExp(`^(?:${names})$`),
  text: `(?:${names})(?:\\s+[^\\s|;&]+){0,20}?\\s+${flag}${blanks}`,
}));
/** The client of MinIO, whose secret key is the second word behind a URL. */
const MINIO = /^mcl?i?$/;
const MINIO_TEXT = "mcl?i?(?:\\s+[^\\s|;&]+){0,20}?\\s+https?:\\S+\\s+\\S+\\s+";
/**
 * These programs amidst an argument (`sh -c`), where the password is not too far from the name. Each
 * by itself, as one may stand between the name of another and its flag.
 */
const PASSED = [...ASKING.map(({ text }) => text), MINIO_TEXT].map((text) =>
  new RegExp(`(?<![\\w.-])(${text})("[^"]*"|'[^']*'|[^\\s"'|;&]+)`, "g")
);
/** Flags whose value is a name and a password (curl `:`, lftp `,`, smbclient `%`), or docker's ids. */
const LOGIN = /^(?:-[uU]|--(?:proxy-)?user)$/;
const LOGIN_VALUE = /^((?!\+|\d+:\d+$)(?:[^\s:,%]+[:,%]|:))./;
/** Programs to which `-u` says something else: update, unbuffered, unique. */
const NO_LOGIN = /^(?:rsync|rclone|python[\d.]*|sort|diff)$/;
/** curl's name may hold anything or be empty, and its value may follow without a blank. */
const LOGIN_OF_CURL = /^([^:]*:)/;
const LOGIN_GLUED = /^(-[uU][^:]*:|--(?:proxy-)?user=[^:]*:)./;
/** These flags amidst an argument; `+%F` is the form of a date. */
const LOGINS =
  /((?:^|\s)(?:-[uU]|--(?:proxy-)?user)\s+["']?(?!\+|\d+:\d+(?:["'\s]|$))(?:[^\s:,%"']+[:,%]|:))[^\s"']+/g;

/** The command as others may see it; of a long one the beginning, and how many arguments follow. */
export function shown(command: readonly string[]): readonly string[] {
  const parts: string[] = [];
  let left = SHOWN_MAX;
  for (const argument of redact(command)) {
    if (left <= 0) return [...parts, `… (${command.length - parts.length} more)`];
    const part = clip(argument, left);
    left -= part.length + 1;
    parts.push(part);
  }
  return parts;
}

/** The command with `***` in place of secrets. It guesses, and rather hides too much. */
export function redact(command: readonly string[]): readonly string[] {
  const first = programIndex(command);
  const program = baseName(command[first] ?? "");
  const asking = ASKING.find(({ name }) => name.test(program));
  const passed = asking?.apart ? command.indexOf(asking.flag, first) + 1 : 0;
  return command.map((argument, at) => {
    const before = command[at - 1] ?? "";
    if (FLAG.test(before) && !argument.startsWith("-")) return HIDDEN;
    if (at > 0 && at === passed) return HIDDEN;
    if (MINIO.test(program) && command[at - 2]?.includes("://")) return HIDDEN;
    if (asking?.glued && at > first && argument !== asking.flag) {
      if (argument.startsWith(asking.flag)) return asking.flag + HIDDEN;
    }
    return (at > first && ofLogin(program, argument, before)) || redactText(argument);
  });
}

/** The argument with the password of a login hidden; undefined when it has none. */
function ofLogin(program: string, argument: string, before: string): string | undefined {
  if (NO_LOGIN.test(program)) return undefined;
  const curl = program === "curl";
  const login = LOGIN.test(before)
    ? (curl ? LOGIN_OF_CURL : LOGIN_VALUE).exec(argument)?.[1]
    : curl
    ? LOGIN_GLUED.exec(argument)?.[1]
    : undefined;
  return login && `${login}${HIDDEN}`;
}

function redactText(text: string): string {
  const withoutLogins = text
    .replace(USERINFO, `$1${HIDDEN}$2`)
    .replace(HEADER, `$1$2${HIDDEN}`)
    .replace(LOGINS, `$1${HIDDEN}`);
  return PASSED.reduce((rest, passed) => rest.replace(passed, `$1${HIDDEN}`), withoutLogins)
    .replace(ASSIGNED, `$1${HIDDEN}`)
    .replace(FOLLOWED, `$1${HIDDEN}`)
    .replace(KNOWN, HIDDEN);
}
