#include "core/random/philox.h"

#include <cmath>
#include <numbers>

#include "core/checkpoint/crc32c.h"

namespace dsrl {
namespace {

constexpr uint32_t kMultiplier0 = 0xD2511F53;
constexpr uint32_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr double kTwoToMinus24 = 1.0 / 16777216.0;

// Calls `emit(block)` for blocks 0, 1, ... until `count` values are covered four at a time.
template <typename Emit>
void for_each_block(size_t count, std::array<uint32_t, 2> key, uint32_t env, uint32_t step,
                    uint32_t name, Emit emit) {
  for (size_t block = 0; block * 4 < count; ++block) {
    emit(block * 4, philox4x32({static_cast<uint32_t>(block), env, step, name}, key));
  }
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{kMultiplier0} * counter[0];
    const uint64_t product1 = uint64_t{kMultiplier1} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0],
               static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1],
               static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

RandomStream::RandomStream(uint64_t seed, std::string_view name)
    : key_{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)},
      name_hash_(crc32c(name.data(), name.size())) {}

void RandomStream::words(uint32_t step, uint32_t env, std::span<uint32_t> out) const {
  for_each_block(out.size(), key_, env, step, name_hash_, [&](size_t first, const auto& block) {
    for (size_t i = 0; i < 4 && first + i < out.size(); ++i) out[first + i] = block[i];
  });
}

void RandomStream::uniform(uint32_t step, uint32_t env, std::span<float> out) const {
  for_each_block(out.size(), key_, env, step, name_hash_, [&](size_t first, const auto& block) {
    for (size_t i = 0; i < 4 && first + i < out.size(); ++i) {
      out[first + i] = static_cast<float>((block[i] >> 8) * kTwoToMinus24);
    }
  });
}

void RandomStream::normal(uint32_t step, uint32_t env, std::span<float> out) const {
  for_each_block(out.size(), key_, env, step, name_hash_, [&](size_t first, const auto& block) {
    for (size_t pair = 0; pair < 4 && first + pair < out.size(); pair += 2) {
      const double radius = std::sqrt(-2.0 * std::log(((block[pair] >> 8) + 1) * kTwoToMinus24));
      const double angle = 2.0 * std::numbers::pi * ((block[pair + 1] >> 8) * kTwoToMinus24);
      out[first + pair] = static_cast<float>(radius * std::cos(angle));
      if (first + pair + 1 < out.size()) {
        out[first + pair + 1] = static_cast<float>(radius * std::sin(angle));
      }
    }
  });
}

}  // namespace dsrl
