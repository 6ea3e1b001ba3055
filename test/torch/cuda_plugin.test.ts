// The kernels for a GPU: where they are looked for, and what becomes of files that are none.
// Libraries made here take the place of the plugin; nothing below needs CUDA.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { cudaPluginFile, openCudaPlugin } from '../../lib/torch/cuda-plugin.js';
import { loadNative } from '../../lib/torch/load.js';
import { makeLibrary, temporaryFolder, thrownBy } from './fakes.js';

const folder = temporaryFolder();

/** A core beside which `place` has put a plugin, and the files that it was told to open. */
function coreWith(name: string, place: (file: string) => void) {
  const coreFile = join(folder, name, 'dsrl_core.node');
  const plugin = join(folder, name, 'cu130', 'libdsrl_cuda.so');
  mkdirSync(dirname(plugin), { recursive: true });
  place(plugin);
  const openPlugin = vi.fn((_file: string, _device: string): void => {});
  return { coreFile, plugin, openPlugin };
}

const cuda = { cuda: '13.0' };

test('they lie beside the core, in a folder for the CUDA version of the torch', () => {
  const coreFile = join('torch2.14', 'dsrl_core.node');
  const file = (version: string | null) => cudaPluginFile(coreFile, { cuda: version });
  expect(file('13.0')).toBe(join('torch2.14', 'cu130', 'libdsrl_cuda.so'));
  expect(file('12.8')).toBe(join('torch2.14', 'cu128', 'libdsrl_cuda.so'));
  expect(file(null)).toBeNull();
  expect(file('unknown')).toBeNull();
});

describe('when they are opened', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  afterEach(() => warn.mockClear());

  test('for a GPU alone, and without a word where there are none', () => {
    const { coreFile, plugin, openPlugin } = coreWith('there', (file) => writeFileSync(file, ''));
    const core = { openCudaPlugin: openPlugin };
    openCudaPlugin(core, coreFile, cuda, 'cpu');
    openCudaPlugin(core, coreFile, { cuda: '12.8' }, 'cuda:0');
    openCudaPlugin(core, coreFile, { cuda: null }, 'cuda:0');
    expect(openPlugin).not.toHaveBeenCalled();
    openCudaPlugin(core, coreFile, cuda, 'cuda:1');
    expect(openPlugin.mock.calls).toEqual([[plugin, 'cuda:1']]);
    expect(warn).not.toHaveBeenCalled();
  });

  test('kernels that do not open are one warning, and the GPU goes on without them', () => {
    const { coreFile, openPlugin } = coreWith('damaged', (file) => writeFileSync(file, ''));
    openPlugin.mockImplementation(() => {
      throw new Error('file too short\nand more');
    });
    openCudaPlugin({ openCudaPlugin: openPlugin }, coreFile, cuda, 'cuda:0');
    const words = "torch's own operators compute, without our kernels: file too short";
    expect(warn.mock.calls).toEqual([[words, { code: 'DSRL_CUDA_PLUGIN' }]]);
  });
});

describe('what the core says of a file that is no plugin of its own', () => {
  const { core } = loadNative({ device: 'cpu' });
  const refusal = (file: string) => thrownBy(() => core.openCudaPlugin(file, 'cuda:0'));
  const table = `
    struct table { unsigned long size; int abi; const char *torch, *cuda; int (*check)(int, char*);
                   void *normal, *below, *normalize; };
    static int no_gpu(int device, char *error) {
      const char code[] = "ERR_DSRL_CUDA_UNAVAILABLE", words[] = "no GPU 0";
      __builtin_memcpy(error, code, sizeof code);
      __builtin_memcpy(error + 64, words, sizeof words);
      return 1;
    }`;
  const plugin = (name: string, size: string, abi: number, torch: string) =>
    makeLibrary(
      join(folder, `${name}.so`),
      `${table}
      static struct table it = { ${size}, ${abi}, "${torch}", "13.0", no_gpu, 0, 0, 0 };
      void *dsrl_cuda_plugin(void) { return &it; }`,
    );

  test('not there, no library, another library', () => {
    const code = 'ERR_DSRL_CUDA_PLUGIN';
    const nowhere = join(folder, 'nowhere.so');
    expect(refusal(nowhere)).toMatchObject({ code, message: `there is no ${nowhere}` });
    const text = join(folder, 'text.so');
    writeFileSync(text, 'no library');
    expect(refusal(text)).toMatchObject({ code, message: expect.stringContaining('cannot be op') });
    const other = makeLibrary(join(folder, 'other.so'), 'int nothing;');
    const message = expect.stringContaining('is of another version of this package');
    expect(refusal(other)).toMatchObject({ code, message });
  });

  test('of another package, or for another torch', () => {
    const other = expect.stringContaining('is of another version of this package');
    const { torchVersion } = core;
    expect(refusal(plugin('abi', 'sizeof it', 999, torchVersion))).toMatchObject({
      message: other,
    });
    expect(refusal(plugin('size', '8', 1, torchVersion))).toMatchObject({ message: other });
    const torch = expect.stringContaining(
      `was built for torch 2.1.0, and the core for ${torchVersion}`,
    );
    expect(refusal(plugin('torch', 'sizeof it', 1, '2.1.0'))).toMatchObject({ message: torch });
  });

  test('its own, without a GPU: what the plugin says', () => {
    expect(refusal(plugin('own', 'sizeof it', 1, core.torchVersion))).toMatchObject({
      code: 'ERR_DSRL_CUDA_UNAVAILABLE',
      message: 'no GPU 0',
    });
  });
});
