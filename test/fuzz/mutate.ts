import type { Dice } from '../chaos/dice.js';

const MAX_BYTES = 64 * 1024;

/** What a number, a string or anything else is turned into. */
const ODD_VALUES = [
  ...['-1', '-0', '1e309', '-1e309', '9007199254740993', '0.1', '1e-320', '00', '+1', 'NaN'],
  ...['null', 'true', '""', '"x"', '[]', '{}', '[[]]', '{"":0}', '"\\ud800"', '"\\u0000"'],
  ...['"__proto__"', '{"__proto__":{"a":1}}', '{"constructor":{"prototype":1}}', '"constructor"'],
  ...['{"length":4294967295}', '{"toString":1}', '{"then":1}', '{"toJSON":1}', '"\\n\\r\\u2028"'],
];
const ODD_BYTES = [
  0x00, 0x0a, 0x22, 0x2c, 0x5b, 0x5c, 0x5d, 0x7b, 0x7d, 0x80, 0xc0, 0xed, 0xf5, 0xff,
];
const TOKEN = /"(?:[^"\\]|\\.){0,100}"|-?\d+(?:\.\d+)?|\[|\{/g;

type Mutation = (bytes: Buffer, dice: Dice, others: readonly Buffer[]) => Buffer;

const at = (bytes: Buffer, dice: Dice) => dice.between(0, Math.max(0, bytes.length - 1));

const flipBit: Mutation = (bytes, dice) => {
  const copy = Buffer.from(bytes);
  const index = at(copy, dice);
  if (index < copy.length) copy[index]! ^= 1 << dice.between(0, 7);
  return copy;
};

const setByte: Mutation = (bytes, dice) => {
  const copy = Buffer.from(bytes);
  const index = at(copy, dice);
  if (index < copy.length) copy[index] = dice.pick(ODD_BYTES);
  return copy;
};

const truncate: Mutation = (bytes, dice) => bytes.subarray(0, at(bytes, dice));

const remove: Mutation = (bytes, dice) => {
  const start = at(bytes, dice);
  return Buffer.concat([bytes.subarray(0, start), bytes.subarray(start + dice.between(1, 30))]);
};

const repeat: Mutation = (bytes, dice) => {
  const start = at(bytes, dice);
  const end = start + dice.between(1, 40);
  const times = dice.chance(0.01) ? 500 : 2;
  const part = bytes.subarray(start, end);
  return Buffer.concat([
    bytes.subarray(0, end),
    ...Array<Buffer>(times).fill(part),
    bytes.subarray(end),
  ]);
};

const splice: Mutation = (bytes, dice, others) => {
  const other = dice.pick(others);
  return Buffer.concat([bytes.subarray(0, at(bytes, dice)), other.subarray(at(other, dice))]);
};

const nest: Mutation = (bytes, dice) => {
  const depth = dice.pick([2, 10, 63, 64, 65, 70, dice.chance(0.01) ? 30_000 : 100]);
  const [open, close] = dice.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[', ''],
  ] as const);
  const index = at(bytes, dice);
  const bomb = Buffer.from(open.repeat(depth) + '0' + close.repeat(depth));
  return Buffer.concat([bytes.subarray(0, index), bomb, bytes.subarray(index)]);
};

/** One value becomes another, so that what comes out is mostly JSON still. */
const replaceValue: Mutation = (bytes, dice) => {
  const text = bytes.toString();
  const tokens = [...text.matchAll(TOKEN)];
  if (tokens.length === 0) return bytes;
  const token = dice.pick(tokens);
  const before = text.slice(0, token.index);
  return Buffer.from(before + dice.pick(ODD_VALUES) + text.slice(token.index + token[0].length));
};

const ON_BYTES = [flipBit, setByte, truncate, remove, repeat, splice, nest];
/** Most bytes that are changed leave no JSON behind, and get no further than the parser. */
const SHARE_OF_VALUES = 0.7;

/** Changes a message in one place, or in some. */
export function mutate(bytes: Buffer, dice: Dice, others: readonly Buffer[]): Buffer {
  let mutated = bytes;
  do {
    const mutation = dice.chance(SHARE_OF_VALUES) ? replaceValue : dice.pick(ON_BYTES);
    mutated = mutation(mutated, dice, others);
  } while (dice.chance(0.4));
  return mutated.subarray(0, MAX_BYTES);
}
