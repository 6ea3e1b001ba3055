#pragma once

#include <cstdint>

#include "cuda/host_device.h"

namespace dsrl::cuda {

/// A byte of a frame as the encoders see it, in [-1, 1]; rounded where the plain version rounds:
/// after the division and after the subtraction.
DSRL_HOST_DEVICE inline float normalized(uint8_t byte) {
  return static_cast<float>(byte) / 255.0F * 2.0F - 1.0F;
}

}  // namespace dsrl::cuda
