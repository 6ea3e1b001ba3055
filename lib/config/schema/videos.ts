import * as z from 'zod';
import { block, choice, described, flag, honoured, inertTyped, text, whole } from './fields.js';

const PAIR = '\\d+:\\d+';
const EPISODES = new RegExp(`^(all|failed|${PAIR}(,${PAIR})*)$`);

/** Which episodes of an evaluation get a video, as text; a list of pairs may be given as a list. */
const episodes = described(
  z.preprocess(
    (value) => (Array.isArray(value) ? value.join(',') : value),
    z.string().regex(EPISODES),
  ),
  "all, failed, or pairs task:trial as in '0:3,5:12'",
);

/** `env.train.video_cfg` or `env.eval.video_cfg`. */
export function videos(role: 'train' | 'eval') {
  const chosen = episodes.default('all');
  return block({
    save_video: honoured(
      flag().default(false),
      role === 'train'
        ? 'True: a video of all environments, side by side, for every global step'
        : 'True: a video of every episode that `episodes` chooses',
    ),
    info_on_video: honoured(flag().default(true), 'task, step, reward and success on the picture'),
    video_base_dir: honoured(
      text().nullable().default(null),
      "where a folder with the run's name gets the videos; null: `videos/` of the run's folder",
    ),
    fps: honoured(whole(1, 240).nullable().default(null), 'pictures a second; null: 30'),
    size: honoured(whole(64, 1024).default(256), "side of an environment's picture in a video"),
    every: honoured(
      choice('step', 'chunk').default('step'),
      'a picture of every step, or, with nothing more to draw, of every chunk',
    ),
    episodes:
      role === 'eval'
        ? honoured(chosen, 'the episodes that get a video')
        : inertTyped(chosen, 'training shows all environments'),
  });
}
