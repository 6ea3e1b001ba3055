/**
 * Every failure that a user can cause or mend is one of these classes.
 *
 * `message` says what is wrong and names the thing; `hint` says what to type next; `code` is stable
 * and may be matched by programs; `exitCode` is what the command line returns for it.
 */
export class DsrlError extends Error {
  readonly code: string;
  readonly hint: string;
  readonly exitCode: number;

  constructor(
    code: string,
    message: string,
    options: { hint: string; exitCode: number; cause?: unknown },
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
    this.exitCode = options.exitCode;
  }
}

/** What a caught value says, in words: not everything that is thrown is an Error. */
export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

interface Details {
  hint: string;
  cause?: unknown;
}

/** A configuration that cannot be composed or does not fit its schema. */
export class ConfigError extends DsrlError {
  constructor(code: `ERR_DSRL_CONFIG_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 2 });
  }
}

/** A wrong command line, or a wrong argument to a function of the API. */
export class UsageError extends DsrlError {
  constructor(code: `ERR_DSRL_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 2 });
  }
}

/** A checkpoint or tensor file that is damaged or does not fit this run. */
export class CheckpointError extends DsrlError {
  constructor(code: `ERR_DSRL_CHECKPOINT_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 2 });
  }
}

/** A frozen policy's folder that is damaged, or does not fit its environment or the agent. */
export class PolicyError extends DsrlError {
  constructor(code: `ERR_DSRL_POLICY_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 2 });
  }
}

/** Something outside the project is missing: torch, a GPU, a compiler, a writable folder. */
export class EnvironmentSetupError extends DsrlError {
  constructor(code: `ERR_DSRL_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 3 });
  }
}

/** One place where a torch was looked for, and what was found there. */
export interface TorchAttempt {
  source: string;
  verdict: string;
}

/** No torch, or none that this build has a core for. `attempts` lists every place looked at. */
export class TorchNotFoundError extends EnvironmentSetupError {
  readonly attempts: readonly TorchAttempt[];

  constructor(message: string, attempts: readonly TorchAttempt[], details: Details) {
    super('ERR_DSRL_TORCH_NOT_FOUND', message, details);
    this.attempts = attempts;
  }
}

/** A loss, a weight or an observation is no longer finite; training cannot go on from here. */
export class DivergedError extends DsrlError {
  constructor(message: string, details: Details) {
    super('ERR_DSRL_DIVERGED', message, { ...details, exitCode: 4 });
  }
}

/** Native code failed in a way that is neither the user's input nor the machine's set-up. */
export class RuntimeFailure extends DsrlError {
  constructor(code: `ERR_DSRL_${string}`, message: string, details: Details) {
    super(code, message, { ...details, exitCode: 1 });
  }
}

/** A run that was stopped by a signal: 130 for SIGINT, 143 for SIGTERM. */
export class AbortedError extends DsrlError {
  constructor(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', message: string, details: Details) {
    super('ERR_DSRL_ABORTED', message, { ...details, exitCode: signal === 'SIGINT' ? 130 : 143 });
  }
}
