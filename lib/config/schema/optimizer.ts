import { atLeastZero, beta, block, fixed, honoured, positive } from './fields.js';

/** Learning rates are constant. */
export function scheduler() {
  return fixed(
    'torch_constant',
    'learning-rate schedule',
    'use `torch_constant`; rates stay what they are',
  );
}

/** Adam's keys, with the defaults of one network. */
export function adam(network: string, defaults: { lr: number; beta2: number; clip: number }) {
  return block({
    lr: honoured(atLeastZero().default(defaults.lr), `learning rate of the ${network}`),
    lr_scheduler: scheduler(),
    adam_beta1: honoured(beta().default(0.9), 'average of the gradient'),
    adam_beta2: honoured(beta().default(defaults.beta2), 'average of its square'),
    adam_eps: honoured(positive().default(1e-8), 'added to the root of the average of its square'),
    clip_grad: honoured(positive().default(defaults.clip), "bound of the gradient's norm"),
    weight_decay: fixed(0, 'weight decay', 'leave it 0; Adam runs without'),
  });
}
