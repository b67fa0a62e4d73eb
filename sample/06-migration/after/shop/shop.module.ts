import { Module } from '@nestjs/common';
import { ClientsModule } from '@nestjs/microservices';
import { CloudsClient } from 'nestjs-clouds';
import { ShopService } from '../../shared/shop.service.js';
import { redisOptions } from '../redis.options.js';

@Module({
  imports: [
    ClientsModule.register([{ name: 'TOTALS', customClass: CloudsClient, options: redisOptions }]),
  ],
  providers: [ShopService],
})
export class ShopModule {}
