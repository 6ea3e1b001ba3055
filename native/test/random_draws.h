#pragma once

#include <cstdint>
#include <vector>

namespace dsrl {

// Seeds, steps and first environments at the borders of their ranges, and inside.
struct Draw {
  uint64_t seed;
  int64_t step, first_env;
};
inline const std::vector<Draw> kDraws{
    {0, 0, 0},
    {42, 11, 100},
    {~uint64_t{0}, 0xFFFFFFFF, 0xFFFFFFFF - 4},
    {uint64_t{1} << 63, 1, 0x80000000},
    {0xFFFFFFFF, 0x80000000, 7},
    {5, (int64_t{1} << 32) + 5, 0}};  // a step is a word: it wraps

}  // namespace dsrl
