/**
 * Finding libtorch and opening it. Importing this reads no file and loads nothing: that happens in
 * `loadNative`, once a process.
 */
export { type Device, type DeviceRequest, parseDevice } from './device.js';
export { type LoadRequest, loadNative, type NativeRuntime } from './load.js';
export type { CoreModule } from './open.js';
export type { FoundTorch } from './resolve.js';
