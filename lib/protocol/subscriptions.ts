/**
 * The nodes of one group that want one pattern of events are a service, named `@group/pattern`: an event goes
 * to one node of each. docs/protocol.md has the grammar.
 */
const MARK = '@';
const SUBSCRIPTION = /^@([A-Za-z0-9_.-]{0,64})\/(.+)$/su;

const ONE_TOKEN = '*';
const REMAINING_TOKENS = '>';

export interface Subscription {
  /** '' is the group of all who name none. */
  readonly group: string;
  /** The name of an event, or a wildcard: `*` stands for one token, `>` at the end for one or more. */
  readonly pattern: string;
}

export function subscriptionService({ group, pattern }: Subscription): string {
  return `${MARK}${group}/${pattern}`;
}

/** Undefined for the name of any other service. */
export function readSubscription(service: string): Subscription | undefined {
  const [, group, pattern] = SUBSCRIPTION.exec(service) ?? [];
  return pattern === undefined ? undefined : { group: group!, pattern };
}

/** Whether a pattern stands for several names: `user.*`, `user.>`. The JSON of an object never does. */
export function isWildcard(pattern: string): boolean {
  if (pattern.startsWith('{')) return false;
  const tokens = pattern.split('.');
  return tokens.includes(ONE_TOKEN) || tokens.at(-1) === REMAINING_TOKENS;
}

/** Whether an event of this name is one that the wildcard stands for. */
export function matchesWildcard(pattern: string, event: string): boolean {
  const expected = pattern.split('.');
  const tokens = event.split('.');
  const isOpenEnded = expected.at(-1) === REMAINING_TOKENS;
  if (isOpenEnded ? tokens.length < expected.length : tokens.length !== expected.length)
    return false;
  const fixed = isOpenEnded ? expected.slice(0, -1) : expected;
  return fixed.every((token, i) => token === ONE_TOKEN || token === tokens[i]);
}
