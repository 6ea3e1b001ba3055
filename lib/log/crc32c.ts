/**
 * CRC-32C (Castagnoli), the checksum of TensorBoard's record format. `zlib.crc32` is another
 * polynomial (0xEDB88320) and cannot stand in.
 */

const POLYNOMIAL = 0x82f63b78; // 0x1EDC6F41 with its bits reversed

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder;
});

/** The CRC-32C of `bytes`, an unsigned 32 bit integer. crc32c("123456789") = 0xE3069283. */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc = (crc >>> 8) ^ (TABLE[(crc ^ byte) & 0xff] as number);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/**
 * The CRC as records store it: rotated right by 15 bits and offset by a constant, because the CRC
 * of data that itself contains CRCs is weak.
 */
export function maskedCrc32c(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
