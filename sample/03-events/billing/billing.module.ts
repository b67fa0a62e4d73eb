import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { BillingController } from './billing.controller.js';

/** All replicas of this application are one group: one of them gets each event. */
@Module({
  imports: [CloudsModule.forRoot({ ...cloudsOptions, group: 'billing' })],
  controllers: [BillingController],
})
export class BillingModule {}
