import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyContract } from "../support/proxy_contract.ts";

proxyContract("haproxy", {
  file: "haproxy.cfg",
  abortsOver: ["HTTP/1.1"],
  limits: [/timeout client (\d+)s/, /timeout server (\d+)s/],
  headersLimit: /timeout http-request (\d+)s/,
  replaced: ({ port, upstream, directory, certificate: { cert, key } }) => {
    const pem = join(directory, "synctail.pem");
    writeFileSync(pem, readFileSync(cert, "utf8") + readFileSync(key, "utf8"));
    return [
      ["bind :443", `bind 127.0.0.1:${port}`],
      ["127.0.0.1:8017", `127.0.0.1:${upstream}`],
      ["/etc/haproxy/synctail.pem", pem],
    ];
  },
  command: (config) => ["haproxy", "-db", "-f", config],
});
