import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { liberoHome } from '../../../lib/native/index.js';

export interface Mp4 {
  brand: string;
  codec: string;
  width: number;
  height: number;
  frames: number;
  seconds: number;
}

/** What the boxes of an mp4 with one track say (ISO/IEC 14496-12), read without any library. */
export function readMp4(file: Buffer): Mp4 {
  const found = new Map<string, Buffer>();
  walk(file, found);
  const box = (name: string) => found.get(name) ?? Buffer.alloc(128);
  const stsd = box('stsd');
  const [timescale, duration] = [box('mdhd').readUInt32BE(12), box('mdhd').readUInt32BE(16)];
  return {
    brand: box('ftyp').toString('latin1', 0, 4),
    codec: stsd.toString('latin1', 12, 16),
    width: stsd.readUInt16BE(8 + 32),
    height: stsd.readUInt16BE(8 + 34),
    frames: box('stsz').readUInt32BE(8),
    seconds: duration / timescale,
  };
}

const CONTAINERS = ['moov', 'trak', 'mdia', 'minf', 'stbl'];

function walk(bytes: Buffer, found: Map<string, Buffer>): void {
  for (let at = 0; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32BE(at);
    const name = bytes.toString('latin1', at + 4, at + 8);
    if (size < 8) throw new Error(`the box ${name} has ${size} bytes`);
    const body = bytes.subarray(at + 8, at + size);
    found.set(name, body);
    if (CONTAINERS.includes(name)) walk(body, found);
    at += size;
  }
}

const OPENCV = `
import sys, cv2
video, frames = cv2.VideoCapture(sys.argv[1]), []
while True:
    there, frame = video.read()
    if not there: break
    frames.append(frame[:, :, ::-1].tobytes())
sys.stdout.buffer.write(b"".join(frames))`;

/** A program that decodes a video into RGB bytes on its standard output; null: there is none. */
export function findDecoder(): { name: string; decode(file: string): Buffer } | null {
  const run = (program: string, words: string[]) =>
    spawnSync(program, words, { maxBuffer: 1 << 28 });
  const python = join(liberoHome(), 'venv', 'bin', 'python');
  if (existsSync(python) && run(python, ['-c', 'import cv2']).status === 0) {
    return { name: 'OpenCV', decode: (file) => run(python, ['-c', OPENCV, file]).stdout };
  }
  if (run('ffmpeg', ['-version']).status === 0) {
    const words = (file: string) => ['-v', 'error', '-i', file, '-f', 'rawvideo'];
    const pixels = ['-pix_fmt', 'rgb24', '-'];
    return {
      name: 'ffmpeg',
      decode: (file) => run('ffmpeg', [...words(file), ...pixels]).stdout,
    };
  }
  return null;
}
