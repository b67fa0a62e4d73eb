import { BadRequestException, Injectable, type PipeTransform } from '@nestjs/common';

/** `1,2,3` to `[1, 2, 3]`. */
@Injectable()
export class ParseNumbersPipe implements PipeTransform<string | undefined, number[]> {
  transform(list: string | undefined): number[] {
    const texts = list?.split(',') ?? [];
    const numbers = texts.map((text) => (text.trim() === '' ? NaN : Number(text)));
    if (numbers.length > 0 && numbers.every(Number.isFinite)) return numbers;
    throw new BadRequestException('Give numbers like this: /sum?numbers=1,2,3');
  }
}
