import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { CloudsClient } from 'nestjs-clouds';
import { firstValueFrom } from 'rxjs';
import type { ExportRequest, Row } from '../row.js';

const PAUSE_MS = 300;

@Injectable()
export class ReaderService {
  constructor(private readonly clouds: CloudsClient) {}

  /** Rests after the first row, reads the others, and sees how far the exporter has gone meanwhile. */
  async readSlowly(request: ExportRequest): Promise<void> {
    let taken = 0;
    for await (const row of this.clouds.stream<Row>('rows.export', request)) {
      taken++;
      if (row.id === 1) await this.rest(request);
    }
    console.log(`${request.name}: all ${taken} rows are here`);
  }

  /** Leaving the loop ends the generator on the other side. */
  async readSome(request: ExportRequest, wanted: number): Promise<void> {
    let taken = 0;
    for await (const row of this.clouds.stream<Row>('rows.export', request)) {
      console.log(`${request.name}: ${row.text}`);
      if (++taken === wanted) break;
    }
    console.log(`${request.name}: the loop is left after ${taken} rows`);
  }

  /** The same with an Observable: unsubscribing ends the generator. */
  async subscribeToSome(request: ExportRequest, wanted: number): Promise<void> {
    let taken = 0;
    await new Promise<void>((resolve, reject) => {
      const subscription = this.clouds.send<Row>('rows.export', request).subscribe({
        next: (row) => {
          console.log(`${request.name}: ${row.text}`);
          if (++taken < wanted) return;
          subscription.unsubscribe();
          resolve();
        },
        error: reject,
      });
    });
    console.log(`${request.name}: unsubscribed after ${taken} rows`);
  }

  private async rest({ name, rows }: ExportRequest): Promise<void> {
    let [before, after] = [0, await this.countMade(name)];
    console.log(`${name}: 1 row is read, the exporter has made ${after} of ${rows}`);
    while (after > before) {
      await delay(PAUSE_MS);
      [before, after] = [after, await this.countMade(name)];
    }
    const verdict = after < rows ? 'it has waited' : 'it has gone on';
    console.log(`${name}: ${PAUSE_MS} ms later it has made ${after}: ${verdict}`);
  }

  private countMade(name: string): Promise<number> {
    return firstValueFrom(this.clouds.send<number>('rows.made', name));
  }
}
