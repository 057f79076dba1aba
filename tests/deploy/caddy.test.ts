import { proxyContract } from "../support/proxy_contract.ts";

proxyContract("caddy", {
  file: "Caddyfile",
  abortsOver: [],
  limits: [], // Caddy has none for streams
  headersLimit: /read_header (\d+)s/,
  replaced: ({ port, upstream, certificate: { cert, key } }) => [
    ["example.com {", `https://example.com:${port} {\n\tbind 127.0.0.1\n\ttls ${cert} ${key}`],
    ["127.0.0.1:8017", `127.0.0.1:${upstream}`],
    // It would also listen on port 80, and on its own for orders.
    ["\tservers {", "\tadmin off\n\tauto_https disable_redirects\n\tservers {"],
  ],
  command: (config) => ["caddy", "run", "--adapter", "caddyfile", "--config", config],
});
