/** Notifications: what was sent to whom, and what came of it. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import { DELIVERY_STATES, type DeliveryInfo } from "../jobs/notify/delivery_row.ts";
import { DELIVERIES_LIMIT_MAX } from "../jobs/notify/delivery_store.ts";
import { isoTime } from "../sync/iso_time.ts";
import { requireScope } from "./access.ts";
import { json, KEYED, problems } from "./describe.ts";
import type { HttpEnv } from "./env.ts";
import { whole } from "./query_schemas.ts";
import { nextCursor, uuid } from "./schemas.ts";
import type { Services } from "./services.ts";

/** Deliveries in a list that names no limit. */
const LIMIT = 50;

const time = z.iso.datetime();

const DeliverySchema = z.object({
  id: z.string().openapi({ description: "The same for all tries; `webhook-id` at the receiver" }),
  target: z.string().openapi({ description: "The target's name in the configuration" }),
  kind: z.string().openapi({ example: "failed" }),
  sync: z.string().nullable(),
  job_id: uuid.nullable(),
  status: z.enum(DELIVERY_STATES),
  tries: z.int().nonnegative(),
  result: z.string().nullable().openapi({
    description: "What the last try came to",
    example: "HTTP 500",
  }),
  occurred_at: time,
  created_at: time,
  next_try_at: time.nullable(),
  done_at: time.nullable(),
}).openapi("Delivery");

const DeliveryListSchema = z.object({
  items: z.array(DeliverySchema),
  next_cursor: nextCursor,
}).openapi("DeliveryList");

const DeliveryListQuerySchema = z.strictObject({
  limit: whole(1, DELIVERIES_LIMIT_MAX, `${LIMIT} by default`),
  cursor: z.string().regex(/^\d{1,15}$/, "expected the next_cursor of a list").optional(),
});

const deliveriesRoute = createRoute({
  method: "get",
  path: "/v1/notify/deliveries",
  operationId: "listDeliveries",
  summary: "What the configured targets were told of the tenant's jobs, newest first",
  ...KEYED,
  request: { query: DeliveryListQuerySchema },
  responses: {
    200: json(DeliveryListSchema, "The last deliveries"),
    ...problems("invalid-request", "forbidden"),
  },
});

/** What was told to the targets, and what waits. */
export function addNotifyRoutes(app: OpenAPIHono<HttpEnv>, { notifications }: Services): void {
  app.openapi(deliveriesRoute, (context) => {
    requireScope(context, "read");
    const { limit = LIMIT, cursor } = context.req.valid("query");
    const { tenant } = context.get("principal");
    const place = cursor === undefined ? undefined : Number(cursor);
    const page = notifications.list({ tenant, limit, cursor: place });
    const next = page.nextCursor === null ? null : `${page.nextCursor}`;
    return context.json({ items: page.items.map(deliveryJson), next_cursor: next }, 200);
  });
}

/** The delivery as the API and the command line show it. */
export function deliveryJson(delivery: DeliveryInfo): z.output<typeof DeliverySchema> {
  const { id, target, kind, sync, job, state, tries, result } = delivery;
  return {
    id,
    target,
    kind,
    sync,
    job_id: job,
    status: state,
    tries,
    result,
    occurred_at: isoTime(delivery.atMs),
    created_at: isoTime(delivery.createdAtMs),
    next_try_at: isoTime(delivery.nextAtMs),
    done_at: isoTime(delivery.doneAtMs),
  };
}
