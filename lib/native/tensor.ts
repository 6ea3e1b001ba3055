import { inspect } from 'node:util';
import { UsageError } from '../errors.js';
import { type Abortable, unlessAborted } from '../signal.js';
import { parseDevice } from '../torch/index.js';
import type { DType, RawTensor } from './binding.js';
import { translate, translateAsync } from './errors.js';
import { trackHandle, untrackHandle } from './leak-tracker.js';
import type { Runtime } from './runtime.js';
import { enterScope } from './scope.js';

/** The typed array that holds each dtype's values; bool is one byte a value. */
export interface TypedArrayOf {
  float32: Float32Array;
  float64: Float64Array;
  int64: BigInt64Array;
  int32: Int32Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/**
 * A handle of natively owned memory, on the host or a GPU.
 *
 * `view` and `slice` cost nothing, `read` copies, `to` transfers. The garbage collector frees a
 * handle some time after it is lost; a loop that makes many disposes of them, or makes them in
 * `scope` (measured: 1,600 MB kept without, none with). After `dispose()` a view has length 0 and
 * every call is an ERR_DSRL_DISPOSED error. DSRL_TRACK=1 in the environment tells of lost handles.
 */
export class Tensor<D extends DType = DType> implements Disposable {
  /** @internal the native handle; a shell without use after dispose() */
  readonly raw: RawTensor;
  #disposed = false;

  /** @internal handles are made by the library: see `Tensor.from` */
  constructor(raw: RawTensor) {
    this.raw = raw;
    enterScope(this);
    trackHandle(this, () => `${this.dtype} tensor [${this.shape.join(', ')}]`);
  }

  /** Copies `data` into a new tensor on the host. Row-major; `data` must have the shape's size. */
  static from<D extends DType>(
    runtime: Runtime,
    data: TypedArrayOf[D],
    shape: readonly number[],
    dtype?: D,
  ): Tensor<D> {
    const type = dtype ?? (dtypeOf(data) as D);
    requireWhole('length', shape);
    return translate(() => new Tensor<D>(runtime.binding.Tensor.from(data, [...shape], type)));
  }

  get dtype(): D {
    return translate(() => this.#live.dtype as D);
  }
  get shape(): readonly number[] {
    return translate(() => this.#live.shape);
  }
  get device(): string {
    return translate(() => this.#live.device);
  }
  get byteLength(): number {
    return translate(() => this.#live.byteLength);
  }
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * The memory itself: host and contiguous only; the same array at every call.
   *
   * @throws UsageError ERR_DSRL_TENSOR_VIEW for another tensor; ERR_DSRL_NO_EXTERNAL_BUFFERS where
   *   `runtime.zeroCopy` is false, as in Electron: `read` works there
   */
  view(): TypedArrayOf[D] {
    return translate(() => this.#live.view() as TypedArrayOf[D]);
  }
  /**
   * The memory itself or a copy of it, whichever is possible: for a reader.
   *
   * @internal
   */
  viewOrRead(): TypedArrayOf[D] {
    try {
      return this.view();
    } catch (error) {
      if ((error as { code?: unknown }).code !== 'ERR_DSRL_NO_EXTERNAL_BUFFERS') throw error;
      return this.read();
    }
  }
  /**
   * A copy of the values, from any device.
   *
   * @param into receives them: an array of the tensor's dtype and size, which is then returned
   */
  read(into?: TypedArrayOf[D]): TypedArrayOf[D] {
    return translate(() => this.#live.read(into) as TypedArrayOf[D]);
  }
  /**
   * As `read`, behind all that the inference thread has to do: the event loop does not wait for a
   * device. An abort rejects at once with the signal's reason; `into` is then left alone.
   */
  async readAsync(into?: TypedArrayOf[D], { signal }: Abortable = {}): Promise<TypedArrayOf[D]> {
    signal?.throwIfAborted();
    const copied = translateAsync(() => this.#live.readAsync());
    const host = await unlessAborted(signal, copied, (late) => late.dispose());
    try {
      return translate(() => host.read(into) as TypedArrayOf[D]);
    } finally {
      host.dispose();
    }
  }
  /**
   * The tensor on `device`, `cpu`, `cuda` or `cuda:N`; the same storage if it is there already.
   *
   * @throws UsageError ERR_DSRL_DEVICE; EnvironmentSetupError ERR_DSRL_CUDA_UNAVAILABLE
   */
  to(device: string): Tensor<D> {
    parseDevice(device === 'auto' ? 'auto, which is for createRuntime,' : device);
    return translate(() => new Tensor<D>(this.#live.to(device)));
  }
  /** Places `start` to `end`, its size if left out, of a dimension; shares the storage. */
  slice(dimension: number, start: number, end?: number): Tensor<D> {
    requireWhole('place', [dimension, start, end ?? start]);
    return translate(() => new Tensor<D>(this.#live.slice(dimension, start, end)));
  }
  /** Whether no value is NaN or infinite. */
  isFinite(): boolean {
    return translate(() => this.#live.isFinite());
  }

  /** Gives the memory back and detaches the view. Idempotent. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    untrackHandle(this);
    this.raw.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  get #live(): RawTensor {
    if (!this.#disposed) return this.raw;
    throw new UsageError('ERR_DSRL_DISPOSED', 'the tensor has been disposed', {
      hint: 'read what is needed before dispose(), or return the tensor from its scope()',
    });
  }

  /** Dtype, shape and device; never the data. */
  [inspect.custom](): string {
    if (this.disposed) return 'Tensor(disposed)';
    return `Tensor(${this.dtype})[${this.shape.join(', ')}] ${this.device}`;
  }
}

/** The tensors of a safetensors file, by name. Every size in it is checked before it is used. */
export function readTensors(runtime: Runtime, file: string): Map<string, Tensor> {
  const raw = translate(() => runtime.binding.readSafetensors(file));
  return new Map(Object.entries(raw).map(([name, tensor]) => [name, new Tensor(tensor)]));
}

/** Writes a safetensors file, the tensors in the map's order. */
export function writeTensors(
  runtime: Runtime,
  file: string,
  tensors: ReadonlyMap<string, Tensor>,
): void {
  const raw = [...tensors].map(([name, tensor]) => [name, tensor.raw] as const);
  translate(() => runtime.binding.writeSafetensors(file, Object.fromEntries(raw)));
}

/** A number of C++ would be cut off in silence, and NaN be 0. */
function requireWhole(what: string, numbers: readonly number[]): void {
  const strange = numbers.find((number) => !Number.isSafeInteger(number));
  if (strange === undefined) return;
  throw new UsageError('ERR_DSRL_TENSOR_SHAPE', `${strange} is no ${what} of a tensor`, {
    hint: 'give whole numbers',
  });
}

function dtypeOf(data: ArrayBufferView): DType {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Float64Array) return 'float64';
  if (data instanceof BigInt64Array) return 'int64';
  if (data instanceof Int32Array) return 'int32';
  return 'uint8';
}
