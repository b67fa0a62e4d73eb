import { Controller, Inject, Scope } from '@nestjs/common';
import { CONTEXT, MessagePattern, type RequestContext } from '@nestjs/microservices';
import type { CloudsContext } from 'nestjs-clouds';

let instances = 0;

@Controller({ scope: Scope.REQUEST })
export class RequestScopedController {
  private readonly instance = ++instances;

  constructor(@Inject(CONTEXT) private readonly request: RequestContext<string, CloudsContext>) {}

  @MessagePattern('request scoped')
  answer(): unknown {
    const { data, context } = this.request;
    return { instance: this.instance, data, callId: context?.getCallId() };
  }
}
