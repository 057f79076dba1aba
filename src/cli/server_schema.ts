/** The server's settings in a configuration file. */
import { z } from "zod";
import { whole } from "../jobs/amount_schemas.ts";
import { SETTING_ROWS } from "./server_settings.ts";
import type { Rule } from "./setting_rules.ts";

/** The object `server` of a configuration file, with the flags' names in snake_case. */
export const SERVER_SCHEMA = z.strictObject(Object.fromEntries(
  SETTING_ROWS.flatMap(({ fileKey, rule, fallback, help }) => {
    if (fileKey === undefined) return [];
    return [[fileKey, schemaOf(rule).optional().meta({ description: help, default: fallback })]];
  }),
));

function schemaOf({ form, takes, expected }: Rule): z.ZodType {
  switch (form.type) {
    case "whole":
      return whole(form.least, form.most);
    case "choice":
      return z.enum([...form.values]);
    case "boolean":
      return z.boolean();
    case "text":
      if (form.least !== undefined) return z.string().min(form.least, expected);
      return form.pattern
        ? z.string(expected).regex(form.pattern, { error: expected, abort: true })
        : z.string().refine(takes, expected);
    default:
      return form satisfies never;
  }
}
