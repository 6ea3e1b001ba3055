#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace dsrl {

/// Where a picture lies, scaled without distortion, in the middle of a square.
struct PictureFit {
  int64_t height, width;  // after scaling, in pixels
  int64_t top, left;      // of its first pixel; the odd pixel of a padding is below or to the right
};

/// The fit of a `height` x `width` picture in a square of `side`. Sizes are truncated from double
/// quotients, as openpi's and LeRobot's Python does, whose rounding can cost a pixel.
/// Throws ERR_DSRL_OBSERVATION where a side would vanish (a picture thinner than 1 to `side`).
PictureFit fit_picture(int64_t height, int64_t width, int64_t side);

/// Pictures uint8 [B, H, W, 3] on the host -> [B, side, side, 3], with zeros around the picture.
///
/// openpi's image_tools.resize_with_pad to the bit: Pillow's bilinear resampler, which antialiases
/// (the triangle filter widens with the scale), works in two passes and rounds to uint8 after each,
/// with 22-bit fixed-point coefficients. As in Pillow 13.0; older ones differ by at most 1, and
/// only in pictures more than twice as high as wide. Source: Pillow, src/libImaging/
/// Resample.c. One thread a picture.
at::Tensor resize_with_pad_pil(const at::Tensor& pictures, int64_t side);

/// Pictures float32 [B, 3, H, W] in [0, 1] -> [B, 3, side, side], with zeros around the picture:
/// torch's plain bilinear interpolation, without antialias. Source: lerobot 0.6.1,
/// policies/common/vla_utils.py, resize_with_pad_torch. (0.4.4 pads with -1, which the scaling to
/// [-1, 1] that follows makes -3.)
at::Tensor resize_with_pad_lerobot(const at::Tensor& pictures, int64_t side);

}  // namespace dsrl
