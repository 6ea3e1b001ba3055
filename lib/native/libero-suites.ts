/** LIBERO's sets of tasks. The C++ environment has the first; the original has all of them. */
export const LIBERO_SUITES = [
  'libero_spatial',
  'libero_object',
  'libero_goal',
  'libero_10',
  'libero_90',
] as const;
export type LiberoSuite = (typeof LIBERO_SUITES)[number];
