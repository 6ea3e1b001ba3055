import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Path from the repository's root -> content. */
type Sources = Record<string, string>;

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

function readSources(folder: string, pattern: RegExp): Sources {
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  const paths = files.filter((file) => pattern.test(file)).map((file) => join(folder, file));
  return Object.fromEntries(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]));
}

/**
 * From the top down. Rooms on one floor do not know each other; what stands below all is for all.
 */
const FLOORS = [
  ['cli'],
  ['index.ts'],
  ['train'],
  ['envs', 'policy', 'log', 'serve', 'config'],
  ['acting-policy.ts'],
  ['native'],
  ['torch'],
  ['checkpoint-folder.ts'],
  ['deadline.ts', 'signal.ts', 'folder.ts'],
  ['errors.ts'],
];

function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

function floorOf(path: string): number {
  return FLOORS.findIndex((rooms) => rooms.includes(roomOf(path)));
}

function typescriptViolations(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, text]) => {
    if (floorOf(path) < 0) return [`${path} stands on no floor`];
    const imports = text.matchAll(/\b(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g);
    return [...imports].flatMap(([, specifier]) => {
      const target = join(dirname(path), specifier ?? '').replace(/\.js$/, '.ts');
      if (roomOf(target) === roomOf(path) || floorOf(target) > floorOf(path)) return [];
      return [`${path} imports ${target}`];
    });
  });
}

const NODE_HEADERS = /^(napi|napi-inl|node|node_api|js_native_api|uv|v8)\.h$/;
const TORCH_HEADERS = /^(ATen|torch|c10|caffe2)\//;
const CUDA_HEADERS = /^(cuda\w*\.h$|(ATen|c10)\/cuda\/)/;

/** What a folder of native/ may not include, but for one file of it. */
const FORBIDDEN: Record<string, { pattern: RegExp; what: string; but?: string }[]> = {
  loader: [
    { pattern: TORCH_HEADERS, what: 'torch' },
    { pattern: /(^|\/)(core|addon)\//, what: 'another part' },
  ],
  core: [
    { pattern: NODE_HEADERS, what: 'Node' },
    { pattern: /(^|\/)(addon|loader|test)\//, what: 'a part above it' },
    { pattern: /^(libero|cuda)\/(?!plugin\.h$)/, what: 'the inside of a plugin' },
    { pattern: CUDA_HEADERS, what: 'CUDA' },
  ],
  threads: [
    { pattern: NODE_HEADERS, what: 'Node' },
    { pattern: TORCH_HEADERS, what: 'torch' },
    { pattern: /(^|\/)(addon|core|cuda|loader|libero|test)\//, what: 'another part' },
  ],
  cuda: [
    { pattern: NODE_HEADERS, what: 'Node' },
    { pattern: TORCH_HEADERS, what: 'torch', but: 'native/cuda/plugin.cc' },
    { pattern: /(^|\/)(addon|core|loader|libero|test)\//, what: 'another part' },
  ],
  libero: [
    { pattern: NODE_HEADERS, what: 'Node' },
    { pattern: TORCH_HEADERS, what: 'torch' },
    { pattern: /(^|\/)(addon|core|loader|test)\//, what: 'another part' },
  ],
  addon: [{ pattern: /(^|\/)(loader|libero|cuda|test)\//, what: 'a part beside it' }],
  test: [
    { pattern: NODE_HEADERS, what: 'Node' },
    { pattern: /(^|\/)(addon|loader)\//, what: 'a part that needs Node' },
  ],
};

function cppViolations(sources: Sources): string[] {
  return Object.entries(sources).flatMap(([path, text]) => {
    const rules = FORBIDDEN[roomOf(path)];
    if (rules === undefined) return [`${path} is in no known part`];
    const includes = text.matchAll(/^\s*#\s*include\s*[<"]([^>"]+)[>"]/gm);
    return [...includes].flatMap(([, header = '']) =>
      rules
        .filter(({ pattern, but }) => pattern.test(header) && path !== but)
        .map(({ what }) => `${path} includes ${header}: ${what}`),
    );
  });
}

test('TypeScript imports point downwards', () => {
  const sources = readSources('lib', /\.ts$/);
  expect(Object.keys(sources)).toContain('lib/torch/load.ts');
  expect(typescriptViolations(sources)).toEqual([]);
});

test('C++ includes point downwards: the core knows no Node, the loader no torch', () => {
  const sources = readSources('native', /\.(h|cc|cu)$/);
  expect(Object.keys(sources)).toContain('native/loader/loader.cc');
  expect(cppViolations(sources)).toEqual([]);
});

test.each([
  ['lib/torch/load.ts', "import { Tensor } from '../native/tensor.js';"],
  ['lib/native/handles.ts', "export * from '../policy/artefact.js';"],
  ['lib/log/progress.ts', "import type { Config } from '../config/schema.js';"],
  ['lib/train/loop.ts', "const cli = await import('../cli/main.js');"],
  ['lib/train/loop.ts', "import '../index.js';"],
  ['lib/errors.ts', "import { hint } from './log/format.js';"],
  ['lib/helpers/text.ts', ''],
])('a planted violation is seen: %s: %s', (path, text) => {
  expect(typescriptViolations({ [path]: text })).toHaveLength(1);
});

test('what is allowed is not reported', () => {
  const text = `
    import { readFileSync } from 'node:fs';
    import { parse } from 'yaml';
    import { UsageError } from '../errors.js';
    import { resolveTorch } from '../torch/resolve.js';
    import { sibling } from './sibling.js';`;
  expect(typescriptViolations({ 'lib/native/handles.ts': text })).toEqual([]);
  const include = '#include <ATen/ATen.h>\n#include "core/sac/agent.h"\n#include <napi.h>\n';
  expect(cppViolations({ 'native/addon/agent.cc': include })).toEqual([]);
  const border = '#include "libero/plugin.h"\n#include "core/env/libero.h"\n';
  expect(cppViolations({ 'native/core/env/libero.cc': border })).toEqual([]);
  const stream = '#include <c10/cuda/CUDAStream.h>\n#include "cuda/launch.h"\n';
  expect(cppViolations({ 'native/cuda/plugin.cc': stream })).toEqual([]);
});

test.each([
  ['native/core/sac/agent.cc', '#include <napi.h>'],
  ['native/core/sac/agent.cc', '#include "addon/tensor.h"'],
  ['native/core/sac/agent.h', '#  include <node_api.h>'],
  ['native/loader/loader.cc', '#include <ATen/ATen.h>'],
  ['native/loader/loader.cc', '#include "core/error.h"'],
  ['native/core/env/libero.cc', '#include "libero/world.h"'],
  ['native/core/random/random.cc', '#include "cuda/draws.h"'],
  ['native/core/sac/learner.cc', '#include <cuda_runtime_api.h>'],
  ['native/core/sac/learner.cc', '#include <c10/cuda/CUDAStream.h>'],
  ['native/cuda/kernels.cu', '#include <c10/cuda/CUDAStream.h>'],
  ['native/cuda/draws.h', '#include "core/random/philox.h"'],
  ['native/libero/world.cc', '#include <ATen/ATen.h>'],
  ['native/libero/world.cc', '#include "core/error.h"'],
  ['native/threads/thread_pool.cc', '#include "core/error.h"'],
  ['native/addon/addon.cc', '#include "loader/loader.h"'],
  ['native/test/agent_test.cc', '#include "addon/tensor.h"'],
  ['native/other/file.cc', ''],
])('a planted violation is seen: %s: %s', (path, text) => {
  expect(cppViolations({ [path]: text })).toHaveLength(1);
});
