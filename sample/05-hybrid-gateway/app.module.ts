import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from './clouds.options.js';
import { ShopController } from './http/shop.controller.js';
import { PricesController } from './prices/prices.controller.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  controllers: [ShopController, PricesController],
})
export class AppModule {}
