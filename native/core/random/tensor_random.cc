#include "core/random/tensor_random.h"

#include <ATen/ATen.h>

#include <numbers>

#include "core/device/cuda_plugin.h"

namespace dsrl {
namespace detail {
namespace {

constexpr int64_t kMask = 0xFFFFFFFF;

// High and low words of a 32 x 32 bit product. int64 arithmetic wraps modulo 2^64, so the low word
// is right, and the arithmetic shift's sign bits are masked off the high one.
std::pair<at::Tensor, at::Tensor> multiply(const at::Tensor& word, int64_t multiplier) {
  const at::Tensor product = word * multiplier;
  return {at::bitwise_right_shift(product, 32).bitwise_and(kMask), product.bitwise_and(kMask)};
}

}  // namespace

at::Tensor philox_words(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns,
                        at::Device device, int64_t first_env) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const int64_t blocks = (columns + 3) / 4;
  at::Tensor c0 = at::arange(blocks, options).unsqueeze(0).expand({rows, blocks});
  at::Tensor c1 = at::arange(first_env, first_env + rows, options).unsqueeze(1).expand_as(c0);
  at::Tensor c2 = at::full_like(c0, step & kMask);
  at::Tensor c3 = at::full_like(c0, int64_t{stream.name_hash()});
  uint32_t k0 = stream.key()[0];
  uint32_t k1 = stream.key()[1];
  for (int round = 0; round < 10; ++round) {
    const auto [high0, low0] = multiply(c0, 0xD2511F53);
    const auto [high1, low1] = multiply(c2, 0xCD9E8D57);
    c0 = high1.bitwise_xor(c1).bitwise_xor(int64_t{k0});
    c1 = low1;
    c2 = high0.bitwise_xor(c3).bitwise_xor(int64_t{k1});
    c3 = low0;
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return at::stack({c0, c1, c2, c3}, 2).reshape({rows, blocks * 4}).narrow(1, 0, columns);
}

at::Tensor normal_from_words(const at::Tensor& words) {
  // Pairs (w0, w1) along the last axis, in float64 as the host draws them.
  const at::Tensor bits = at::bitwise_right_shift(words, 8).to(at::kDouble);
  const at::Tensor pairs = bits.reshape({words.size(0), words.size(1) / 2, 2});
  const at::Tensor radius = pairs.select(2, 0).add(1).mul(1.0 / 16777216.0).log().mul(-2).sqrt();
  const at::Tensor angle = pairs.select(2, 1).mul(2.0 * std::numbers::pi / 16777216.0);
  return at::stack({radius * angle.cos(), radius * angle.sin()}, 2)
      .reshape(words.sizes())
      .to(at::kFloat);
}

at::Tensor below_from_words(const at::Tensor& words, int64_t bound) {
  // Both factors are below 2^32, and bound at most 2^31: the product fits in an int64.
  return at::bitwise_right_shift(words * bound, 32);
}

}  // namespace detail

at::Tensor random_normal(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns,
                         at::Device device, int64_t first_env) {
  if (const DsrlCudaPlugin* plugin = cuda_plugin(device)) {
    return detail::normal_by(*plugin, stream, step, rows, columns, device, first_env);
  }
  if (!device.is_cpu()) {
    const int64_t padded = (columns + 3) / 4 * 4;
    const auto words = detail::philox_words(stream, step, rows, padded, device, first_env);
    return detail::normal_from_words(words).narrow(1, 0, columns);
  }
  at::Tensor out = at::empty({rows, columns}, at::kFloat);
  float* const data = out.data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) {
    stream.normal(static_cast<uint32_t>(step), static_cast<uint32_t>(first_env + row),
                  {data + row * columns, static_cast<size_t>(columns)});
  }
  return out;
}

at::Tensor random_uniform(const RandomStream& stream, int64_t step, int64_t rows, int64_t columns) {
  at::Tensor out = at::empty({rows, columns}, at::kFloat);
  float* const data = out.data_ptr<float>();
  for (int64_t row = 0; row < rows; ++row) {
    stream.uniform(static_cast<uint32_t>(step), static_cast<uint32_t>(row),
                   {data + row * columns, static_cast<size_t>(columns)});
  }
  return out;
}

at::Tensor random_below(const RandomStream& stream, int64_t step, int64_t count, int64_t bound,
                        at::Device device) {
  TORCH_CHECK(bound >= 1 && bound <= (int64_t{1} << 31), "bound ", bound, " is out of range");
  if (const DsrlCudaPlugin* plugin = cuda_plugin(device)) {
    return detail::below_by(*plugin, stream, step, count, bound, device);
  }
  if (!device.is_cpu()) {
    const auto words = detail::philox_words(stream, step, 1, count, device, 0);
    return detail::below_from_words(words.squeeze(0), bound);
  }
  std::vector<uint32_t> words(static_cast<size_t>(count));
  stream.words(static_cast<uint32_t>(step), 0, words);
  at::Tensor out = at::empty({count}, at::kLong);
  int64_t* const data = out.data_ptr<int64_t>();
  for (int64_t i = 0; i < count; ++i) {
    data[i] = static_cast<int64_t>((uint64_t{words[i]} * static_cast<uint64_t>(bound)) >> 32);
  }
  return out;
}

}  // namespace dsrl
