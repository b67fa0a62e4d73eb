import { Controller, Get, Param, UseFilters } from '@nestjs/common';
import { CloudsClient } from 'nestjs-clouds';
import type { Observable } from 'rxjs';
import type { Price } from '../prices/prices.controller.js';
import { CloudsErrorFilter } from './clouds-error.filter.js';

@Controller()
@UseFilters(CloudsErrorFilter)
export class ShopController {
  constructor(private readonly clouds: CloudsClient) {}

  @Get('prices/:item')
  price(@Param('item') item: string): Observable<Price> {
    return this.clouds.send<Price>('prices.get', item);
  }

  @Get('report')
  report(): Observable<string> {
    return this.clouds.send<string>('prices.report', {});
  }

  /** Nobody serves this yet. */
  @Get('reviews/:item')
  reviews(@Param('item') item: string): Observable<string[]> {
    return this.clouds.send<string[]>('reviews.list', item);
  }
}
