import { Injectable } from '@nestjs/common';

/** What handlers have done, for the test to read. */
@Injectable()
export class Journal {
  readonly entries: unknown[] = [];

  add(entry: unknown): void {
    this.entries.push(entry);
  }
}
