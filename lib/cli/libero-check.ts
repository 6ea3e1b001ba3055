import { readLiberoBundle, verifyAssets } from '../native/libero-bundle.js';

export interface BundleReport {
  bundle: string;
  suite: string;
  mujoco: string;
  lod: boolean;
  files: number;
}

/**
 * Checks every file of a bundle against its hash.
 *
 * @param folder the one in the user's cache unless given
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_BUNDLE that names the file
 */
export function checkBundle(folder?: string): BundleReport {
  const bundle = readLiberoBundle(folder);
  verifyAssets(bundle);
  const { suite, mujoco, lod_scene, files } = bundle.json;
  const count = Object.keys(files).length;
  return { bundle: bundle.folder, suite, mujoco, lod: lod_scene !== null, files: count };
}
