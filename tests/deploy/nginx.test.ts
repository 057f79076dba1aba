import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyContract } from "../support/proxy_contract.ts";

proxyContract("nginx", {
  file: "nginx.conf",
  abortsOver: ["HTTP/1.1", "HTTP/2"],
  limits: [/proxy_read_timeout (\d+)s/, /proxy_send_timeout (\d+)s/, /\ssend_timeout (\d+)s/],
  headersLimit: /client_header_timeout (\d+)s/,
  replaced: ({ port, upstream, certificate: { cert, key } }) => [
    ["listen 443", `listen 127.0.0.1:${port}`],
    ["127.0.0.1:8017", `127.0.0.1:${upstream}`],
    ["/etc/ssl/synctail/fullchain.pem", cert],
    ["/etc/ssl/synctail/privkey.pem", key],
  ],
  command(config, { directory }) {
    const main = join(directory, "main.conf");
    const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
      .map((name) => `  ${name}_temp_path ${join(directory, name)};\n`).join("");
    writeFileSync(
      main,
      `daemon off; master_process off; pid ${join(directory, "pid")}; error_log stderr;\n` +
        `events {}\nhttp {\n  access_log off;\n${temporary}  include ${config};\n}\n`,
    );
    return ["nginx", "-p", directory, "-e", "stderr", "-c", main];
  },
});
