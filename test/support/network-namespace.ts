import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { randomId } from '../../lib/protocol/ids.js';

const run = (...args: string[]) => execFileSync('ip', args, { stdio: 'pipe' });
/** One process for many commands: a fault must not keep this one busy. */
const runAll = (where: readonly string[], commands: readonly string[]) =>
  execFileSync('ip', [...where, '-batch', '-'], { input: commands.join('\n'), stdio: 'pipe' });

let isPossible: boolean | undefined;

/** Whether this machine lets us make network namespaces: Linux, iproute2 and root. */
export function canMakeNamespaces(): boolean {
  return (isPossible ??= tryNamespace());
}

function tryNamespace(): boolean {
  try {
    NetworkNamespace.create().remove();
    return true;
  } catch {
    return false;
  }
}

/** Other processes make some, too. Two ways to one network would lead astray. */
function freeSubnet(): string {
  for (;;) {
    const subnet = `10.${randomInt(200, 256)}.${randomInt(256)}`;
    const taken = run('-o', 'address', 'show', 'to', `${subnet}.0/24`);
    if (taken.length === 0) return subnet;
  }
}

/** A network of its own, joined to this one by a cable that can be cut without anybody being told. */
export class NetworkNamespace {
  readonly #cable = randomId()
    .slice(0, 8)
    .replace(/[^A-Za-z0-9]/g, 'x');
  readonly name = `clouds-${this.#cable}`;
  readonly #subnet = freeSubnet();

  #isVanished = false;

  private constructor() {}

  static create(): NetworkNamespace {
    const one = new NetworkNamespace();
    run('netns', 'add', one.name);
    try {
      one.#build();
    } catch (error) {
      run('netns', 'del', one.name);
      throw error;
    }
    return one;
  }

  get isVanished(): boolean {
    return this.#isVanished;
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
    this.#isVanished = true;
    const wrong = (address: string, last: number, end: string) =>
      `neigh replace ${address} lladdr 02:00:00:00:00:0${last} nud permanent dev ${end}`;
    runAll([], [wrong(this.#insideAddress, 1, this.#outerEnd)]);
    runAll(['-n', this.name], [wrong(this.hostAddress, 2, this.#innerEnd)]);
  }

  comeBack(): void {
    this.#isVanished = false;
    runAll([], [`neigh del ${this.#insideAddress} dev ${this.#outerEnd}`]);
    runAll(['-n', this.name], [`neigh del ${this.hostAddress} dev ${this.#innerEnd}`]);
  }

  remove(): void {
    // The cable goes at once, the rest when its last process is gone.
    runAll([], [`link del ${this.#outerEnd}`, `netns del ${this.name}`]);
  }

  get #insideAddress(): string {
    return `${this.#subnet}.2`;
  }

  get #outerEnd(): string {
    return `h${this.#cable}`;
  }

  get #innerEnd(): string {
    return `n${this.#cable}`;
  }

  #build(): void {
    const [outer, inner] = [this.#outerEnd, this.#innerEnd];
    runAll(
      [],
      [
        `link add ${outer} type veth peer name ${inner} netns ${this.name}`,
        `addr add ${this.hostAddress}/24 dev ${outer}`,
        `link set ${outer} up`,
      ],
    );
    runAll(
      ['-n', this.name],
      [`addr add ${this.#insideAddress}/24 dev ${inner}`, `link set ${inner} up`],
    );
  }
}
