/** A request with any headers: fetch sends its own Host, Origin and Sec-Fetch-Site. */
import { type IncomingHttpHeaders, request } from "node:http";

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  // deno-lint-ignore no-explicit-any -- tests look into bodies freely
  readonly json: any;
}

/** Sends the request and reads its whole answer. A `body` that is no text goes as JSON. */
export function rawRequest(
  url: string,
  { method = "GET", headers = {}, body }: {
    readonly method?: string;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: unknown;
  } = {},
): Promise<RawAnswer> {
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const type = text === undefined ? {} : { "Content-Type": "application/json" };
  return new Promise((resolve, reject) => {
    const sent = request(
      url,
      { method, headers: { ...type, ...headers }, agent: false },
      (answer) => {
        let read = "";
        answer.on("data", (chunk) => read += chunk);
        answer.on("error", reject);
        answer.on("end", () =>
          resolve({
            status: answer.statusCode ?? 0,
            headers: answer.headers,
            text: read,
            get json() {
              return JSON.parse(read);
            },
          }));
      },
    );
    sent.on("error", reject);
    sent.end(text);
  });
}

/** `name=value` of the cookie that the answer sets; undefined for none. */
export function cookieOf({ headers }: RawAnswer): string | undefined {
  return headers["set-cookie"]?.[0]?.split(";")[0];
}
