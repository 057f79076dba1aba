/** The page of the OpenAPI document: Swagger UI as its package has it. Loaded only when asked for. */
import page from "./docs.html" with { type: "text" };
import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "text" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "text" };
import { asText } from "./assets.ts";

/** `{{base}}`, `{{assets}}` and `{{digest}}` are to be filled in. */
export const PAGE = asText(page);
export const SCRIPT = asText(script);
export const STYLE = asText(style);
