import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Dice } from './dice.js';
import { appendEvent, clockMs } from './history.js';
import type { Order, Report, WorkerPlan, Word } from './programs/messages.js';

const PROGRAM = fileURLToPath(new URL('./programs/worker.js', import.meta.url));

/** What is the same for all processes that follow each other in one place. */
export type SlotPlan = Omit<WorkerPlan, 'name' | 'seed'>;

/** A place for a process: when its process has ended, another can follow. */
export class Slot {
  #child: ChildProcess | undefined;
  #generation = 0;
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
    let errors = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('exit', (code) => {
      if (code !== 0 && code !== null) this.crashes.push(`${name}: exit code ${code}\n${errors}`);
      this.#finished?.();
      this.#reported?.(undefined);
    });
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
    if (this.isRunning) this.#child!.send(order);
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
    const exited = once(this.#child!, 'exit');
    this.#child!.kill('SIGKILL');
    await exited;
    const { historyFile } = this.plan;
    if (historyFile !== undefined)
      appendEvent(historyFile, { what: 'killed', at: clockMs(), by: this.#name });
  }

  /** Ends it as an orchestrator does. */
  async close(): Promise<void> {
    if (!this.isRunning) return;
    const exited = once(this.#child!, 'exit');
    this.#child!.kill('SIGTERM');
    await exited;
  }

  get #name(): string {
    return `${this.name}#${this.#generation}`;
  }

  #nextName(): string {
    this.#generation++;
    return this.#name;
  }

  #onWord(word: Word): void {
    if (word.kind === 'finished') this.#finished?.();
    else if (word.kind === 'report') this.#reported?.(word);
  }
}
