/** A separate port for metrics. */
import { getPath } from "hono/utils/url";
import { type Metrics, metricsAnswer } from "../http/metrics.ts";
import { PublicOrigin } from "../http/public_origin.ts";
import { listen } from "../runtime/serve.ts";

/**
 * Serves metrics on a port of their own.
 *
 * @param where `HOST:PORT`
 * @param allowedHosts further names to answer to, as of PublicOrigin
 * @returns how to stop it
 * @throws {PortTakenError}
 */
export async function listenForMetrics(
  where: string,
  metrics: Metrics,
  allowedHosts: readonly string[],
): Promise<() => Promise<void>> {
  const colon = where.lastIndexOf(":");
  const hostname = where.slice(0, colon).replace(/^\[|\]$/g, "");
  const origin = new PublicOrigin({
    hostname,
    publicUrl: undefined,
    allowedHosts,
    trustedProxies: [],
  });
  const listening = await listen({
    hostname,
    port: Number(where.slice(colon + 1)),
    flag: "--metrics-listen",
    async handler(request, peer) {
      if (!origin.accepts(request, peer)) {
        const words = "That host is not served here: name it by --allowed-hosts\n";
        return new Response(words, { status: 421 });
      }
      // Not by URL: under Deno a request line may name a host that is none.
      if (getPath(request) !== "/metrics") return new Response(null, { status: 404 });
      return await metricsAnswer(metrics);
    },
  });
  return () => listening.stop(0);
}
