import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { SumController } from './sum.controller.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  controllers: [SumController],
})
export class GatewayModule {}
