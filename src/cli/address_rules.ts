/** Rules of the settings that name addresses. */
import { isCidr } from "../http/public_origin.ts";
import { type Rule, textLike, textOf } from "./setting_rules.ts";

export const PUBLIC_URL = textOf(
  isPublicUrl,
  "expected a URL without ? and #, such as https://example.com/synctail",
);
export const HOST_PORT = textLike(
  /^(\[[\da-f:]+\]|[^:\s]+):(\d{1,4}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/i,
  "expected HOST:PORT with a port up to 65535, such as 127.0.0.1:9017",
);
export const HOSTS = eachOf(
  isHost,
  "expected * or names without ports, with commas between, such as nas.home,sync.lan",
);
export const NETWORKS = eachOf(
  isCidr,
  "expected addresses or networks with commas between, such as 10.0.0.0/8,::1",
);
export const ORIGINS = eachOf(
  isOrigin,
  "expected * or origins with commas between, such as https://app.example.com",
);

/** Splits a text at its commas; without blanks around parts and without empty ones. */
export function listOf(text: string): string[] {
  return text.split(",").map((part) => part.trim()).filter((part) => part !== "");
}

/** The rule of a list whose parts are all sound. */
function eachOf(sound: (part: string) => boolean, expected: string): Rule<string> {
  return textOf((text) => listOf(text).every(sound), expected);
}

function isPublicUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, search, hash, username } = new URL(text);
  return /^https?:$/.test(protocol) && search === "" && hash === "" && username === "";
}

/** The host as browsers send it, without a port. (Addresses need not be listed.) */
function isHost(text: string): boolean {
  return /^(\*|[a-z\d_]([\w.-]*\w)?\.?|\[?([\da-f]*:){2,}[\da-f.]*\]?)$/i.test(text);
}

/** An origin as browsers send it. A URL may have a star among its letters, and no origin of a page has. */
function isOrigin(text: string): boolean {
  if (text.includes("*")) return text === "*";
  return URL.canParse(text) && new URL(text).origin === text;
}
