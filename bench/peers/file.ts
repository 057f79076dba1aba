/** A file as each runtime serves it best: the argument. Prints its port. */
import process from "node:process";

const path = process.argv[2];
// deno-lint-ignore no-explicit-any -- each runtime has its own name and types for its server
const { Bun, Deno } = globalThis as any;
const options = { hostname: "127.0.0.1", port: 0 };
if (Bun) {
  console.log(Bun.serve({ ...options, fetch: () => new Response(Bun.file(path)) }).port);
} else {
  const onListen = ({ port }: { port: number }) => console.log(port);
  Deno.serve(
    { ...options, onListen },
    async () => new Response((await Deno.open(path)).readable),
  );
}
