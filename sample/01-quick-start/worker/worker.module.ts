import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { WorkerController } from './worker.controller.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  controllers: [WorkerController],
})
export class WorkerModule {}
