/** The least that a runtime does for a post: reads its JSON and answers JSON. Prints its port. */
/** As long as the product's answer to a post of one event. */
const ANSWER = {
  first_seq: 12_345,
  last_seq: 12_345,
  status: "in_progress",
  cancel_requested: false,
  viewers: 0,
  interval_ms: 5_000,
};

async function answer(request: Request): Promise<Response> {
  const event = await request.json();
  return Response.json({ ...ANSWER, first_seq: event.entities_inserted ? 12_345 : 0 });
}

// deno-lint-ignore no-explicit-any -- each runtime has its own name and types for its server
const { Bun, Deno } = globalThis as any;
const options = { hostname: "127.0.0.1", port: 0 };
if (Bun) console.log(Bun.serve({ ...options, fetch: answer }).port);
else {Deno.serve({
    ...options,
    onListen: ({ port }: { port: number }) => console.log(port),
  }, answer);}
