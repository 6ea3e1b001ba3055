#include "core/flow/processing.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/error.h"
#include "core/flow/picture_resize.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const std::string& expected, const std::string& found) {
  throw Error("ERR_DSRL_OBSERVATION", "the frozen policy expects " + expected + ", found " + found);
}

void require(const std::string& name, const at::Tensor& tensor, at::ScalarType type,
             const std::vector<int64_t>& shape) {
  if (tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == shape) return;
  refuse(name + " " + shape_text(type, shape), shape_text(tensor));
}

}  // namespace

PolicyProcessing::PolicyProcessing(const PolicySpec& spec, at::Device device)
    : spec_(spec),
      device_(device),
      state_(spec.state, spec.normalization_mode, spec.normalization_eps, device),
      actions_(spec.actions, spec.normalization_mode, spec.normalization_eps, device) {
  const std::vector<uint8_t>& mask = spec.delta_action_mask;
  if (std::find(mask.begin(), mask.end(), 1) != mask.end()) {
    delta_mask_ = at::tensor(std::vector<double>(mask.begin(), mask.end()), at::kDouble).to(device);
  }
}

void PolicyProcessing::check(const PolicyObservation& observation) const {
  const at::Tensor& states = observation.states;
  const int64_t batch =
      states.defined() && states.dim() == 2 ? std::max<int64_t>(1, states.size(0)) : 1;
  require("states", states, at::kFloat, {batch, spec_.state_dim});
  if (observation.images.size() != static_cast<size_t>(spec_.num_cameras)) {
    refuse(std::to_string(spec_.num_cameras) + " cameras",
           std::to_string(observation.images.size()));
  }
  for (size_t camera = 0; camera < observation.images.size(); ++camera) {
    const at::Tensor& images = observation.images[camera];
    std::vector<int64_t> shape{batch, spec_.image_size, spec_.image_size, 3};
    if (spec_.image_resize != ImageResize::kNone && images.defined() && images.dim() == 4) {
      shape[1] = std::max<int64_t>(1, images.size(1));
      shape[2] = std::max<int64_t>(1, images.size(2));
    }
    require("images[" + std::to_string(camera) + "]", images, at::kByte, shape);
  }
  require("tokens", observation.tokens, at::kLong, {batch, spec_.prompt_length});
  require("token_mask", observation.token_mask, at::kBool, {batch, spec_.prompt_length});
  if (observation.image_masks.defined()) {
    require("image_masks", observation.image_masks, at::kBool, {batch, spec_.num_cameras});
  }
}

// uint8 [B, H, W, 3] -> float32 [B, 3, S, S] in [-1, 1], with the originals' own operations.
at::Tensor PolicyProcessing::pictures(const at::Tensor& images) const {
  const at::Tensor bytes = spec_.image_resize == ImageResize::kOpenpi
                               ? resize_with_pad_pil(images.cpu(), spec_.image_size)
                               : images;
  // Turned around as bytes, a quarter of the memory of floats.
  at::Tensor unit = bytes.to(device_).permute({0, 3, 1, 2}).contiguous().to(at::kFloat).div_(255);
  if (spec_.image_resize == ImageResize::kLerobot) {
    unit = resize_with_pad_lerobot(unit, spec_.image_size);
  }
  return unit.mul_(2).sub_(1);
}

NetworkInputs PolicyProcessing::inputs(const PolicyObservation& observation) const {
  check(observation);
  std::vector<at::Tensor> cameras;
  for (const at::Tensor& images : observation.images) cameras.push_back(pictures(images));
  const at::Tensor state = at::constant_pad_nd(state_.normalize(observation.states.to(device_)),
                                               {0, spec_.noise_dim - spec_.state_dim});
  return {at::stack(cameras, 1), observation.image_masks, observation.tokens,
          observation.token_mask, state};
}

at::Tensor PolicyProcessing::actions(const at::Tensor& normalized, const at::Tensor& states) const {
  at::Tensor actions = actions_.denormalize(normalized.narrow(2, 0, spec_.action_dim));
  if (delta_mask_.defined()) {
    const int64_t noises = normalized.size(0) / states.size(0);
    // [B, state_dim] -> [B * M, 1, action_dim]; cut, or padded with zeros where nothing is added.
    const at::Tensor raw = at::constant_pad_nd(states.to(device_).to(at::kDouble),
                                               {0, spec_.action_dim - spec_.state_dim});
    actions = actions + raw.repeat_interleave(noises, 0).unsqueeze(1) * delta_mask_;
  }
  return actions.to(at::kFloat);
}

}  // namespace dsrl
