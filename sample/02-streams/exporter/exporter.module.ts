import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { ExporterController } from './exporter.controller.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  controllers: [ExporterController],
})
export class ExporterModule {}
