import { randomBytes } from 'node:crypto';

/** 12 bytes are 96 random bits: nobody can guess an inbox or the id of a call. */
const ID_BYTES = 12;
const ID_LENGTH = 16;
const IDS_PER_POOL = 512;

const INCARNATION = /^[A-Za-z0-9_-]{1,64}\.[0-9]{1,10}$/;
/** At the end of a set member: this node has a capacity, and a score below 1 means that it is full. */
const LIMITED_MARK = '!';

let pool = '';
let next = 0;

/** A random id of 16 characters. One draw from the system's random source serves 512 ids. */
export function randomId(): string {
  if (next === pool.length) {
    pool = randomBytes(ID_BYTES * IDS_PER_POOL).toString('base64url');
    next = 0;
  }
  next += ID_LENGTH;
  return pool.slice(next - ID_LENGTH, next);
}

export function isIncarnation(text: unknown): text is string {
  return typeof text === 'string' && INCARNATION.test(text);
}

/** The name of the `generation`th subscription of a node to its inbox. */
export function incarnationOf(nodeId: string, generation: number): string {
  return `${nodeId}.${generation}`;
}

export function nodeIdOf(incarnation: string): string {
  return incarnation.slice(0, incarnation.lastIndexOf('.'));
}

/** What stands in a service's set for an incarnation. */
export function memberOf(incarnation: string, limited: boolean): string {
  return limited ? incarnation + LIMITED_MARK : incarnation;
}

export function incarnationOfMember(member: string): string {
  return member.endsWith(LIMITED_MARK) ? member.slice(0, -1) : member;
}
