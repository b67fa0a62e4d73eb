import { spawn } from 'node:child_process';

/**
 * Runs a command to its end, and throws with its output if it fails.
 *
 * @param {string[]} command
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv, limitMs?: number, mayFail?: boolean, isShown?: boolean }} options
 * @returns {Promise<{ code: number | null, output: string }>}
 */
export function run(
  [program, ...args],
  { cwd, env, limitMs = 300_000, mayFail = false, isShown = false },
) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: limitMs,
      killSignal: 'SIGKILL',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text;
        if (isShown) process.stdout.write(text);
      });
    }
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 || mayFail) return resolve({ code, output });
      const shown = isShown ? '' : `\n${output}`;
      reject(new Error(`"${[program, ...args].join(' ')}" ended with ${code}.${shown}`));
    });
  });
}
