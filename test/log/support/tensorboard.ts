import { spawnSync } from 'node:child_process';
import { findPython } from '../../support/python.js';

/** One scalar as TensorBoard's own reader returns it; numbers that JSON lacks come as text. */
export interface ReadScalar {
  step: number;
  wallTime: number;
  value: number;
}

const SCRIPT = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
reader = EventAccumulator(sys.argv[1], size_guidance={"tensors": 0, "scalars": 0})
reader.Reload()
print(json.dumps({
    tag: [[event.step, event.wall_time, str(event.value)] for event in reader.Scalars(tag)]
    for tag in reader.Tags()["scalars"]
}))
`;

/** Reads a folder of event files with the reader that TensorBoard itself uses. */
export function readWithTensorBoard(folder: string): Record<string, ReadScalar[]> {
  const python = findPython();
  const result = spawnSync(python, ['-c', SCRIPT, folder], { encoding: 'utf8' });
  if (result.error !== undefined || result.stderr.includes("No module named 'tensorboard'")) {
    throw new Error(
      `this test needs TensorBoard's reader, and ${python} has none: run "npm run setup", or ` +
        `"${python} -m pip install tensorboard", or name another Python in DSRL_PYTHON`,
    );
  }
  if (result.status !== 0) throw new Error(`the TensorBoard reader failed:\n${result.stderr}`);
  const read = JSON.parse(result.stdout) as Record<string, [number, number, string][]>;
  return Object.fromEntries(
    Object.entries(read).map(([tag, events]) => [
      tag,
      events.map(([step, wallTime, value]) => ({ step, wallTime, value: pythonFloat(value) })),
    ]),
  );
}

function pythonFloat(text: string): number {
  if (text === 'inf') return Infinity;
  if (text === '-inf') return -Infinity;
  return Number(text); // 'nan' becomes NaN
}
