// `--serial WHERE`, given once for each console of the machine, in their order: this terminal, a file, or a TCP port of this host.
import { ConfigError } from "../core/errors.ts";
import { osMessage } from "../scenario/host.ts";
import type { SerialConsole } from "../scenario/serial_console.ts";
import type { MachineSession } from "../scenario/session.ts";
import { openFile, writeAll } from "./output.ts";

/** Bytes of output that are kept until somebody connects, and that a client may be behind before the guest waits for it. */
const KEPT = 1 << 16, BEHIND = 1 << 20;
/** How long a client has at the end to read the rest. */
const LAST_MS = 1000;

/** Between a place and the file that has a copy of what is printed. */
const LOG = ",log=";

/** @throws {ConfigError} it is nothing that `--serial` takes. */
export function splitWhere(given: string): readonly [where: string, log: string | undefined] {
  const at = given.indexOf(LOG), where = at < 0 ? given : given.slice(0, at), log = at < 0 ? undefined : given.slice(at + LOG.length);
  if (where === "" || log === "" || /^(stdio|none|\d+),/.test(where)) {
    throw new ConfigError(`--serial: expected stdio, none, a port or a file, and perhaps ,log=FILE behind it, got '${given}'`);
  }
  return [where, log];
}

/** What a console is tied to. */
interface Port {
  byte(b: number): void;
  /** After each slice; a promise holds the guest back. */
  flush(): Promise<void> | void;
  close(): Promise<void> | void;
  /** Somebody may type there at any time. */
  readonly live: boolean;
}

/** All of a run's. */
export interface SerialPorts {
  /** The console on standard input and output. */
  readonly stdio: SerialConsole | undefined;
  /** Takes what is printed on that, too. */
  readonly copy?: ((byte: number) => void) | undefined;
  readonly live: boolean;
  flush(): Promise<unknown> | void;
  close(): Promise<unknown>;
}

/**
 * Opens what `--serial` names. `onActivity` is called when something was printed or typed.
 * @throws {ConfigError} there are more than the machine has consoles, or one cannot be opened.
 */
export function openPorts(session: MachineSession, wheres: readonly string[], onActivity: () => void): SerialPorts {
  const consoles = [...session.consoles.values()], ports: Port[] = [];
  if (wheres.length > consoles.length) {
    const names = consoles.map((c) => c.name).join(", ");
    throw new ConfigError(
      `--serial is given ${wheres.length} times, but the machine has ${consoles.length} console${consoles.length === 1 ? "" : "s"}${
        names && ` (${names})`
      }: \`console = true\` makes a serial port one, as in --set device.com2.console=true`,
    );
  }
  const split = wheres.map(splitWhere);
  if (split.filter(([w]) => w === "stdio").length > 1) throw new ConfigError("--serial stdio is given more than once");
  let stdio: SerialConsole | undefined, copy: Port | undefined;
  split.forEach(([where, log], i) => {
    const console = consoles[i], file = log === undefined ? undefined : new FilePort(log);
    if (file) ports.push(file);
    if (where === "stdio") [stdio, copy] = [console, file];
    if (where === "stdio" || where === "none" && !file) return;
    const port = where === "none" ? undefined : /^\d+$/.test(where) ? new TcpPort(Number(where), console, onActivity) : new FilePort(where);
    if (port) ports.push(port);
    console.onByte = (b) => {
      port?.byte(b);
      file?.byte(b);
      onActivity();
    };
  });
  return {
    stdio,
    copy: copy && ((b) => copy!.byte(b)),
    live: ports.some((p) => p.live),
    flush() {
      const waits = ports.map((p) => p.flush()).filter(Boolean);
      return waits.length ? Promise.all(waits) : undefined;
    },
    close: () => Promise.all(ports.map((p) => p.close())),
  };
}

/** Bytes on their way out. */
class Buffer {
  #bytes = new Uint8Array(4096);
  length = 0;
  push(b: number): void {
    if (this.length === this.#bytes.length) {
      const grown = new Uint8Array(2 * this.length);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.length++] = b;
  }
  take(): Uint8Array<ArrayBuffer> {
    const out = this.#bytes.slice(0, this.length);
    this.length = 0;
    return out;
  }
  /** Forgets all but the last `n` bytes. */
  keep(n: number): void {
    if (this.length <= n) return;
    this.#bytes.copyWithin(0, this.length - n, this.length);
    this.length = n;
  }
}

/** A file, written anew. */
class FilePort implements Port {
  readonly live = false;
  readonly #file: Deno.FsFile;
  readonly #buffer = new Buffer();

  constructor(readonly path: string) {
    this.#file = openFile(path, "--serial", true);
  }
  byte(b: number): void {
    this.#buffer.push(b);
    if (this.#buffer.length >= KEPT) this.flush();
  }
  /** @throws {CannotWrite} the disk is full, say: the run ends as when standard output is. */
  flush(): void {
    if (this.#buffer.length > 0) writeAll(this.#file, this.#buffer.take(), `${this.path}: --serial: cannot be written`);
  }
  close(): void {
    this.flush();
    this.#file.close();
  }
}

/** A port of the loopback address that one client at a time connects to. Until somebody does, the end of the output is kept. */
class TcpPort implements Port {
  readonly live = true;
  readonly #listener: Deno.TcpListener;
  readonly #buffer = new Buffer();
  #client: Deno.TcpConn | undefined;
  #writing: Promise<void> | undefined;

  constructor(port: number, readonly console: SerialConsole, readonly onActivity: () => void) {
    if (port < 1 || port > 65535) throw new ConfigError(`--serial: '${port}' is not a TCP port: expected 1 to 65535`);
    try {
      this.#listener = Deno.listen({ hostname: "127.0.0.1", port });
    } catch (e) {
      throw new ConfigError(`--serial: cannot listen on port ${port}: ${osMessage(e)}`);
    }
    this.#serve();
  }

  byte(b: number): void {
    this.#buffer.push(b);
    if (!this.#client && this.#buffer.length > 2 * KEPT) this.#buffer.keep(KEPT);
  }

  flush(): Promise<void> | void {
    this.#write();
    if (this.#client && this.#buffer.length > BEHIND) return this.#writing;
  }

  async close(): Promise<void> {
    this.#listener.close();
    const deadline = Promise.withResolvers<void>(), timer = setTimeout(deadline.resolve, LAST_MS);
    while (this.#client && (this.#writing || this.#buffer.length > 0)) {
      this.#write();
      if (await Promise.race([this.#writing?.then(() => false), deadline.promise.then(() => true)])) break;
    }
    clearTimeout(timer);
    this.#drop(this.#client);
  }

  /** Hands over what is there, unless that is going on. */
  #write(): void {
    const client = this.#client;
    if (!client || this.#writing || this.#buffer.length === 0) return;
    this.#writing = this.#send(client, this.#buffer.take()).finally(() => this.#writing = undefined);
  }

  async #send(client: Deno.TcpConn, bytes: Uint8Array): Promise<void> {
    try {
      for (let at = 0; at < bytes.length;) at += await client.write(bytes.subarray(at));
    } catch {
      this.#drop(client);
    }
  }

  async #serve(): Promise<void> {
    try {
      for await (const client of this.#listener) {
        if (this.#client) client.close();
        else this.#talk(this.#client = client);
      }
    } catch {
      // The listener was closed: the run is over.
    }
  }

  async #talk(client: Deno.TcpConn): Promise<void> {
    const buffer = new Uint8Array(4096);
    this.#write();
    try {
      for (let n: number | null; (n = await client.read(buffer)) !== null;) {
        this.console.enqueue(buffer.slice(0, n));
        this.onActivity();
        // As slowly as the guest takes it.
        while (this.console.queued > buffer.length) await new Promise((r) => setTimeout(r, 10));
      }
    } catch {
      // It is gone.
    }
    this.#drop(client);
  }

  #drop(client: Deno.TcpConn | undefined): void {
    if (!client || this.#client !== client) return;
    this.#client = undefined;
    try {
      client.close();
    } catch {
      // Closed already.
    }
  }
}
