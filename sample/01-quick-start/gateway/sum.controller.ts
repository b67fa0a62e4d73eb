import { Controller, Get, Query } from '@nestjs/common';
import { CloudsClient } from 'nestjs-clouds';
import type { Observable } from 'rxjs';
import type { Sum } from '../sum.js';
import { ParseNumbersPipe } from './parse-numbers.pipe.js';

const ATTEMPTS = 3;

@Controller('sum')
export class SumController {
  constructor(private readonly clouds: CloudsClient) {}

  /** If the worker that has the call dies, another one gets it: up to three are tried. */
  @Get()
  sum(@Query('numbers', ParseNumbersPipe) numbers: number[]): Observable<Sum> {
    this.clouds.emit('sum.asked', numbers);
    return this.clouds.pemit<Sum>(ATTEMPTS, 'sum', numbers);
  }
}
