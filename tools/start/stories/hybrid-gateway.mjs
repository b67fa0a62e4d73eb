import { runOf } from '../story.mjs';

export const run = runOf({
  folder: '05-hybrid-gateway',
  servers: {},
  teller: ['gateway', 'main.js'],
  promises: (lines) => {
    const output = lines.map(({ text }) => text).join('\n');
    const [, node] = output.match(/the node is (\S+)/) ?? [];
    /** @type {(path: string, answer: string) => boolean} */
    const answered = (path, answer) => output.includes(`GET ${path} -> ${answer}`);
    const error = (status, code) => `${status} {"statusCode":${status},"code":"${code}"`;
    return {
      'a price is answered by the node that has asked': answered(
        '/prices/bread',
        `200 {"item":"bread","cents":500,"caller":"${node}","node":"${node}"}`,
      ),
      'a timeout is 504': answered('/prices/antique', error(504, 'CLOUDS_TIMEOUT')),
      'a service that nobody serves is 503': answered(
        '/reviews/bread',
        error(503, 'CLOUDS_NO_NODE'),
      ),
      'too much data is 413': output.includes(error(413, 'CLOUDS_PAYLOAD_TOO_LARGE')),
      'one report at a time is made': answered('/report', '200 all prices are low'),
      'another one meanwhile is 429': answered('/report', error(429, 'CLOUDS_OVERLOADED')),
    };
  },
});
