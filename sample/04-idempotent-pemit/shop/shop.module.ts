import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { ShopService } from './shop.service.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  providers: [ShopService],
})
export class ShopModule {}
