import { DsrlError } from '../errors.js';

/** A message that is not what the protocol has, or that this server cannot answer. */
export class ProtocolError extends DsrlError {
  constructor(
    code: `ERR_DSRL_WIRE_${string}`,
    message: string,
    details: { hint: string; cause?: unknown },
  ) {
    super(code, message, { ...details, exitCode: 1 });
  }
}
