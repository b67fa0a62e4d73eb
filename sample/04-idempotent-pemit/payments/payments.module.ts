import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { Ledger } from './ledger.js';
import { PaymentsController } from './payments.controller.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  controllers: [PaymentsController],
  providers: [Ledger],
})
export class PaymentsModule {}
