#include "core/sac/agent.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"
#include "core/random/tensor_random.h"
#include "core/sac/squashed_gaussian.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

void check_observation(const NetworkConfig& config, const at::Tensor& frames,
                       const at::Tensor& states) {
  const int64_t side = config.image_size;
  if (!states.defined() || states.dim() != 2 || states.size(1) != config.state_dim ||
      states.scalar_type() != at::kFloat) {
    throw Error("ERR_DSRL_OBSERVATION", "the agent expects states Float [B, " +
                                            std::to_string(config.state_dim) + "], found " +
                                            shape_text(states));
  }
  if (!config.has_images()) return;
  if (!frames.defined() || frames.dim() != 4 || frames.scalar_type() != at::kByte ||
      frames.sizes() != at::IntArrayRef({states.size(0), side, side, 3})) {
    throw Error("ERR_DSRL_OBSERVATION", "the agent expects frames Byte [B, " +
                                            std::to_string(side) + ", " + std::to_string(side) +
                                            ", 3], found " + shape_text(frames));
  }
}

}  // namespace

Agent::Agent(const NetworkConfig& config, uint64_t seed, at::Device device)
    : config_((validate(config), config)),
      device_(device),
      actor_(Actor::layout(config), device),
      network_(config, actor_.frozen()),
      stream_(seed, "agent.act") {
  initialize(config_, seed, actor_);
}

at::Tensor Agent::act(const at::Tensor& frames, const at::Tensor& states, int64_t step,
                      bool deterministic) const {
  check_observation(config_, frames, states);
  const at::NoGradGuard no_gradient;
  const std::lock_guard<std::mutex> lock(mutex_);
  AgentInput input;
  if (config_.has_images()) input.images = normalize_frames(frames.to(device_));
  input.states = states.to(device_);
  const Gaussian gaussian = network_(input);
  if (deterministic) return mode_noise(gaussian, config_.noise_magnitude);
  const at::Tensor eps = random_normal(stream_, step, states.size(0), config_.noise_dim, device_);
  return sample_noise(gaussian, eps, config_.noise_magnitude).noise;
}

void Agent::assign(const at::Tensor& actor_values, int64_t version) {
  const at::NoGradGuard no_gradient;
  const std::lock_guard<std::mutex> lock(mutex_);
  actor_.values().copy_(actor_values);
  version_ = version;
}

void Agent::load(const std::map<std::string, at::Tensor>& tensors, const std::string& file,
                 int64_t version) {
  const std::lock_guard<std::mutex> lock(mutex_);
  assign_tensors(actor_.named(), tensors, file);
  version_ = version;
}

int64_t Agent::version() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return version_;
}

at::Tensor resize_frames(const at::Tensor& pictures, int64_t size) {
  if (!pictures.defined() || pictures.dim() != 4 || pictures.size(3) != 3 ||
      pictures.scalar_type() != at::kByte) {
    throw Error("ERR_DSRL_OBSERVATION",
                "pictures must be Byte [B, H, W, 3], found " + shape_text(pictures));
  }
  if (pictures.size(1) == size && pictures.size(2) == size) return pictures;
  const at::NoGradGuard no_gradient;
  const at::Tensor channels_first = pictures.permute({0, 3, 1, 2}).to(at::kFloat);
  return at::upsample_bilinear2d(channels_first, {size, size}, /*align_corners=*/false)
      .round()
      .to(at::kByte)
      .permute({0, 2, 3, 1})
      .contiguous();
}

}  // namespace dsrl
