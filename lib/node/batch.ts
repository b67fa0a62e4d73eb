import type { Call, Unplaced } from './call.js';

export interface BatchEntry {
  readonly call: Call;
  /** The attempt that the batch was made for; the call may have gone on since. */
  readonly attempt: number;
}

export interface Placement extends BatchEntry {
  readonly member: string | undefined;
  readonly unplaced: Unplaced | undefined;
}

/** The numbers with which the script says that a request has no node. */
const UNPLACED: Readonly<Record<string, Unplaced>> = {
  '0': 'no-node',
  '-1': 'overloaded',
  '-2': 'only-tried',
};

/** The requests of one run of the dispatch script. */
export class Batch {
  readonly entries: BatchEntry[] = [];
  /** Whether the connection broke before the answer came. */
  isLost = false;
  isResent = false;

  constructor(
    readonly service: string,
    readonly sequence: number,
    readonly sentAt: number,
  ) {}

  add(call: Call): void {
    this.entries.push({ call, attempt: call.attempt });
  }

  get isWanted(): boolean {
    return this.entries.some(({ call, attempt }) => !call.isSettled && call.attempt === attempt);
  }

  /** Which nodes each request must pass over, as the script wants it: by number from 1; '' for none. */
  exclusions(): string {
    let rules: Record<string, { nodes: readonly string[]; again: boolean }> | undefined;
    this.entries.forEach(({ call }, index) => {
      if (call.tried === undefined) return;
      rules ??= {};
      rules[index + 1] = { nodes: call.tried, again: call.mayRepeatNode };
    });
    return rules === undefined ? '' : JSON.stringify(rules);
  }

  /** Reads `ms|member,member|1,2,1,0`. */
  readAnswer(answer: string): { redisMs: number; placements: Placement[] } {
    const [ms, memberList = '', numberList = ''] = answer.split('|');
    const members = memberList.split(',');
    const numbers = numberList.split(',');
    const placements = this.entries.map(({ call, attempt }, index) => {
      const number = numbers[index] ?? '0';
      const unplaced = UNPLACED[number];
      const member = unplaced === undefined ? members[Number(number) - 1] : undefined;
      return { call, attempt, member, unplaced };
    });
    return { redisMs: Number(ms), placements };
  }
}
