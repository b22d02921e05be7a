// The tables of a machine file while it is checked: by section, each with its place for messages.
import { didYouMean, type Place } from "../core/errors.ts";
import { type ConfigReader, isOverride } from "./config.ts";
import type { TomlNode, TomlTable } from "./toml.ts";

export class ConfigSections {
  constructor(readonly file: string, readonly root: TomlTable, readonly reader: ConfigReader) {}

  get(name: string): TomlTable {
    const node = this.root.get(name);
    if (!node) return new Map();
    if (node.value instanceof Map) return node.value;
    this.reader.error("must be a table", node.place);
    return new Map();
  }

  place(section: string): Place {
    return this.root.get(section)?.place ?? { file: this.file, line: 1, key: section };
  }

  /** Of the keys of a section. */
  places(section: string): Record<string, Place> {
    return Object.fromEntries(Array.from(this.get(section), ([key, node]) => [key, node.place]));
  }

  /** The table of a memory or device; undefined when it is removed, or after an error. */
  component(section: string, id: string, node: TomlNode, required: string): TomlTable | undefined {
    const { value } = node;
    if (value instanceof Map && /^[a-z_]\w*$/i.test(id) && (value.has(required) || !isOverride(node.place))) return value;
    this.reader.error(this.#whyNoComponent(section, id, node), node.place);
    return undefined;
  }

  #whyNoComponent(section: string, id: string, node: TomlNode): string {
    // One that removes something is gone since the files were merged.
    if (node.value === false) return `there is no '${id}' to remove${didYouMean(id, this.#siblings(section, node))}`;
    if (!(node.value instanceof Map)) return `must be a table, or false to remove an inherited '${id}'`;
    if (!/^[a-z_]\w*$/i.test(id)) return `must be a name of letters, digits and '_'`;
    const siblings = this.#siblings(section, node);
    return `there is no ${section} '${id}' to change${didYouMean(id, siblings) || `; there are: ${siblings.join(", ")}`}`;
  }

  /** The names of the other components. */
  #siblings(section: string, node: TomlNode): string[] {
    return [...this.get(section)].filter(([, n]) => n !== node).map(([name]) => name);
  }
}
