import { Module } from '@nestjs/common';
import { CloudsModule } from 'nestjs-clouds';
import { cloudsOptions } from '../clouds.options.js';
import { ReaderService } from './reader.service.js';

@Module({
  imports: [CloudsModule.forRoot(cloudsOptions)],
  providers: [ReaderService],
})
export class ReaderModule {}
