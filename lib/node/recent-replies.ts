import { byteLength, type Text } from '../protocol/text.js';
import { ByteRing, type Span } from './byte-ring.js';

/** How many of them are kept. */
export const MAX_REPLIES = 4096;
/** What is kept of them. */
export const MAX_BYTES = 8 * 1024 * 1024;

/** A message that was sent. */
export interface SentMessage {
  readonly replies: number;
  readonly length: number;
  /** Whether that is kept for as long as this is held. */
  readonly isHeld: boolean;
  /** What it said, for as long as that is kept. */
  text(): string | undefined;
}

class KeptMessage implements SentMessage {
  readonly isHeld = false;

  constructor(
    readonly replies: number,
    readonly span: Span,
    private readonly ring: ByteRing,
  ) {}

  get length(): number {
    return this.span.end - this.span.start;
  }

  bytes(): Buffer | undefined {
    return this.ring.read(this.span);
  }

  text(): string | undefined {
    return this.bytes()?.toString();
  }
}

/** The last reply messages that were sent: so many replies, and so many bytes. */
export class RecentReplies {
  readonly #ring = new ByteRing(MAX_BYTES);
  #messages: KeptMessage[] = [];
  /** Where those begin that are still kept. */
  #oldest = 0;
  #replies = 0;

  add(message: Text, replies: number): SentMessage {
    if (byteLength(message) > MAX_BYTES) return heldMessage(message.toString(), replies);
    const kept = new KeptMessage(replies, this.#ring.write(message), this.#ring);
    this.#messages.push(kept);
    this.#replies += replies;
    while (this.#messages[this.#oldest] !== kept && this.#isOldestOver()) this.#forgetOldest();
    return kept;
  }

  /** The messages that have these bytes somewhere, newest first. */
  *having(bytes: Buffer): Iterable<string> {
    for (let i = this.#messages.length - 1; i >= this.#oldest; i--) {
      const message = this.#messages[i]!;
      if (message.bytes()?.includes(bytes)) yield message.text()!;
    }
  }

  #isOldestOver(): boolean {
    return this.#replies > MAX_REPLIES || !this.#ring.has(this.#messages[this.#oldest]!.span);
  }

  #forgetOldest(): void {
    this.#replies -= this.#messages[this.#oldest++]!.replies;
    if (this.#oldest < MAX_REPLIES) return;
    this.#messages = this.#messages.slice(this.#oldest);
    this.#oldest = 0;
  }
}

/** One that is kept for as long as it is held. */
export function heldMessage(text: string, replies: number): SentMessage {
  return { replies, length: text.length, isHeld: true, text: () => text };
}
