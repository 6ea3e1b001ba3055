import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createRuntime, type DsrlError, randomNormal, Tensor } from '../../lib/index.js';
import { output } from '../support/program.js';

const runtime = createRuntime({ device: 'cpu' });
const counted = (...shape: number[]) => {
  const size = shape.reduce((product, side) => product * side, 1);
  return Tensor.from(
    runtime,
    Float32Array.from({ length: size }, (_, i) => i),
    shape,
  );
};

const error = (call: () => unknown) => {
  try {
    return call();
  } catch (thrown) {
    return thrown;
  }
};

test('lengths that are none, devices that are not there and memory that ends are errors', () => {
  const huge = () => randomNormal(runtime, 0n, 'x', 0, 2 ** 30, 2 ** 30);
  const cases: [() => unknown, string][] = [
    [() => Tensor.from(runtime, new Float32Array(1), [1.5]), 'ERR_DSRL_TENSOR_SHAPE'],
    [() => counted(2).to('gpu'), 'ERR_DSRL_DEVICE'],
    [() => counted(2).to('auto'), 'ERR_DSRL_DEVICE'],
    [() => counted(2).to('cuda:99'), 'ERR_DSRL_CUDA_UNAVAILABLE'],
    [huge, 'ERR_DSRL_OOM'],
  ];
  for (const [call, code] of cases) expect(error(call)).toMatchObject({ code });
});

test('memory that ends names the largest tensors that are alive, each storage once', () => {
  const [large, small] = [counted(300, 1000), counted(2)];
  const part = large.slice(0, 0, 1);
  const failed = error(() => randomNormal(runtime, 0n, 'x', 0, 2 ** 30, 2 ** 30)) as DsrlError;
  const listed = failed.message.split('the largest: ')[1] ?? '';
  expect(listed.match(/\[300, 1000\] on cpu \(1\.1 MB\)|\[1, 1000\]/g)).toEqual([
    '[300, 1000] on cpu (1.1 MB)',
  ]);
  expect(listed.indexOf('[300, 1000]')).toBeLessThan(listed.concat('[2]').indexOf('[2]'));
  const { tensors } = runtime.memory();
  expect(failed.message).toContain(`; ${tensors} live tensor handles hold `);
  for (const tensor of [large, small, part]) tensor.dispose();
  const after = error(() => randomNormal(runtime, 0n, 'x', 0, 2 ** 30, 2 ** 30)) as DsrlError;
  expect(after.message).not.toContain('[300, 1000]');
});

describe('slice', () => {
  test('takes places of any dimension and shares the storage', () => {
    const whole = counted(2, 3, 4);
    expect([...whole.slice(0, 1).read()]).toEqual([12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
    expect([...whole.slice(1, 1, 2).read()]).toEqual([4, 5, 6, 7, 16, 17, 18, 19]);
    const column = whole.slice(2, 0, 1);
    expect(column.shape).toEqual([2, 3, 1]);
    (whole.view() as Float32Array)[4] = 99;
    expect([...column.read()]).toEqual([0, 99, 8, 12, 16, 20]);
  });

  test('of nothing is empty', () => {
    expect(counted(2, 3).slice(0, 1, 1).shape).toEqual([0, 3]);
  });

  test('lives on when the whole is disposed of', () => {
    const whole = counted(4);
    const part = whole.slice(0, 2);
    whole.dispose();
    expect([...part.read()]).toEqual([2, 3]);
  });

  test.each([
    [2, 0, 1, 'a tensor of 2 dimensions has no dimension 2'],
    [-1, 0, 1, 'a tensor of 2 dimensions has no dimension -1'],
    [1, 0, 4, '0 to 4 does not lie in a dimension of 3'],
    [1, 2, 1, '2 to 1 does not lie in a dimension of 3'],
    [0, -1, 1, '-1 to 1 does not lie in a dimension of 2'],
    [0, NaN, 1, 'NaN is no place of a tensor'],
    [1, 0.5, 1, '0.5 is no place of a tensor'],
  ])('of what is not there is an error: dimension %i, %i to %i', (dimension, start, end, says) => {
    expect(() => counted(2, 3).slice(dimension, start, end)).toThrow(
      expect.objectContaining({ code: 'ERR_DSRL_TENSOR_SHAPE', message: says }),
    );
  });

  test('of columns has no view: its values do not lie side by side', () => {
    expect(() => counted(2, 3).slice(1, 0, 2).view()).toThrow(
      expect.objectContaining({ code: 'ERR_DSRL_TENSOR_VIEW' }),
    );
  });
});

describe('reading', () => {
  test('into an array of the caller', () => {
    const into = new Float32Array(3);
    expect(counted(3).read(into)).toBe(into);
    expect([...into]).toEqual([0, 1, 2]);
  });

  test('into a part of a larger buffer leaves the rest alone', () => {
    const buffer = new Float32Array(5).fill(7);
    counted(3).read(buffer.subarray(1, 4));
    expect([...buffer]).toEqual([7, 0, 1, 2, 7]);
  });

  test.each([
    ['too short', new Float32Array(2)],
    ['too long', new Float32Array(4)],
    ['of another dtype', new Int32Array(3)],
    ['no array', 'text'],
  ])('into one that is %s is an error', (_, into) => {
    expect(() => counted(3).read(into as Float32Array)).toThrow(
      expect.objectContaining({
        code: 'ERR_DSRL_TENSOR_SHAPE',
        message: 'the array to read into must hold 3 elements of float32',
      }),
    );
  });

  test('later gives the same values, also of a tensor that is disposed of meanwhile', async () => {
    const tensor = counted(3);
    const into = new Float32Array(3);
    const [fresh, given] = [tensor.readAsync(), tensor.readAsync(into)];
    tensor.dispose();
    expect([...(await fresh)]).toEqual([0, 1, 2]);
    expect(await given).toBe(into);
    expect([...into]).toEqual([0, 1, 2]);
  });

  test('later stops with the reason of its signal, and leaves the array alone', async () => {
    const aborted = AbortSignal.abort(new Error('before'));
    await expect(counted(3).readAsync(undefined, { signal: aborted })).rejects.toThrow('before');
    const controller = new AbortController();
    const into = new Float32Array(3);
    const reading = counted(3).readAsync(into, { signal: controller.signal });
    controller.abort(new Error('meanwhile'));
    await expect(reading).rejects.toThrow('meanwhile');
    await counted(1).readAsync();
    expect([...into]).toEqual([0, 0, 0]);
  });
});

describe('after dispose', () => {
  test('every call is an error, the view has no length, and a second dispose is none', async () => {
    const tensor = counted(3);
    const view = tensor.view();
    tensor.dispose();
    tensor.dispose();
    expect(view).toHaveLength(0);
    const code = expect.objectContaining({ code: 'ERR_DSRL_DISPOSED' });
    for (const use of [
      () => tensor.view(),
      () => tensor.read(),
      () => tensor.slice(0, 0),
      () => tensor.to('cpu'),
      () => tensor.shape,
      () => tensor.isFinite(),
    ]) {
      expect(use).toThrow(code);
    }
    await expect(tensor.readAsync()).rejects.toEqual(code);
    expect(inspect(tensor)).toBe('Tensor(disposed)');
  });
});

/** Runs a program in which what is read after it was freed is no valid address. */
function run(body: string, ...flags: string[]) {
  const program = `
    const { Tensor } = dsrl;
    const tensor = Tensor.from(runtime, Float32Array.of(1, 2, 3), [3]);
    ${body}`;
  return output(program, { flags, env: { MALLOC_PERTURB_: '165' } });
}

describe('a view that holds nothing any more lets its tensor be disposed of', () => {
  test('that of no values', () => {
    const told = run(`
      for (let i = 0; i < 100; i++) {
        const none = tensor.slice(0, 1, 1);
        const view = none.view();
        await new Promise((resolve) => setImmediate(resolve));
        none.dispose();
        if (view.length > 0) throw new Error('it has values');
      }
      console.log(tensor.read().join());`);
    expect(told).toBe('1,2,3');
  });

  test('that whose buffer has been transferred, which keeps the values', () => {
    // Node 20 has transfer() behind a flag.
    const flags = 'transfer' in ArrayBuffer.prototype ? [] : ['--harmony-rab-gsab-transfer'];
    const told = run(
      `
      const kept = new Float32Array(tensor.view().buffer.transfer());
      tensor.dispose();
      const other = Tensor.from(runtime, Float32Array.of(1, 2, 3), [3]);
      (() => other.view().buffer.transfer())();
      for (let i = 0; i < 5; i++) { gc(); await turns(); }
      other.dispose();
      console.log(kept.join());`,
      ...flags,
    );
    expect(told).toBe('1,2,3');
  });
});

test('what is no handle, and one of another kind, are refused in words', () => {
  const cancellation = new runtime.binding.Cancellation() as unknown as Tensor['raw'];
  for (const raw of [7 as never, cancellation]) {
    expect(() => runtime.binding.resizeFrames(raw, 8)).toThrow(
      expect.objectContaining({ code: 'ERR_DSRL_HANDLE', message: 'pictures is no such handle' }),
    );
  }
});
