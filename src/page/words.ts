/** A page of words alone. */
import page from "./words.html" with { type: "text" };
import { asText } from "./assets.ts";

/** `{{base}}`, `{{assets}}` and `{{title}}` are to be filled in, and WORDS_PLACE replaced. */
export const WORDS = asText(page);

export const WORDS_PLACE = "<!-- words -->";
