import type { Replied } from '../history.js';
import type { Answer, Work } from './messages.js';

/** What has come back for a call: whether it belongs to it, and is whole and in order. */
export class Received {
  #values = 0;
  #isOwn = true;
  #hasResult = false;
  #from: string | undefined;

  constructor(private readonly work: Pick<Work, 'key' | 'text' | 'values'>) {}

  /** `isLast`: it is the result of a call that is no stream. */
  add(value: unknown, isLast = false): void {
    const { key, text, values } = this.work;
    const answer = (value ?? {}) as Partial<Answer & { value: number }>;
    this.#from ??= answer.by;
    this.#isOwn &&= answer.key === key && answer.text === text && answer.by === this.#from;
    if (values > 0) this.#isOwn &&= answer.value === this.#values;
    this.#hasResult ||= isLast;
    this.#values++;
  }

  /** When nothing more comes. */
  whole(): Pick<Replied, 'isOwn' | 'from'> {
    const { values } = this.work;
    const isWhole = values > 0 ? this.#values === values : this.#values === 1 && this.#hasResult;
    return { isOwn: this.#isOwn && isWhole, from: this.#from };
  }

  /** When an error came. */
  part(): Pick<Replied, 'isOwn'> {
    return { isOwn: this.#values > 0 ? this.#isOwn : undefined };
  }
}
