// XML as reports have it.

/** What XML 1.0 (fifth edition, 2.2) has no character for, lone surrogates included. */
export const NO_CHARACTER =
  // deno-lint-ignore no-control-regex
  /[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;
const SPECIAL: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" };

/** Text in XML and HTML; what is no character there is shown as \x1b. */
export const escapeXml = (text: string): string =>
  text.replace(NO_CHARACTER, (c) => {
    const code = c.charCodeAt(0).toString(16);
    return code.length > 2 ? `\\u${code.padStart(4, "0")}` : `\\x${code.padStart(2, "0")}`;
  }).replace(/[&<>"']/g, (c) => SPECIAL[c]).replace(/\r/g, "&#13;");

/** A value of an attribute, in which line ends would become blanks. */
const escapeValue = (text: string): string => escapeXml(text).replace(/\n/g, "&#10;").replace(/\t/g, "&#9;");

/** Markup. */
export type Node = string & { readonly markup?: never };

/** An element: its attributes, those that are undefined left out, and what is in it: elements, or escaped text. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  children: readonly Node[] | string = [],
): Node {
  const given = Object.entries(attributes).filter(([, value]) => value !== undefined).map(([key, value]) =>
    ` ${key}="${escapeValue(String(value))}"`
  );
  const inside = typeof children === "string" ? escapeXml(children) : children.length ? `\n${children.join("\n")}\n` : "";
  return inside === "" ? `<${name}${given.join("")}/>` : `<${name}${given.join("")}>${inside}</${name}>`;
}
