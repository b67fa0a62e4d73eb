import type { Measurement } from '../measurement.js';
import { callers } from './callers.js';
import { concurrency } from './concurrency.js';
import { events } from './events.js';
import { idleNodes } from './idle-nodes.js';
import { memory } from './memory.js';
import { payloads } from './payloads.js';
import { requestReply } from './request-reply.js';
import { slowReplica } from './slow-replica.js';
import { streams } from './streams.js';

/** In the order in which they run: those that share processes stand together. */
export const MEASUREMENTS: readonly Measurement[] = [
  requestReply,
  concurrency,
  payloads,
  streams,
  events,
  callers,
  slowReplica,
  idleNodes,
  memory,
];
