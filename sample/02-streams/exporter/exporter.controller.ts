import { setImmediate as turn } from 'node:timers/promises';
import { Controller } from '@nestjs/common';
import { Ctx, MessagePattern, Payload } from '@nestjs/microservices';
import { CloudsContext } from 'nestjs-clouds';
import type { ExportRequest, Row } from '../row.js';

const PAGE = 100;

@Controller()
export class ExporterController {
  private readonly rowsMade = new Map<string, number>();

  /** Goes on only while its reader does; leaves by its `finally`, whoever ends it. */
  @MessagePattern('rows.export')
  async *export(
    @Payload() { name, rows }: ExportRequest,
    @Ctx() context: CloudsContext,
  ): AsyncGenerator<Row> {
    let made = 0;
    try {
      while (made < rows) {
        if (made % PAGE === 0) await turn(); // stands for the cursor of a database
        this.rowsMade.set(name, ++made);
        yield { id: made, text: `row ${made} of ${name}` };
      }
    } finally {
      const how = context.signal.aborted ? 'left by its reader' : 'done';
      console.log(`${name}: finally: ${how} after ${made} rows`);
    }
  }

  /** How many rows an export has made so far. */
  @MessagePattern('rows.made')
  countMade(@Payload() name: string): number {
    return this.rowsMade.get(name) ?? 0;
  }
}
