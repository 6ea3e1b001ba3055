import { expect, test } from 'vitest';
import { crc32c, maskedCrc32c } from '../../lib/log/crc32c.js';

test('the check value of CRC-32C', () => {
  expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
});

// RFC 3720 (iSCSI), appendix B.4.
test.each([
  ['32 zeros', Buffer.alloc(32), 0x8a9136aa],
  ['32 bytes of ones', Buffer.alloc(32, 0xff), 0x62a8ab43],
  ['0 to 31', Buffer.from(Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e],
  ['31 to 0', Buffer.from(Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c],
])('a vector of the RFC: %s', (_name, bytes, expected) => {
  expect(crc32c(bytes)).toBe(expected);
});

test('no bytes give 0', () => {
  expect(crc32c(new Uint8Array(0))).toBe(0);
});

test('the mask is a rotation by 15 bits and an offset, modulo 2^32', () => {
  // crc 0xE3069283: rotated right by 15 it is 0x2507C60D; plus 0xA282EAD8 = 0xC78AB0E5.
  expect(maskedCrc32c(Buffer.from('123456789'))).toBe(0xc78ab0e5);
});
