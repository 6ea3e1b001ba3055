#include "core/flow/frozen_policy.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "core/error.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const char* code, const std::string& message) {
  throw Error(code, message);
}

void require(const char* name, const at::Tensor& tensor, at::ScalarType type,
             std::vector<int64_t> shape) {
  if (tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == shape) return;
  refuse("ERR_DSRL_OBSERVATION", std::string("the frozen policy expects ") + name + " " +
                                     shape_text(type, shape) + ", found " + shape_text(tensor));
}

at::Tensor floats(const std::vector<double>& values, at::Device device) {
  return at::tensor(values, at::kDouble).to(at::kFloat).to(device);
}

void check_length(const char* name, size_t found, int64_t expected) {
  if (found != static_cast<size_t>(expected)) {
    refuse("ERR_DSRL_POLICY_SPEC", std::string("policy.json: ") + name + " has " +
                                       std::to_string(found) + " entries, expected " +
                                       std::to_string(expected));
  }
}

}  // namespace

struct FrozenPolicy::Module {
  torch::jit::Module script;
};

FrozenPolicy::FrozenPolicy(const std::string& path, PolicySpec spec, at::Device device)
    : spec_(std::move(spec)), device_(device) {
  check_length("state mean", spec_.state_mean.size(), spec_.state_dim);
  check_length("state std", spec_.state_std.size(), spec_.state_dim);
  check_length("action mean", spec_.action_mean.size(), spec_.action_dim);
  check_length("action std", spec_.action_std.size(), spec_.action_dim);
  if (!spec_.delta_action_mask.empty()) {
    check_length("delta_action_mask", spec_.delta_action_mask.size(), spec_.action_dim);
    if (spec_.state_dim < spec_.action_dim) {
      // Delta actions are relative to the state's first entries.
      refuse("ERR_DSRL_POLICY_SPEC", "policy.json: delta actions need state_dim >= action_dim");
    }
  }
  if (spec_.state_dim > spec_.noise_dim || spec_.action_dim > spec_.noise_dim) {
    refuse("ERR_DSRL_POLICY_SPEC", "policy.json: state_dim and action_dim must fit in noise_dim");
  }
  try {
    // On the CPU first: loading straight onto a GPU would move shape constants there too. Except
    // for the meta device of the tests, which takes no parameter over from another device.
    const at::Device first = device_.is_meta() ? device_ : at::Device(at::kCPU);
    module_ = std::make_unique<Module>(Module{torch::jit::load(path, first)});
    module_->script.to(device_);
    module_->script.eval();
  } catch (const c10::Error& error) {
    refuse("ERR_DSRL_POLICY_LOAD", path +
                                       " is not a TorchScript policy that this torch can load: " +
                                       error.what_without_backtrace());
  }
  for (const char* method : {"prefix", "denoise_step", "sample_from_prefix", "forward"}) {
    if (!module_->script.find_method(method)) {
      refuse("ERR_DSRL_POLICY_CONTRACT", path + " has no method '" + method + "'");
    }
  }
  for (const at::Tensor& parameter : module_->script.parameters()) {
    parameter_count_ += parameter.numel();
  }
  state_mean_ = floats(spec_.state_mean, device_);
  state_scale_ = floats(spec_.state_std, device_) + spec_.normalization_eps;
  action_mean_ = floats(spec_.action_mean, device_);
  action_scale_ = floats(spec_.action_std, device_) + spec_.normalization_eps;
  if (!spec_.delta_action_mask.empty()) {
    const std::vector<double> mask(spec_.delta_action_mask.begin(), spec_.delta_action_mask.end());
    delta_mask_ = floats(mask, device_);
  }
}

FrozenPolicy::~FrozenPolicy() = default;

void FrozenPolicy::check(const PolicyObservation& observation, const at::Tensor& noise) const {
  if (observation.images.size() != static_cast<size_t>(spec_.num_cameras)) {
    refuse("ERR_DSRL_OBSERVATION", "the frozen policy expects " +
                                       std::to_string(spec_.num_cameras) + " cameras, found " +
                                       std::to_string(observation.images.size()));
  }
  const int64_t batch = observation.states.defined() && observation.states.dim() == 2
                            ? observation.states.size(0)
                            : 0;
  require("states", observation.states, at::kFloat, {batch, spec_.state_dim});
  for (const at::Tensor& images : observation.images) {
    require("images", images, at::kByte, {batch, spec_.image_size, spec_.image_size, 3});
  }
  require("tokens", observation.tokens, at::kLong, {batch, spec_.prompt_length});
  require("token_mask", observation.token_mask, at::kBool, {batch, spec_.prompt_length});
  if (noise.defined() && noise.dim() == 3) {
    require("noise", noise, at::kFloat, {batch, spec_.horizon, spec_.noise_dim});
  } else {
    require("noise", noise, at::kFloat, {batch, spec_.noise_dim});
  }
}

at::Tensor FrozenPolicy::sample(const PolicyObservation& observation, const at::Tensor& noise,
                                int64_t num_steps) const {
  check(observation, noise);
  const c10::InferenceMode inference;
  const int64_t batch = observation.states.size(0);

  std::vector<at::Tensor> cameras;
  for (const at::Tensor& images : observation.images) {
    cameras.push_back(images.to(device_).permute({0, 3, 1, 2}).to(at::kFloat).div_(127.5).sub_(1));
  }
  const at::Tensor images = at::stack(cameras, 1);
  const at::Tensor image_masks =
      at::ones({batch, spec_.num_cameras}, at::TensorOptions().dtype(at::kBool).device(device_));
  const at::Tensor raw_state = observation.states.to(device_);
  const at::Tensor state = at::constant_pad_nd((raw_state - state_mean_) / state_scale_,
                                               {0, spec_.noise_dim - spec_.state_dim});
  at::Tensor initial = noise.to(device_);
  if (initial.dim() == 2) initial = initial.unsqueeze(1).expand({-1, spec_.horizon, -1});

  const at::Tensor normalized =
      module_->script
          .get_method("forward")({images, image_masks, observation.tokens.to(device_),
                                  observation.token_mask.to(device_), state, initial.contiguous(),
                                  num_steps > 0 ? num_steps : spec_.num_steps})
          .toTensor();
  at::Tensor actions = normalized.narrow(2, 0, spec_.action_dim) * action_scale_ + action_mean_;
  if (delta_mask_.defined()) {
    actions = actions + raw_state.narrow(1, 0, spec_.action_dim).unsqueeze(1) * delta_mask_;
  }
  return actions;
}

}  // namespace dsrl
