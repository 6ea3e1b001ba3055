import type { LiberoBackend } from '../native/index.js';

/**
 * Scenes for demonstrations: an initial state that LIBERO does not evaluate on, its objects moved a
 * little. There are only 50 of those a task, and a small policy learns 50 places by heart.
 */

const MOVED_BY = 0.015; // metres, in x and in y

// Of an environment's saved state: time, then qpos: 7 joints, 2 fingers, free joints of 7.
const FIRST_OBJECT = 1 + 9;
const FREE_JOINT = 7;
const BOWLS = [0, 1] as const;
const BOXES = [2, 3] as const; // cookies, ramekin: what a bowl may stand on
const PLATE = 4;
const HIGH = 1.0; // what is higher, and on no box, stands on cabinet or stove or in the drawer
const STACKED = 0.04; // in the plane

/** Where an object's x stands in an environment's saved state; y and z follow it. */
const placeOf = (object: number) => FIRST_OBJECT + object * FREE_JOINT;

/**
 * Moves the objects of each freshly restored environment.
 *
 * @param luck [B, >= 6] uniform numbers; 2 and 3 move what stands on the table, as one group, so
 *   that no object is pushed into another, and 4 and 5 the plate. What stands on furniture stays.
 */
export function moveObjects(backend: LiberoBackend, luck: readonly (readonly number[])[]): void {
  const saved = backend.saveState();
  const size = saved.length / backend.numEnvs;
  for (const [env, numbers] of luck.entries()) {
    const offset = (i: number) => (2 * (numbers[i] ?? 0.5) - 1) * MOVED_BY;
    const at = (object: number) => env * size + placeOf(object);
    const read = (object: number, axis: number) => saved[at(object) + axis] ?? 0;
    const stacked = (bowl: number) =>
      BOXES.some((box) => {
        const [x, y] = [read(bowl, 0) - read(box, 0), read(bowl, 1) - read(box, 1)];
        return Math.hypot(x, y) < STACKED;
      });
    const group = [...BOXES, ...BOWLS.filter((bowl) => read(bowl, 2) < HIGH || stacked(bowl))];
    const move = (object: number, x: number, y: number) => {
      saved[at(object)] = read(object, 0) + x;
      saved[at(object) + 1] = read(object, 1) + y;
    };
    for (const object of group) move(object, offset(2), offset(3));
    move(PLATE, offset(4), offset(5));
  }
  backend.loadState(saved);
}

/** Where both bowls and the plate of each environment are: B arrays of [3, xyz], in metres. */
export function objectPlaces(backend: LiberoBackend): Float32Array[] {
  const saved = backend.saveState();
  const size = saved.length / backend.numEnvs;
  return Array.from({ length: backend.numEnvs }, (_, env) =>
    Float32Array.from(
      [...BOWLS, PLATE].flatMap((object) => {
        const at = env * size + placeOf(object);
        return [...saved.subarray(at, at + 3)];
      }),
    ),
  );
}
