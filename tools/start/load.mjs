/**
 * The gateway under load, without its HTTP. Told `{ calls, concurrency, victim }`, it makes the calls, kills the
 * process `victim` when half of them are made, and answers what came of them.
 */
import { NestFactory } from '@nestjs/core';
import { CloudsClient } from 'nestjs-clouds';
import { firstValueFrom } from 'rxjs';
import { GatewayModule } from '../../.build/sample/01-quick-start/gateway/gateway.module.js';
import { SERVICE } from './sample.mjs';

const ATTEMPTS = 3;

const app = await NestFactory.createApplicationContext(GatewayModule, {
  logger: ['error', 'warn'],
});
app.enableShutdownHooks();
const clouds = app.get(CloudsClient);
await clouds.connect();

process.on('message', (order) => void run(order).then((report) => process.send(report)));
process.send('ready');

/** @param {{ calls: number, concurrency: number, victim: number }} order */
async function run({ calls, concurrency, victim }) {
  const report = { answered: 0, moved: 0, byNode: {}, failures: {}, timesMs: [] };
  let made = 0;
  const callOnAndOn = async () => {
    while (made < calls) {
      if (++made === Math.ceil(calls / 2)) process.kill(victim, 'SIGKILL');
      await callOnce(made, report);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, callOnAndOn));
  return report;
}

async function callOnce(number, report) {
  const numbers = [number, 1, 2];
  const startedAt = performance.now();
  try {
    const answer = await firstValueFrom(clouds.pemit(ATTEMPTS, SERVICE, numbers));
    if (answer.total !== number + 3) throw new Error(`wrong answer: ${JSON.stringify(answer)}`);
    report.timesMs.push(performance.now() - startedAt);
    report.answered++;
    if (answer.attempt > 1) report.moved++;
    count(report.byNode, answer.node);
  } catch (error) {
    count(report.failures, error.message ?? JSON.stringify(error));
  }
}

function count(counts, key) {
  counts[key] = (counts[key] ?? 0) + 1;
}
