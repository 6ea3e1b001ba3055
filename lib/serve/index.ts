export { decode, type Packable } from './decode.js';
export { encode } from './encode.js';
export { NdArray, type NumericArray } from './ndarray.js';
export { ProtocolError } from './protocol-error.js';
export { PolicyServer, type ServerOptions, type Service } from './server.js';
export { type ConnectOptions, WireClient } from './wire-client.js';
