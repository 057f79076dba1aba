/** The least server of a runtime: what a start costs before there is a program. Prints its port. */
const answer = () => new Response("ok");

// deno-lint-ignore no-explicit-any -- each runtime has its own name and types for its server
const { Bun, Deno } = globalThis as any;
const options = { hostname: "127.0.0.1", port: 0 };
if (Bun) console.log(Bun.serve({ ...options, fetch: answer }).port);
else {Deno.serve({
    ...options,
    onListen: ({ port }: { port: number }) => console.log(port),
  }, answer);}
