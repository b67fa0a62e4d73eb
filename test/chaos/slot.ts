import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Dice } from './dice.js';
import { appendEvent, clockMs } from './history.js';
import type { Order, Report, WorkerPlan, Word } from './programs/messages.js';

const PROGRAM = fileURLToPath(new URL('./programs/worker.js', import.meta.url));

/** What is the same for all processes that follow each other in one place. */
export type SlotPlan = Omit<WorkerPlan, 'name' | 'seed'>;

/** How a process ended, as Node.js says it: one of the two is there. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Says how a process ended by itself; undefined if one of the signals that it was sent has ended it. */
export function crashOf(
  { code, signal }: Exit,
  asked: ReadonlySet<NodeJS.Signals>,
): string | undefined {
  // Before it is connected SIGTERM ends it at once.
  const isAsked = signal === null ? code === 0 && asked.has('SIGTERM') : asked.has(signal);
  if (isAsked) return undefined;
  return signal === null ? `exit code ${code}` : `ended by ${signal}`;
}

/** A place for a process: when its process has ended, another can follow. */
export class Slot {
  #child: ChildProcess | undefined;
  #generation = 0;
  /** By which signals its process was to end. */
  #asked = new Set<NodeJS.Signals>();
  #isBeingReplaced = false;
  #reported: ((report: Report | undefined) => void) | undefined;
  #finished: (() => void) | undefined;
  /** How many processes ended by themselves, with what they said. */
  readonly crashes: string[] = [];
  nodeId = '';

  constructor(
    readonly name: string,
    private readonly plan: SlotPlan,
    private readonly dice: Dice,
    /** What the command line of its processes begins with. */
    private readonly prefix: readonly string[],
  ) {}

  get serves(): boolean {
    return Object.keys(this.plan.services).length > 0;
  }

  get isRunning(): boolean {
    const child = this.#child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  /** Starts the next process. Resolves when it is connected, or `false` if it ended before that. */
  async start(): Promise<boolean> {
    const name = this.#nextName();
    const plan: WorkerPlan = { ...this.plan, name, seed: this.dice.between(1, 2 ** 31) };
    const node = [process.execPath, '--unhandled-rejections=strict', '--expose-gc', PROGRAM];
    const [command, ...args] = [...this.prefix, ...node, JSON.stringify(plan)];
    // In a group of its own: what ends the chaos is not to end its processes, which still have to say what they saw.
    const child = spawn(command, args, {
      detached: true,
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#watch(child, name);
    return new Promise((resolve) => {
      child.on('message', (word: Word) => {
        if (word.kind === 'ready') {
          this.nodeId = word.nodeId;
          resolve(true);
        } else this.#onWord(word);
      });
      child.on('exit', () => resolve(false));
    });
  }

  /** What its process uses; undefined if there is none that can answer. */
  async report(): Promise<Report | undefined> {
    if (!this.isRunning) return undefined;
    const reported = new Promise<Report | undefined>((resolve) => (this.#reported = resolve));
    this.order({ kind: 'report' });
    return reported;
  }

  order(order: Order): void {
    // It may just have ended, which its exit will say.
    if (this.isRunning) this.#child!.send(order, () => undefined);
  }

  /** Its process makes no more calls; resolves when all have ended. */
  async finish(): Promise<void> {
    if (!this.isRunning) return;
    const finished = new Promise<void>((resolve) => (this.#finished = resolve));
    this.order({ kind: 'finish' });
    await finished;
    this.#finished = undefined;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.isRunning) this.#child!.kill(signal);
  }

  /** Ends the process and starts the next after a pause; does nothing if that is being done already. */
  async replace(end: 'kill' | 'close', pause: () => Promise<void>): Promise<void> {
    if (this.#isBeingReplaced) return;
    this.#isBeingReplaced = true;
    try {
      await this[end]();
      await pause();
      await this.start();
    } finally {
      this.#isBeingReplaced = false;
    }
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    await this.#end('SIGKILL');
    const { historyFile } = this.plan;
    if (historyFile !== undefined)
      appendEvent(historyFile, { what: 'killed', at: clockMs(), by: this.#name });
  }

  /** Ends it as an orchestrator does. */
  async close(): Promise<void> {
    if (this.isRunning) await this.#end('SIGTERM');
  }

  get #name(): string {
    return `${this.name}#${this.#generation}`;
  }

  #nextName(): string {
    this.#generation++;
    return this.#name;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const closed = once(this.#child!, 'close');
    this.#asked.add(signal);
    this.#child!.kill(signal);
    await closed;
  }

  #watch(child: ChildProcess, name: string): void {
    const asked = (this.#asked = new Set<NodeJS.Signals>());
    let errors = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('exit', () => {
      this.#finished?.();
      this.#reported?.(undefined);
    });
    // Only then all that it said is there.
    child.on('close', (code, signal) => {
      const crash = crashOf({ code, signal }, asked);
      if (crash !== undefined) this.crashes.push(`${name}: ${crash}\n${errors}`);
    });
  }

  #onWord(word: Word): void {
    if (word.kind === 'finished') this.#finished?.();
    else if (word.kind === 'report') this.#reported?.(word);
  }
}
