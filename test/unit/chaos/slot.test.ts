import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { crashOf, type Exit } from '../../chaos/slot.js';

const exit = (code: number): Exit => ({ code, signal: null });
const killedBy = (signal: NodeJS.Signals): Exit => ({ code: null, signal });

/** What a process comes to that runs this. */
async function endOf(program: string): Promise<Exit> {
  const child = spawn(process.execPath, ['--eval', program], { stdio: 'ignore' });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

describe('the end of a process', () => {
  it.each<[string, Exit, NodeJS.Signals[]]>([
    ['SIGKILL, which it was sent', killedBy('SIGKILL'), ['SIGKILL']],
    ['exit code 0 after SIGTERM', exit(0), ['SIGTERM']],
    ['SIGTERM, before it could handle that', killedBy('SIGTERM'), ['SIGTERM']],
    ['SIGKILL, since SIGTERM did not end it', killedBy('SIGKILL'), ['SIGTERM', 'SIGKILL']],
  ])('is no crash by %s', (_, end, asked) => {
    expect(crashOf(end, new Set(asked))).toBeUndefined();
  });

  it.each<[string, Exit, NodeJS.Signals[]]>([
    ['ended by SIGKILL', killedBy('SIGKILL'), []],
    ['ended by SIGKILL', killedBy('SIGKILL'), ['SIGTERM']],
    ['ended by SIGABRT', killedBy('SIGABRT'), ['SIGTERM']],
    ['exit code 0', exit(0), []],
    ['exit code 0', exit(0), ['SIGKILL']],
    ['exit code 1', exit(1), ['SIGTERM']],
  ])('is a crash: %s', (crash, end, asked) => {
    expect(crashOf(end, new Set(asked))).toBe(crash);
  });

  it('is a crash when it aborts, as without memory', async () => {
    expect(crashOf(await endOf('process.abort()'), new Set())).toBe('ended by SIGABRT');
  });
});
