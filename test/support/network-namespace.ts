import { execFileSync } from 'node:child_process';
import { randomId } from '../../lib/protocol/ids.js';

const run = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });

/** Whether this machine lets us make network namespaces: Linux, iproute2 and root. */
export function canMakeNamespaces(): boolean {
  const name = `probe-${randomId().slice(0, 6)}`;
  try {
    run('netns', 'add', name);
    run('netns', 'del', name);
    return true;
  } catch {
    return false;
  }
}

/** A network of its own, joined to this one by a cable that can be cut without anybody being told. */
export class NetworkNamespace {
  readonly name = `clouds-${randomId()
    .slice(0, 6)
    .replace(/[^A-Za-z0-9]/g, 'x')}`;
  readonly #cable = this.name.slice(-6);
  readonly #subnet: string;

  private constructor(number: number) {
    this.#subnet = `10.213.${number}`;
  }

  /** `number`, up to 255, makes its addresses differ from those of others. */
  static create(number: number): NetworkNamespace {
    const one = new NetworkNamespace(number);
    one.#build();
    return one;
  }

  /** This side of the cable, as the other side sees it. */
  get hostAddress(): string {
    return `${this.#subnet}.1`;
  }

  /** What a command line begins with that is to run in there. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.name];
  }

  /** Packets go nowhere from now on, and nobody is told: the neighbours have the wrong address of each other. */
  vanish(): void {
    run(
      'neigh',
      'replace',
      `${this.#subnet}.2`,
      'lladdr',
      '02:00:00:00:00:01',
      'nud',
      'permanent',
      'dev',
      `h${this.#cable}`,
    );
    this.#inside(
      'neigh',
      'replace',
      this.hostAddress,
      'lladdr',
      '02:00:00:00:00:02',
      'nud',
      'permanent',
      'dev',
      `n${this.#cable}`,
    );
  }

  comeBack(): void {
    run('neigh', 'del', `${this.#subnet}.2`, 'dev', `h${this.#cable}`);
    this.#inside('neigh', 'del', this.hostAddress, 'dev', `n${this.#cable}`);
  }

  remove(): void {
    // The cable goes at once, the rest when its last process is gone.
    run('link', 'del', `h${this.#cable}`);
    run('netns', 'del', this.name);
  }

  #build(): void {
    run('netns', 'add', this.name);
    run(
      'link',
      'add',
      `h${this.#cable}`,
      'type',
      'veth',
      'peer',
      'name',
      `n${this.#cable}`,
      'netns',
      this.name,
    );
    run('addr', 'add', `${this.hostAddress}/24`, 'dev', `h${this.#cable}`);
    run('link', 'set', `h${this.#cable}`, 'up');
    this.#inside('addr', 'add', `${this.#subnet}.2/24`, 'dev', `n${this.#cable}`);
    this.#inside('link', 'set', `n${this.#cable}`, 'up');
  }

  #inside(...args: string[]): void {
    run('-n', this.name, ...args);
  }
}
