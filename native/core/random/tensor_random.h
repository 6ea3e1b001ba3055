#pragma once

#include <ATen/core/Tensor.h>

#include "core/random/philox.h"

namespace dsrl {

/// Standard normals [rows, columns], float32 on `device`: row e is the stream's draw for env
/// `first_env + e` at `step`. The same values on every device up to the rounding of log, sin, cos.
at::Tensor random_normal(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns,
                         at::Device device, int64_t first_env = 0);

/// Uniform in [0, 1), float32 [rows, columns] on the host: row e is the stream's draw for env e.
at::Tensor random_uniform(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns);

/// Uniform integers [count] in [0, bound), int64 on `device`: (word * bound) >> 32.
/// Words are those of env 0 at `step`. `bound` must be in [1, 2^31].
at::Tensor random_below(const RandomStream& stream, int64_t step, int64_t count, int64_t bound,
                        at::Device device);

namespace detail {
/// The words of `stream` as int64 [rows, columns], computed by tensor operations alone: what a
/// device other than the CPU runs, since no draw may cross from the host inside an update.
at::Tensor philox_words(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns,
                        at::Device device, int64_t first_env);
at::Tensor normal_from_words(const at::Tensor& words);
at::Tensor below_from_words(const at::Tensor& words, int64_t bound);
}  // namespace detail

}  // namespace dsrl
