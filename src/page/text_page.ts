/** The page for text, such as the pages of problems. */
import page from "./text_page.html" with { type: "text" };
import { asText } from "./assets.ts";

/** `{{base}}`, `{{assets}}` and `{{title}}` are to be filled in, and TEXT_PLACE replaced. */
export const TEXT_PAGE = asText(page);

export const TEXT_PLACE = "<!-- text -->";
