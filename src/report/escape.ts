/**
 * The two ways in which text enters a report: as HTML and as JSON inside a script element. Nothing else may.
 */

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Escapes text for element content and for attribute values in quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/**
 * JSON that may stand inside a script element: no `</script>`, no `<!--`, no line separator that older parsers refuse.
 * Numbers that JSON does not know (NaN, infinities) become null.
 */
export function jsonForScript(value: unknown): string {
  const escapes: Record<string, string> = { '<': '\\u003c', '>': '\\u003e', '&': '\\u0026' };
  return JSON.stringify(value)
    .replace(/[<>&]/g, (character) => escapes[character] ?? character)
    .replace(/\u2028/g, '\\u2028')
    .replace(/\u2029/g, '\\u2029');
}

/** Foreign script source for a script element: an end tag inside a string or a comment must not end the element. */
export function scriptSource(source: string): string {
  return source.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
}

/** Foreign style source for a style element. */
export function styleSource(source: string): string {
  return source.replace(/<\/(style)/gi, '<\\/$1');
}
