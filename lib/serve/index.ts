export type { ConnectOptions } from './connect-options.js';
export { decode, type Packable } from './decode.js';
export { encode } from './encode.js';
export { NdArray, type NumericArray } from './ndarray.js';
export { liberoKeys, type ObservationKeys } from './openpi-keys.js';
export { policyService, type ServablePolicy } from './policy-service.js';
export { ProtocolError } from './protocol-error.js';
export {
  type RemoteChunk,
  type RemoteObservation,
  RemotePolicy,
  type RemotePolicyOptions,
} from './remote-policy.js';
export { type ServeOptions, serve } from './serve.js';
export { PolicyServer, type Service } from './server.js';
export { checkServer, type ServerOptions } from './server-options.js';
export { WireClient } from './wire-client.js';
