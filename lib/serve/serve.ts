import type { ObservationKeys } from './openpi-keys.js';
import { policyService, type ServablePolicy } from './policy-service.js';
import { PolicyServer } from './server.js';
import type { ServerOptions } from './server-options.js';

/** How and where a policy is served. */
export interface ServeOptions extends ServerOptions {
  /** Where requests hold what the policy needs; default: policy.json's, else openpi's for LIBERO */
  keys?: ObservationKeys;
}

/**
 * Serves a policy to openpi's clients until `close()` or until `signal` aborts. The policy stays
 * the caller's, to be disposed of once the server is closed.
 *
 *     const server = await serve(policy, { port: 8000 });
 *     console.log(server.url);
 *
 * Requests carry observations only: how many steps the flow takes, and what noise, is the server's.
 *
 * @throws UsageError ERR_DSRL_SERVE_KEY for another host than loopback without a key, _PORT,
 *   _LIMIT
 * @throws EnvironmentSetupError ERR_DSRL_SERVE_LISTEN where the address is taken or not ours
 */
export function serve(policy: ServablePolicy, options: ServeOptions = {}): Promise<PolicyServer> {
  const { keys, ...rest } = options;
  return PolicyServer.listen(policyService(policy, keys), rest);
}
