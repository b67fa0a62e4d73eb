import { inspect } from 'node:util';
import type { LoggerService } from '@nestjs/common';
import { expect, vi } from 'vitest';
import { rejection } from './wait.js';

/** Nest itself logs what a handler throws, on the server. */
const CONTEXTS_OF_NEST = ['RpcExceptionsHandler'];
const CONSOLE = ['log', 'info', 'warn', 'error', 'debug'] as const;

/**
 * Notes all that people may come to read - log lines, what the process prints, errors - to look for secrets in it.
 * It is a logger of Nest: `Logger.overrideLogger(witness)`.
 */
export class Witness implements LoggerService {
  /** The log lines, and the warnings of the process. */
  readonly lines: string[] = [];
  readonly #texts: string[] = [];
  readonly log = (...parts: unknown[]) => this.#onLine(parts);
  readonly warn = (...parts: unknown[]) => this.#onLine(parts);
  readonly error = (...parts: unknown[]) => this.#onLine(parts);
  readonly #onWarning = (warning: Error) => this.#onLine([warning]);

  start(): void {
    for (const method of CONSOLE)
      vi.spyOn(console, method).mockImplementation((...parts) => this.#onLine(parts));
    process.on('warning', this.#onWarning);
  }

  stop(): void {
    vi.restoreAllMocks();
    process.off('warning', this.#onWarning);
  }

  /** In every form in which it may come into a log. */
  note(thing: unknown): void {
    const stack = thing instanceof Error ? thing.stack : '';
    const inspected = inspect(thing, { depth: 10, showHidden: true, maxStringLength: Infinity });
    this.#texts.push(String(thing), String(stack), inspected, JSON.stringify(thing) ?? '');
  }

  /** The error that a promise rejects with, noted. */
  async errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
    const error = await rejection(promise);
    this.note(error);
    return error;
  }

  hasLine(pattern: RegExp): boolean {
    return this.lines.some((line) => pattern.test(line));
  }

  expectNone(secrets: readonly string[]): void {
    const told = this.#texts.filter((text) => secrets.some((secret) => text.includes(secret)));
    expect(told, 'texts with a secret in them').toEqual([]);
  }

  #onLine(parts: unknown[]): void {
    if (CONTEXTS_OF_NEST.includes(String(parts.at(-1)))) return;
    this.lines.push(parts.map(String).join(' '));
    for (const part of parts) this.note(part);
  }
}
