/**
 * The parts of prom-client that are used. Its index also loads clusters, gateways and default
 * metrics, which takes longer than all of these parts.
 */
import type * as client from "prom-client";
import counter from "prom-client/lib/counter.js";
import gauge from "prom-client/lib/gauge.js";
import histogram from "prom-client/lib/histogram.js";
import registry from "prom-client/lib/registry.js";

// The index exports these very classes; only it has types.
export const Counter = counter as typeof client.Counter;
export const Gauge = gauge as typeof client.Gauge;
export const Histogram = histogram as typeof client.Histogram;
export const Registry = registry as typeof client.Registry;
