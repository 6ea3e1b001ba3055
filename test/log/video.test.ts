import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { findEncoder, type VideoEncoder } from '../../lib/log/video-encoder.js';
import type { Picture } from '../../lib/log/video-picture.js';
import { freePath, VideoStudio } from '../../lib/log/video-writer.js';
import { pretendFfmpeg } from '../support/ffmpeg.js';
import { findDecoder, readMp4 } from './support/mp4.js';

const root = mkdtempSync(join(tmpdir(), 'dsrl-video-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const newFolder = () => join(root, `${folders++}`);

const NOWHERE = { PATH: newFolder() };
const SIZE = { width: 64, height: 48 };
const FRAMES = 40;

/** A grey picture with a red square that moves to the right by one pixel a frame. */
function picture(index: number, { width, height } = SIZE): Picture {
  const data = new Uint8Array(3 * width * height).fill(128);
  for (let y = 16; y < 32; y++) {
    for (let x = index; x < index + 16; x++) data.set([220, 30, 30], 3 * (y * width + x));
  }
  return { data, width, height };
}

interface Made {
  folder: string;
  file: string;
  warnings: string[];
  finished: boolean;
}

async function make(
  find: () => Promise<VideoEncoder | null>,
  pictures = Array.from({ length: FRAMES }, (_, index) => picture(index)),
): Promise<Made> {
  const folder = newFolder();
  const file = join(folder, 'step_1', 'video.mp4');
  const warnings: string[] = [];
  const studio = new VideoStudio((text) => warnings.push(text), find);
  const video = studio.video(folder, 20);
  for (const each of pictures) await video.add(each);
  const finished = await video.finish(file);
  await studio.close();
  return { folder, file, warnings, finished };
}

/** Files below a folder: nothing unfinished may be left. */
const filesOf = (folder: string) =>
  existsSync(folder) ? readdirSync(folder, { recursive: true }).sort() : [];

const WHOLE = { finished: true, warnings: [] };

function expectVideo({ folder, file }: Made): void {
  expect(filesOf(folder)).toEqual(['step_1', 'step_1/video.mp4']);
  expect(readMp4(readFileSync(file))).toMatchObject({
    codec: 'avc1',
    ...SIZE,
    frames: FRAMES,
    seconds: expect.closeTo(FRAMES / 20, 1),
  });
}

const decoder = findDecoder();
const why = decoder === null ? ': no OpenCV of LIBERO, no ffmpeg' : ` by ${decoder.name}`;

/** Every pixel of every picture is where it was, but for what compression changes. */
function expectPictures({ file }: Made): void {
  const decoded = decoder?.decode(file) ?? Buffer.alloc(0);
  const bytes = 3 * SIZE.width * SIZE.height;
  expect(decoded.length).toBe(FRAMES * bytes);
  for (let index = 0; index < FRAMES; index++) {
    const { data } = picture(index);
    const shown = decoded.subarray(index * bytes, (index + 1) * bytes);
    const error = data.reduce((sum, value, at) => sum + Math.abs(value - (shown[at] ?? 0)), 0);
    expect(error / bytes, `picture ${index}`).toBeLessThan(6);
  }
}

describe('the package h264-mp4-encoder, where there is no ffmpeg', () => {
  const find = () => findEncoder(NOWHERE);

  it('makes an mp4 in a thread of its own', async () => {
    expect((await find())?.name).toBe('h264-mp4-encoder');
    const listeners = process.listenerCount('uncaughtException');
    const made = await make(find);
    expect(made).toMatchObject(WHOLE);
    expectVideo(made);
    expect(process.listenerCount('uncaughtException')).toBe(listeners);
  });

  it.skipIf(decoder === null)(`shows the pictures as they were${why}`, async () => {
    expectPictures(await make(find));
  });

  it('makes several at once, of odd sides too, and gives one up', async () => {
    const folder = newFolder();
    const warnings: string[] = [];
    const studio = new VideoStudio((text) => warnings.push(text), find);
    const videos = [0, 1, 2].map(() => studio.video(folder, 30));
    const sizes = [SIZE, { width: 63, height: 47 }, SIZE];
    for (let index = 0; index < 5; index++) {
      await Promise.all(videos.map((video, k) => video.add(picture(index, sizes[k]))));
    }
    const [first, second, third] = videos;
    const [a, b] = [join(folder, 'a.mp4'), join(folder, 'b.mp4')];
    await Promise.all([first?.finish(a), second?.finish(b), third?.discard()]);
    await studio.close();
    expect(warnings).toEqual([]);
    expect(filesOf(folder)).toEqual(['a.mp4', 'b.mp4']);
    for (const file of [a, b]) {
      expect(readMp4(readFileSync(file))).toMatchObject({ ...SIZE, frames: 5 });
    }
  });
});

// Its bytes are checked where there is one: elsewhere a program that pretends takes its part.
const ffmpeg = await findEncoder();
describe.skipIf(ffmpeg?.name.startsWith('ffmpeg') !== true)("the system's ffmpeg", () => {
  it.skipIf(decoder === null)(`makes an mp4${why}`, async () => {
    const made = await make(async () => ffmpeg);
    expect(made).toMatchObject(WHOLE);
    expectVideo(made);
    expectPictures(made);
  });
});

describe('ffmpeg', () => {
  it('begins where a process that was killed left a part, and lets the living be', async () => {
    const { pid } = spawnSync(process.execPath, ['--version']); // it has ended
    const { env } = pretendFfmpeg(newFolder());
    const folder = newFolder();
    mkdirSync(folder);
    const [dead, alive] = [pid, process.ppid].map((id) => `.video-${id}-0.unfinished`);
    for (const name of [dead, alive, 'notes']) writeFileSync(join(folder, name as string), 'x');
    const studio = new VideoStudio(
      (text) => expect.fail(text),
      () => findEncoder(env),
    );
    const video = studio.video(folder, 20);
    await video.add(picture(0));
    await video.finish(join(folder, 'a.mp4'));
    await studio.close();
    expect(filesOf(folder)).toEqual([alive, 'a.mp4', 'notes']);
  });

  it('is preferred, and gets every frame as it is', async () => {
    const { env, calls } = pretendFfmpeg(newFolder());
    const made = await make(() => findEncoder(env));
    expect(made).toMatchObject(WHOLE);
    const frames = Array.from({ length: FRAMES }, (_, index) => picture(index).data);
    expect(readFileSync(made.file).equals(Buffer.concat(frames))).toBe(true);
    const words = calls()[0]?.words ?? [];
    const given = (word: string) => words[words.indexOf(word) + 1];
    expect(given('-video_size')).toBe('64x48');
    expect(given('-framerate')).toBe('20');
    expect(given('-pixel_format')).toBe('rgb24');
    expect(given('-c:v')).toBe('libx264');
    expect(given('-pix_fmt')).toBe('yuv420p');
  });

  it('that makes no H.264 is left alone', async () => {
    const { env } = pretendFfmpeg(newFolder(), 'bare');
    expect((await findEncoder(env))?.name).toBe('h264-mp4-encoder');
  });

  it('that breaks costs its videos and one warning', async () => {
    const { env } = pretendFfmpeg(newFolder(), 'breaks');
    const folder = newFolder();
    const warnings: string[] = [];
    const studio = new VideoStudio(
      (text) => warnings.push(text),
      () => findEncoder(env),
    );
    for (const name of ['a.mp4', 'b.mp4']) {
      const video = studio.video(folder, 30);
      for (let index = 0; index < FRAMES; index++) await video.add(picture(index));
      expect(await video.finish(join(folder, name))).toBe(false);
    }
    await studio.close();
    expect(warnings).toEqual([
      `a video in ${folder} is lost: ffmpeg: it ended with 1: Conversion failed!`,
    ]);
    expect(filesOf(folder)).toEqual([]);
  });
});

describe('a video that cannot be written', () => {
  it('is none where ffmpeg fails at its very end', async () => {
    const made = await make(() => findEncoder(pretendFfmpeg(newFolder(), 'full').env));
    expect(made).toMatchObject({
      finished: false,
      warnings: [expect.stringMatching(/ended with 1: No space left on device$/)],
    });
    expect(filesOf(made.folder)).toEqual([]);
  });

  it('costs one warning where there is no encoder', async () => {
    const made = await make(async () => null);
    expect(made.finished).toBe(false);
    expect(made.warnings).toEqual([expect.stringMatching(/^no videos: .*npm install h264/)]);
    expect(filesOf(made.folder)).toEqual([]);
    const studio = new VideoStudio(
      () => {},
      async () => null,
    );
    expect(studio.possible).toBe(true);
    await studio.video(made.folder, 30).add(picture(0));
    expect(studio.possible).toBe(false); // so that nothing more is drawn for it
  });

  it('costs one warning where its folder is a file, or its pictures change their size', async () => {
    const warnings: string[] = [];
    const find = () => findEncoder(NOWHERE);
    const studio = new VideoStudio((text) => warnings.push(text), find);
    const video = studio.video(join(import.meta.filename, 'below'), 30);
    await video.add(picture(0));
    expect(await video.finish(join(root, 'x.mp4'))).toBe(false);
    await studio.close();
    expect(warnings).toHaveLength(1);

    const changing = [picture(0), picture(0, { width: 48, height: 64 })];
    const made = await make(find, changing);
    expect(made).toMatchObject({ finished: false, warnings: [expect.stringMatching(/48 x 64/)] });
    expect(filesOf(made.folder)).toEqual([]);
  });

  it('is none where nothing was shown', async () => {
    const made = await make(() => findEncoder(NOWHERE), []);
    expect(made).toMatchObject({ finished: false, warnings: [] });
  });
});

it('a name that is taken gets a number', () => {
  const taken = import.meta.filename;
  expect(freePath(join(root, 'train.mp4'))).toBe(join(root, 'train.mp4'));
  expect(freePath(taken)).toBe(taken.replace(/\.ts$/, '-2.ts'));
});
