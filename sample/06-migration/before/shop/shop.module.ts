import { Module } from '@nestjs/common';
import { ClientsModule, Transport } from '@nestjs/microservices';
import { ShopService } from '../../shared/shop.service.js';
import { redisOptions } from '../redis.options.js';

@Module({
  imports: [
    ClientsModule.register([{ name: 'TOTALS', transport: Transport.REDIS, options: redisOptions }]),
  ],
  providers: [ShopService],
})
export class ShopModule {}
