#include "core/flow/policy_runner.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>

#include "core/checkpoint/crc32c.h"
#include "core/error.h"
#include "core/flow/trim.h"
#include "core/shape_text.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const char* code, const std::string& message) {
  throw Error(code, message);
}

void require(const char* name, const at::Tensor& tensor, at::ScalarType type,
             const std::vector<int64_t>& shape) {
  if (tensor.defined() && tensor.scalar_type() == type && tensor.sizes() == shape) return;
  refuse("ERR_DSRL_OBSERVATION", std::string("the frozen policy expects ") + name + " " +
                                     shape_text(type, shape) + ", found " + shape_text(tensor));
}

// Size of a dimension, 0 where there is none: what `require` then says is the whole story.
int64_t size_or_zero(const at::Tensor& tensor, int64_t dimension) {
  return tensor.defined() && tensor.dim() > dimension ? tensor.size(dimension) : 0;
}

void stop_if_asked(const StopRequest& stop) {
  if (stop && stop()) refuse("ERR_DSRL_CANCELLED", "the sample was cancelled");
}

// As policy.json writes it.
std::string precision_text(at::ScalarType type) {
  if (type == at::kFloat) return "float32";
  return type == at::kBFloat16 ? "bfloat16" : at::toString(type);
}

// Rows `first`.. of one tensor a row an observation, `count` of them, each `noises` times in a row.
at::Tensor repeated(const at::Tensor& tensor, int64_t dimension, int64_t first, int64_t count,
                    int64_t noises) {
  const at::Tensor rows = tensor.narrow(dimension, first, count);
  if (noises == 1) return rows;
  if (count > 1) return rows.repeat_interleave(noises, dimension);
  std::vector<int64_t> shape = rows.sizes().vec();
  shape[static_cast<size_t>(dimension)] = noises;
  return rows.expand(shape);
}

}  // namespace

float flow_time(int64_t step, int64_t num_steps, float before, TimeConvention convention) {
  if (step == 0) return 1;
  const double dt = -1.0 / static_cast<double>(num_steps);
  return convention == TimeConvention::kFloat32
             ? before + static_cast<float>(dt)
             : static_cast<float>(1.0 + static_cast<double>(step) * dt);
}

struct PolicyRunner::Module {
  torch::jit::Module script;
};

PolicyRunner::PolicyRunner(const std::string& path, const PolicySpec& spec, at::Device device)
    : horizon_(spec.horizon),
      noise_dim_(spec.noise_dim),
      image_size_(spec.image_size),
      time_convention_(spec.time_convention),
      device_(device) {
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
  for (const auto& [name, parameter] : module_->script.named_parameters()) {
    parameter.requires_grad_(false);
    parameter_count_ += parameter.numel();
    if (name == "language_model.embed_tokens.weight") vocabulary_ = parameter.size(0);
  }
  check_contract(path, spec);
}

PolicyRunner::~PolicyRunner() = default;

std::vector<std::pair<std::string, uint32_t>> PolicyRunner::parameter_checksums() const {
  std::vector<std::pair<std::string, uint32_t>> checksums;
  const auto add = [&](const std::string& name, const at::Tensor& values) {
    const at::Tensor host = values.detach().to(at::kCPU).contiguous();
    checksums.emplace_back(name, crc32c(host.const_data_ptr(), host.nbytes()));
  };
  for (const auto& [name, values] : module_->script.named_parameters()) add(name, values);
  for (const auto& [name, values] : module_->script.named_buffers()) add(name, values);
  return checksums;
}

void PolicyRunner::check_contract(const std::string& path, const PolicySpec& spec) const {
  const torch::jit::Module& script = module_->script;
  for (const char* method : {"prefix", "denoise_step", "sample_from_prefix", "forward"}) {
    if (!script.find_method(method)) {
      refuse("ERR_DSRL_POLICY_CONTRACT", path + " has no method '" + method + "'");
    }
  }
  const auto agree = [&](const char* key, const std::string& said, const std::string& found) {
    if (said == found) return;
    refuse("ERR_DSRL_POLICY_CONTRACT",
           "policy.json says " + std::string(key) + " " + said + ", " + path + " has " + found);
  };
  const auto text = [](int64_t number) { return std::to_string(number); };
  if (script.hasattr("horizon")) {
    agree("horizon", text(horizon_), text(script.attr("horizon").toInt()));
  }
  if (script.hasattr("sum_time_in_float32")) {
    const auto convention = [](bool summed) { return summed ? "float32" : "double"; };
    agree("time_convention", convention(time_convention_ == TimeConvention::kFloat32),
          convention(script.attr("sum_time_in_float32").toBool()));
  }
  int64_t patch = 0, patches = 0;
  for (const auto& [name, parameter] : script.named_parameters()) {
    if (name == "state_proj.weight") agree("noise_dim", text(noise_dim_), text(parameter.size(1)));
    if (name == "language_model.layers.0.mlp.gate_proj.weight") {
      const bool half = spec.precision == Precision::kBfloat16;
      agree("precision", precision_text(half ? at::kBFloat16 : at::kFloat),
            precision_text(parameter.scalar_type()));
    }
    if (name == "vision_tower.embeddings.patch_embedding.weight") patch = parameter.size(3);
    if (name == "vision_tower.embeddings.position_embedding.weight") patches = parameter.size(0);
  }
  // A picture a few pixels larger would have as many patches, and lose its edge.
  const int64_t side = patch > 0 ? image_size_ / patch : 0;
  if (patch > 0 && (image_size_ % patch != 0 || side > patches || side * side != patches)) {
    refuse("ERR_DSRL_POLICY_CONTRACT", "policy.json says image_size " + text(image_size_) + ", " +
                                           path + " takes " + text(patches) + " patches of " +
                                           text(patch) + " pixels a side");
  }
  if (vocabulary_ > 0 && spec.largest_token >= vocabulary_) {
    refuse("ERR_DSRL_POLICY_CONTRACT", "policy.json has the token " + text(spec.largest_token) +
                                           " in its prompts, " + path + " takes those below " +
                                           text(vocabulary_));
  }
}

void PolicyRunner::check(const NetworkInputs& inputs, const at::Tensor& noise,
                         int64_t num_steps) const {
  const int64_t rows = std::max<int64_t>(1, size_or_zero(inputs.state, 0));
  const int64_t cameras = std::max<int64_t>(1, size_or_zero(inputs.images, 1));
  const int64_t length = std::max<int64_t>(1, size_or_zero(inputs.tokens, 1));
  require("state", inputs.state, at::kFloat, {rows, noise_dim_});
  require("images", inputs.images, at::kFloat, {rows, cameras, 3, image_size_, image_size_});
  if (inputs.image_masks.defined()) {
    require("image_masks", inputs.image_masks, at::kBool, {rows, cameras});
  }
  require("tokens", inputs.tokens, at::kLong, {rows, length});
  require("token_mask", inputs.token_mask, at::kBool, {rows, length});
  const int64_t noises = std::max<int64_t>(1, size_or_zero(noise, 0) / rows);
  require("noise", noise, at::kFloat, {rows * noises, horizon_, noise_dim_});
  if (num_steps < 1) {
    refuse("ERR_DSRL_OBSERVATION",
           "the flow needs at least 1 step, found " + std::to_string(num_steps));
  }
  // An index past the table is a fault of the whole device on a GPU.
  if (vocabulary_ > 0 && inputs.tokens.is_cpu()) {
    const auto [least, most] = inputs.tokens.aminmax();
    for (const int64_t token : {least.item<int64_t>(), most.item<int64_t>()}) {
      if (token >= 0 && token < vocabulary_) continue;
      refuse("ERR_DSRL_OBSERVATION", "the frozen policy expects tokens in [0, " +
                                         std::to_string(vocabulary_) + "), found " +
                                         std::to_string(token));
    }
  }
}

PolicyRunner::Prefix PolicyRunner::prefix(const NetworkInputs& inputs) const {
  const at::Tensor images = inputs.images.to(device_);
  const at::Tensor masks = inputs.image_masks.defined()
                               ? inputs.image_masks.to(device_)
                               : images.new_ones({images.size(0), images.size(1)}, at::kBool);
  const auto answer = module_->script
                          .get_method("prefix")({images, masks, inputs.tokens.to(device_),
                                                 inputs.token_mask.to(device_)})
                          .toTuple();
  const auto& parts = answer->elements();
  return {parts[0].toTensor(), parts[1].toTensor(), parts[2].toTensor()};
}

at::Tensor PolicyRunner::integrate(const at::Tensor& state, const Prefix& prefix,
                                   const at::Tensor& noise, int64_t num_steps,
                                   const StopRequest& stop) const {
  const torch::jit::Method denoise_step = module_->script.get_method("denoise_step");
  const double dt = -1.0 / static_cast<double>(num_steps);
  at::Tensor x = noise;
  float time = 1;
  for (int64_t step = 0; step < num_steps; ++step) {
    stop_if_asked(stop);
    time = flow_time(step, num_steps, time, time_convention_);
    const at::Tensor t = state.new_full({state.size(0)}, time);
    const at::Tensor velocity =
        denoise_step({state, prefix.pad, prefix.K, prefix.V, x, t}).toTensor();
    x = x + dt * velocity;
  }
  return x;
}

at::Tensor PolicyRunner::sample(const NetworkInputs& inputs, const at::Tensor& noise,
                                int64_t num_steps, const StopRequest& stop) const {
  check(inputs, noise, num_steps);
  const c10::InferenceMode inference;
  const torch::jit::GraphOptimizerEnabledGuard no_profiling(false);
  const int64_t observations = inputs.state.size(0);
  const int64_t noises = noise.size(0) / observations;
  // A piece of the flow is whole observations, or a part of one observation's noises.
  const int64_t noises_a_piece = std::min(noises, kLargestBatch);
  const int64_t observations_a_piece = kLargestBatch / noises_a_piece;

  std::vector<at::Tensor> actions;
  for (int64_t begin = 0; begin < observations; begin += kLargestBatch) {
    stop_if_asked(stop);
    const int64_t count = std::min(kLargestBatch, observations - begin);
    const NetworkInputs piece = trimmed(rows_of(inputs, begin, count));
    const at::Tensor state = piece.state.to(device_);
    const Prefix known = prefix(piece);
    for (int64_t row = 0; row < count; row += observations_a_piece) {
      const int64_t rows = std::min(observations_a_piece, count - row);
      for (int64_t first = 0; first < noises; first += noises_a_piece) {
        const int64_t each = std::min(noises_a_piece, noises - first);
        const at::Tensor x = noise.narrow(0, (begin + row) * noises + first, rows * each);
        const Prefix shared{repeated(known.pad, 0, row, rows, each),
                            repeated(known.K, 1, row, rows, each),
                            repeated(known.V, 1, row, rows, each)};
        actions.push_back(
            integrate(repeated(state, 0, row, rows, each), shared, x.to(device_), num_steps, stop));
      }
    }
  }
  return actions.size() == 1 ? actions[0] : at::cat(actions);
}

}  // namespace dsrl
