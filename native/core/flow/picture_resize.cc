#include "core/flow/picture_resize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/error.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

constexpr size_t kChannels = 3;
constexpr int kPrecisionBits = 22;  // Pillow: 32 bits - 8 of a pixel - 2 of head room
constexpr int32_t kHalf = 1 << (kPrecisionBits - 1);

// The weights with which one axis of a picture makes each pixel of its scaled axis.
struct Taps {
  int64_t width = 0;                 // coefficients a pixel, the unused ones zero
  std::vector<int64_t> first;        // of the source pixels that a pixel is made of
  std::vector<int64_t> count;        // how many those are
  std::vector<int32_t> coefficient;  // [pixels, width], fixed point
};

Taps triangle_taps(int64_t source, int64_t scaled) {
  const double scale = static_cast<double>(source) / static_cast<double>(scaled);
  const double support = std::max(scale, 1.0);  // half the triangle's base: widened to antialias
  Taps taps;
  taps.width = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.coefficient.assign(static_cast<size_t>(scaled * taps.width), 0);
  std::vector<double> weights(static_cast<size_t>(taps.width));
  for (int64_t pixel = 0; pixel < scaled; ++pixel) {
    const double center = (static_cast<double>(pixel) + 0.5) * scale;
    const auto first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    const auto end = std::min<int64_t>(source, static_cast<int64_t>(center + support + 0.5));
    double sum = 0;
    for (int64_t i = first; i < end; ++i) {
      const double distance = std::abs((static_cast<double>(i) - center + 0.5) * (1.0 / support));
      weights[static_cast<size_t>(i - first)] = std::max(0.0, 1.0 - distance);
      sum += weights[static_cast<size_t>(i - first)];
    }
    for (int64_t i = 0; i < end - first; ++i) {
      taps.coefficient[static_cast<size_t>(pixel * taps.width + i)] =
          static_cast<int32_t>(0.5 + weights[static_cast<size_t>(i)] / sum * (1 << kPrecisionBits));
    }
    taps.first.push_back(first);
    taps.count.push_back(end - first);
  }
  return taps;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// One picture, of rows that stand `stride` bytes apart.
struct Rows {
  uint8_t* data;
  int64_t stride;
};

// Scales each of `rows` rows.
void resample_across(const Rows& source, const Taps& taps, int64_t rows, const Rows& scaled) {
  const size_t pixels = taps.first.size();
  for (int64_t row = 0; row < rows; ++row) {
    uint8_t* out = scaled.data + row * scaled.stride;
    const int32_t* weights = taps.coefficient.data();
    for (size_t pixel = 0; pixel < pixels; ++pixel, weights += taps.width) {
      const uint8_t* from = source.data + row * source.stride + taps.first[pixel] * kChannels;
      const int64_t count = taps.count[pixel];
      std::array<int32_t, kChannels> sums{kHalf, kHalf, kHalf};
      for (int64_t i = 0; i < count; ++i) {
        for (size_t channel = 0; channel < kChannels; ++channel) {
          sums[channel] += *from++ * weights[i];
        }
      }
      for (const int32_t sum : sums) *out++ = rounded(sum);
    }
  }
}

// Scales each of `length` columns of bytes, a whole row of them at a time.
void resample_down(const Rows& source, const Taps& taps, int64_t length, const Rows& scaled) {
  std::vector<int32_t> sums(static_cast<size_t>(length));
  const int32_t* weights = taps.coefficient.data();
  for (size_t pixel = 0; pixel < taps.first.size(); ++pixel, weights += taps.width) {
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t i = 0; i < taps.count[pixel]; ++i) {
      const uint8_t* const row = source.data + (taps.first[pixel] + i) * source.stride;
      const int32_t weight = weights[i];
      for (int64_t j = 0; j < length; ++j) sums[static_cast<size_t>(j)] += row[j] * weight;
    }
    uint8_t* const out = scaled.data + static_cast<int64_t>(pixel) * scaled.stride;
    for (int64_t j = 0; j < length; ++j) out[j] = rounded(sums[static_cast<size_t>(j)]);
  }
}

}  // namespace

PictureFit fit_picture(int64_t height, int64_t width, int64_t side) {
  const auto quotient = [](int64_t a, double b) { return static_cast<double>(a) / b; };
  const double ratio = std::max(quotient(width, static_cast<double>(side)),
                                quotient(height, static_cast<double>(side)));
  PictureFit fit{};
  fit.height = static_cast<int64_t>(quotient(height, ratio));
  fit.width = static_cast<int64_t>(quotient(width, ratio));
  if (fit.height < 1 || fit.width < 1) {
    throw Error("ERR_DSRL_OBSERVATION",
                "a picture of " + std::to_string(height) + " x " + std::to_string(width) +
                    " pixels vanishes when it is scaled to " + std::to_string(side));
  }
  fit.top = (side - fit.height) / 2;
  fit.left = (side - fit.width) / 2;
  return fit;
}

at::Tensor resize_with_pad_pil(const at::Tensor& pictures, int64_t side) {
  const int64_t batch = pictures.size(0), height = pictures.size(1), width = pictures.size(2);
  if (height == side && width == side) return pictures;
  const PictureFit fit = fit_picture(height, width, side);
  const at::Tensor source = pictures.contiguous();
  constexpr int64_t channels = kChannels;
  const at::Tensor result = at::zeros({batch, side, side, channels}, at::kByte);
  const Taps across = triangle_taps(width, fit.width), down = triangle_taps(height, fit.height);
  // Pillow leaves out the pass of an axis that keeps its length, and so rounds once less. Since
  // version 13 it goes down first where that saves much work; before, always across first.
  const bool keeps_width = fit.width == width, keeps_height = fit.height == height;
  const bool down_first = fit.height < height && height - fit.height > 2 * (width - fit.width);
  const int64_t length = width * channels, fit_length = fit.width * channels;
  at::parallel_for(0, batch, 1, [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> between(
        static_cast<size_t>(down_first ? fit.height * length : height * fit_length));
    for (int64_t picture = begin; picture < end; ++picture) {
      const Rows from{
          const_cast<uint8_t*>(source.const_data_ptr<uint8_t>()) + picture * height * length,
          length};
      const Rows to{result.mutable_data_ptr<uint8_t>() +
                        ((picture * side + fit.top) * side + fit.left) * channels,
                    side * channels};
      if (keeps_width) {
        resample_down(from, down, length, to);
      } else if (keeps_height) {
        resample_across(from, across, height, to);
      } else if (down_first) {
        resample_down(from, down, length, {between.data(), length});
        resample_across({between.data(), length}, across, fit.height, to);
      } else {
        resample_across(from, across, height, {between.data(), fit_length});
        resample_down({between.data(), fit_length}, down, fit_length, to);
      }
    }
  });
  return result;
}

at::Tensor resize_with_pad_lerobot(const at::Tensor& pictures, int64_t side) {
  const int64_t height = pictures.size(2), width = pictures.size(3);
  if (height == side && width == side) return pictures;
  const PictureFit fit = fit_picture(height, width, side);
  // Contiguous: the kernel for another memory order sums in another order.
  const at::Tensor scaled =
      at::upsample_bilinear2d(pictures.contiguous(), {fit.height, fit.width}, false).clamp_(0, 1);
  return at::constant_pad_nd(
      scaled, {fit.left, side - fit.width - fit.left, fit.top, side - fit.height - fit.top});
}

}  // namespace dsrl
