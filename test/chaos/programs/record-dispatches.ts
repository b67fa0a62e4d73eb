import { type Command, Link, type ScriptName } from '../../../lib/redis/link.js';
import { clockMs, type HistoryWriter } from '../history.js';
import type { Work } from './messages.js';

type Frame = readonly [
  id: string,
  timeLeftMs: number,
  attempt: number,
  metadata: unknown,
  data: Work,
];

/** Where in the arguments of the dispatch script the frames stand. */
const FRAMES = 7;
const FIRST_RULED = 12;

/** Notes every request frame that a process gives to Redis, before it does. Returns the keys of calls by their id. */
export function recordDispatches(by: string, history: HistoryWriter): ReadonlyMap<string, string> {
  const keys = new Map<string, string>();
  const record = (frames: readonly Frame[]) => {
    for (const [id, , attempt, , { key }] of frames) {
      keys.set(id, key);
      history.add({ what: 'dispatched', at: clockMs(), by, key, id, attempt });
    }
  };
  const { run, runQuietly, pipeline } = Link.prototype;
  const onScript = (script: ScriptName, args: readonly (string | number)[]) => {
    if (script === 'dispatch') record(framesOfScript(args));
  };
  Link.prototype.run = function (script, keys, args) {
    onScript(script, args);
    return run.call(this, script, keys, args);
  };
  Link.prototype.runQuietly = function (script, keys, args) {
    onScript(script, args);
    return runQuietly.call(this, script, keys, args);
  };
  Link.prototype.pipeline = function (commands) {
    record(commands.flatMap(framesOfCommand));
    return pipeline.call(this, commands);
  };
  return keys;
}

function framesOfScript(args: readonly (string | number)[]): Frame[] {
  const ruled = args.slice(FIRST_RULED).filter((frame) => frame !== '');
  const texts = [String(args[FRAMES]), ...ruled].filter((text) => text !== '');
  return JSON.parse(`[${texts.join(',')}]`) as Frame[];
}

/** Large frames follow by PUBLISH. */
function framesOfCommand([name, , message]: Command): Frame[] {
  if (name !== 'publish') return [];
  const [, kind, , , , frames] = JSON.parse(String(message)) as [number, string, 0, 0, 0, Frame[]];
  return kind === 'q' ? frames : [];
}
