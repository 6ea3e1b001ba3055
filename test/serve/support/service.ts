import { setTimeout as sleep } from 'node:timers/promises';
import { NdArray, type Packable, ProtocolError, type Service } from '../../../lib/serve/index.js';

/** A policy whose actions are its state and the picture's sum: wrong rows would show. */
export function summingService(options: { delayMs?: number } = {}) {
  const batches: number[] = [];
  const service: Service<{ picture: number; state: number[] }> = {
    metadata: { name: 'summing', horizon: 2 },
    read(request: Packable) {
      const map = request as Record<string, Packable>;
      const picture = map?.['observation/image'];
      const state = map?.['observation/state'];
      if (!(picture instanceof NdArray) || !(state instanceof NdArray)) {
        const keys = Object.keys(map ?? {}).join(', ');
        throw new ProtocolError('ERR_DSRL_WIRE_KEYS', `a picture is missing, found ${keys}`, {
          hint: 'send observation/image and observation/state',
        });
      }
      const sum = Array.from(picture.data as Uint8Array).reduce((total, value) => total + value, 0);
      return { picture: sum, state: Array.from(state.toFloat32()) };
    },
    async infer(observations) {
      batches.push(observations.length);
      await sleep(options.delayMs ?? 0);
      if (observations.some(({ state }) => state[0] === 13)) throw new Error('/secret/path failed');
      return observations.map(({ picture, state }) => ({
        actions: new NdArray(Float32Array.from([picture, ...state, 1]), [2, 2]),
      }));
    },
  };
  return { service, batches };
}

export function observation(state: number[]): Record<string, Packable> {
  return {
    'observation/image': new NdArray(new Uint8Array(12).fill(1), [2, 2, 3]),
    'observation/state': new NdArray(Float64Array.from(state), [state.length]),
    prompt: 'tidy',
  };
}
