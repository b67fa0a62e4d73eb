import { SAMPLES } from './samples.mjs';

const list = SAMPLES.map(({ number, name, title }) => `  ${number} ${name.padEnd(18)} ${title}`);

export const USAGE = `Usage: npm start [-- [sample] [option]]

Runs a sample, by its number or its name. What is missing is installed and built first.

Samples:
${list.join('\n')}

Without a name the quick start runs until Ctrl-C: three workers and an HTTP gateway, and a table of how
the calls are spread. The others tell what they do and end by themselves; the exit code is 0 only if all
was as promised.

Options:
  --once   of the quick start: run 10,000 calls over the three workers, kill one of them half way,
           report and end; the exit code is 0 only if every call was answered
  --help   show this

Environment:
  REDIS_URL   the Redis to use, such as redis://127.0.0.1:6379. Default: one that runs on port 6379,
              else a private one
  PORT        the port of the gateway of the quick start. Default: 3000 if that is free, else any free
              port`;
