// The runner's side of a worker: a process, what it was asked, and what tests print in it.
import { type Answer, type Command, markOf } from "./protocol.ts";

const WORKER = new URL("./worker.ts", import.meta.url).href;
/** Characters of a test's output that are kept of its beginning and of its end. */
const HEAD = 64 * 1024, TAIL = 192 * 1024;

/** What a test prints; of very much the middle is left out. */
export class Printed {
  #head = "";
  #tail = "";
  #lost = 0;
  add(text: string): void {
    const room = Math.max(0, HEAD - this.#head.length);
    this.#head += text.slice(0, room);
    this.#tail += text.slice(room);
    // Cut seldom: each cut copies.
    if (this.#tail.length > 2 * TAIL) {
      this.#lost += this.#tail.length - TAIL;
      this.#tail = this.#tail.slice(-TAIL);
    }
  }
  /** What there is, which is forgotten. */
  take(): string {
    const lost = this.#lost + Math.max(0, this.#tail.length - TAIL);
    const text = lost ? `${this.#head}\n[${lost} characters are left out here]\n${this.#tail.slice(-TAIL)}` : this.#head + this.#tail;
    this.#head = this.#tail = "";
    this.#lost = 0;
    return text;
  }
}

/** Takes a stream apart: what tests print, and lines of ours, whose rest is given to `onMark`. */
export class Marked {
  #text = "";
  constructor(readonly mark: string, readonly onText: (text: string) => void, readonly onMark: (rest: string) => void) {}
  push(text: string): void {
    this.#text += text;
    for (let at: number; (at = this.#text.indexOf(this.mark)) >= 0;) {
      const end = this.#text.indexOf("\n", at);
      if (end < 0) break;
      const rest = this.#text.slice(at + this.mark.length, end);
      this.#print(at);
      this.#text = this.#text.slice(end + 1 - at);
      this.onMark(rest);
    }
    // A mark whose line has not come to its end waits for the rest, and so does what may be the beginning of one.
    const at = this.#text.indexOf(this.mark), begun = at < 0 ? this.#text.lastIndexOf(this.mark[0]) : at;
    this.#print(begun >= 0 && (at >= 0 || this.mark.startsWith(this.#text.slice(begun))) ? begun : this.#text.length);
  }
  end(): void {
    this.#print(this.#text.length);
  }
  #print(length: number): void {
    if (length > 0) this.onText(this.#text.slice(0, length));
    this.#text = this.#text.slice(length);
  }
}

/** The process has ended while something was asked of it. */
export class WorkerEnded extends Error {
  constructor(readonly status: Deno.CommandStatus, readonly output: string) {
    super(status.signal ? `its process was ended by ${status.signal}` : `its process ended with status ${status.code}`);
  }
}

/** A worker process for test files of one configuration. */
export class WorkerProcess {
  /** What it has loaded, by file. */
  readonly loaded = new Set<string>();
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #mark: string;
  readonly #printed = new Printed();
  #waiting: { readonly resolve: (answer: Answer) => void; readonly reject: (e: Error) => void } | undefined;
  /** Both streams have come to the end of what belongs to an answer. */
  #answer: Answer | undefined;
  #errorsDone = false;
  /** It has been told to end, or has. */
  ended = false;
  /** When it is gone. */
  readonly gone: Promise<Deno.CommandStatus>;

  constructor(readonly config: string, args: readonly string[] = []) {
    const nonce = crypto.randomUUID();
    this.#mark = markOf(nonce);
    this.#child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", "--config", config, WORKER, nonce, ...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    const out = this.#read(this.#child.stdout, (rest) => this.#answer = JSON.parse(rest));
    const err = this.#read(this.#child.stderr, () => this.#errorsDone = true);
    // What it started may keep its streams open.
    const read = () => Promise.race([Promise.all([out, err]), new Promise((resolve) => setTimeout(resolve, 200))]);
    this.gone = this.#child.status.then(async (status) => (await read(), status));
    this.gone.then((status) => {
      this.ended = true;
      this.#waiting?.reject(new WorkerEnded(status, this.#printed.take()));
      this.#waiting = undefined;
    });
  }

  /** Asks for something, one thing at a time. @throws {WorkerEnded} */
  async ask(command: Command): Promise<{ readonly answer: Answer; readonly output: string }> {
    if (this.ended) throw new WorkerEnded(await this.gone, this.#printed.take());
    const answered = new Promise<Answer>((resolve, reject) => this.#waiting = { resolve, reject });
    // Who is gone says so by its end.
    this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`)).catch(() => {});
    const answer = await answered;
    return { answer, output: this.#printed.take() };
  }

  /** Lets it end by itself. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    this.#input.close().catch(() => {});
    // What it started may keep it alive.
    const kill = setTimeout(() => this.kill(), 2000);
    Deno.unrefTimer(kill);
    this.gone.then(() => clearTimeout(kill));
  }

  /** Ends it at once. */
  kill(): void {
    this.ended = true;
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It is gone already.
    }
  }

  async #read(stream: ReadableStream<Uint8Array>, onMark: (rest: string) => void): Promise<void> {
    const decoder = new TextDecoder(),
      marked = new Marked(this.#mark, (text) => this.#printed.add(text), (rest) => (onMark(rest), this.#settle()));
    for await (const bytes of stream) marked.push(decoder.decode(bytes, { stream: true }));
    marked.end();
  }

  #settle(): void {
    const { resolve } = this.#waiting ?? {};
    if (!this.#answer || !this.#errorsDone || !resolve) return;
    const answer = this.#answer;
    this.#answer = this.#waiting = undefined;
    this.#errorsDone = false;
    resolve(answer);
  }
}
