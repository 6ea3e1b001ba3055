import { cpSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';
import { ROOT } from './markdown.js';

/**
 * Puts the small checkpoints into a folder, under the names that a reader's have in docs/pi0.md.
 */
export function placeCheckpoints(folder: string): void {
  const fixtures = join(ROOT, 'test', 'fixtures');
  symlinkSync(join(ROOT, 'test'), join(folder, 'test'));
  symlinkSync(join(fixtures, 'pi0', 'openpi'), join(folder, 'pi0_libero_pytorch'));
  symlinkSync(join(fixtures, 'pi0', 'lerobot'), join(folder, 'pi0_libero_finetuned'));
  cpSync(join(fixtures, 'tokenizer', 'tiny.model'), join(folder, 'paligemma_tokenizer.model'));
  cpSync(join(fixtures, 'tokenizer', 'tiny.json'), join(folder, 'tokenizer.json'));
  // RLinf: openpi's names in several files, the statistics beside them, no config.json.
  const rlinf = join(folder, 'RLinf-Pi0-LIBERO-Spatial-Object-Goal-SFT');
  const openpi = join(fixtures, 'pi0', 'openpi');
  cpSync(join(openpi, 'assets'), rlinf, { recursive: true });
  const tensors = [...readSafetensors(join(openpi, 'model.safetensors'))];
  const half = Math.ceil(tensors.length / 2);
  for (const [index, part] of [tensors.slice(0, half), tensors.slice(half)].entries()) {
    const file = join(rlinf, `model-0000${index + 1}-of-00002.safetensors`);
    writeSafetensors(file, new Map(part));
  }
}
