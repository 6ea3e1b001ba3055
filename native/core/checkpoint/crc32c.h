#pragma once

#include <cstddef>
#include <cstdint>

namespace dsrl {

/// CRC-32C (Castagnoli), as in RFC 3720: crc32c("123456789") = 0xE3069283.
uint32_t crc32c(const void* data, size_t size, uint32_t previous = 0);

}  // namespace dsrl
