/**
 * Finding libtorch and opening it. Importing this reads no file and loads nothing: that happens in
 * `loadNative`, once a process.
 */
export { type Device, type DeviceRequest, parseDevice } from './device.js';
export { type CoreModule, type LoadRequest, loadNative, type NativeRuntime } from './load.js';
export type { FoundTorch } from './resolve.js';
