#pragma once

#include <string>

#include "core/nn/config.h"
#include "core/replay/batch.h"
#include "core/sac/learner.h"

namespace dsrl {

/// A batch and its noise as `debug replay-updates` reads them (replay_updates.md, "Inputs").
struct BatchFile {
  Batch batch;
  UpdateNoise noise;
};

/// Reads a batch file strictly: every tensor of the table, no other, of the right dtype and shape.
BatchFile read_batch(const std::string& path, const NetworkConfig& config, at::Device device);

}  // namespace dsrl
