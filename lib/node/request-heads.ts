import type { Signer } from '../protocol/signer.js';
import { ONE_WAY } from '../protocol/frames.js';
import type { Call } from './call.js';

/** Writes what stands before the body in a frame of the present attempt of a call. */
export class RequestHeads {
  constructor(
    private readonly address: { readonly incarnation: string },
    private readonly signer: Signer,
  ) {}

  get areSigned(): boolean {
    return this.signer.isSigning;
  }

  of(call: Call, now: number): string {
    const { id, service, body } = call;
    const attempt = call.isOneWay ? ONE_WAY : call.attempt;
    const { incarnation } = this.address;
    return this.signer.requestHead(incarnation, service, [id, call.timeLeftMs(now), attempt], body);
  }
}
