import { ClientProxy, type Server } from '@nestjs/microservices';

/** A packet that instrumentation may attach metadata to. */
export interface DispatchedPacket {
  pattern: unknown;
  data: unknown;
  metadata?: Record<string, string>;
}

export type DispatchHook = (packet: DispatchedPacket) => void;

/** Nest has the dispatch hook from 12.0.4 on. */
export const hasDispatchHook = 'setOnDispatchHook' in ClientProxy.prototype;

/** Sets the hook where Nest has it; elsewhere, as instrumentation does, nothing. */
export function onDispatch(client: ClientProxy, hook: DispatchHook): void {
  if (!hasDispatchHook) return;
  (client as unknown as { setOnDispatchHook(hook: DispatchHook): void }).setOnDispatchHook(hook);
}

export type StartHook = Parameters<Server['setOnProcessingStartHook']>[0];
