#include <ATen/ATen.h>

#include "core/nn/networks.h"

namespace dsrl {
namespace {

// RLinf's nn.Sequential is (Linear, LayerNorm, ReLU) a layer: layer i starts at index 3 i.
std::string linear_name(const std::string& prefix, size_t layer) {
  return prefix + "." + std::to_string(3 * layer);
}
std::string norm_name(const std::string& prefix, size_t layer) {
  return prefix + "." + std::to_string(3 * layer + 1);
}

const std::string kShared = "dsrl_action_noise_net.shared_net";
const std::string kMean = "dsrl_action_noise_net.mean_layer";
const std::string kLogStd = "dsrl_action_noise_net.log_std_layer";
const std::string kHeads = "q_head.q_heads.{}.net";

}  // namespace

Actor::Actor(const NetworkConfig& config, const ParameterViews& views)
    : encoders_(config, "actor", views),
      mean_weight_(views.at(kMean + ".weight")),
      mean_bias_(views.at(kMean + ".bias")),
      log_std_weight_(views.at(kLogStd + ".weight")),
      log_std_bias_(views.at(kLogStd + ".bias")) {
  for (size_t i = 0; i < config.hidden_dims.size(); ++i) {
    layers_.push_back(
        {views.at(linear_name(kShared, i) + ".weight"), views.at(linear_name(kShared, i) + ".bias"),
         views.at(norm_name(kShared, i) + ".weight"), views.at(norm_name(kShared, i) + ".bias")});
  }
}

ParameterLayout Actor::layout(const NetworkConfig& config) {
  ParameterLayout layout;
  Encoders::declare(config, "actor", layout);
  int64_t width = config.feature_dim();
  for (size_t i = 0; i < config.hidden_dims.size(); ++i) {
    const int64_t next = config.hidden_dims[i];
    layout.add(linear_name(kShared, i) + ".weight", {next, width});
    layout.add(linear_name(kShared, i) + ".bias", {next});
    layout.add(norm_name(kShared, i) + ".weight", {next});
    layout.add(norm_name(kShared, i) + ".bias", {next});
    width = next;
  }
  layout.add(kMean + ".weight", {config.noise_dim, width});
  layout.add(kMean + ".bias", {config.noise_dim});
  layout.add(kLogStd + ".weight", {config.noise_dim, width});
  layout.add(kLogStd + ".bias", {config.noise_dim});
  return layout;
}

Gaussian Actor::operator()(const AgentInput& input) const {
  at::Tensor x = encoders_(input);
  for (const Layer& layer : layers_) {
    x = at::linear(x, layer.weight, layer.bias);
    x = at::layer_norm(x, {x.size(-1)}, layer.gain, layer.shift).relu();
  }
  return {at::linear(x, mean_weight_, mean_bias_),
          at::linear(x, log_std_weight_, log_std_bias_).clamp(-20.0, 2.0)};
}

Critic::Critic(const NetworkConfig& config, const ParameterViews& views)
    : encoders_(config, "critic", views),
      out_weight_(views.at(linear_name(kHeads, config.hidden_dims.size()) + ".weight")),
      out_bias_(views.at(linear_name(kHeads, config.hidden_dims.size()) + ".bias")) {
  for (size_t i = 0; i < config.hidden_dims.size(); ++i) {
    layers_.push_back(
        {views.at(linear_name(kHeads, i) + ".weight"), views.at(linear_name(kHeads, i) + ".bias"),
         views.at(norm_name(kHeads, i) + ".weight"), views.at(norm_name(kHeads, i) + ".bias")});
  }
}

ParameterLayout Critic::layout(const NetworkConfig& config) {
  ParameterLayout layout;
  Encoders::declare(config, "critic", layout);
  const int64_t heads = config.num_q_heads;
  int64_t width = config.feature_dim() + config.noise_dim;
  for (size_t i = 0; i < config.hidden_dims.size(); ++i) {
    const int64_t next = config.hidden_dims[i];
    layout.add(linear_name(kHeads, i) + ".weight", {heads, next, width});
    layout.add(linear_name(kHeads, i) + ".bias", {heads, next});
    layout.add(norm_name(kHeads, i) + ".weight", {heads, next});
    layout.add(norm_name(kHeads, i) + ".bias", {heads, next});
    width = next;
  }
  layout.add(linear_name(kHeads, config.hidden_dims.size()) + ".weight", {heads, 1, width});
  layout.add(linear_name(kHeads, config.hidden_dims.size()) + ".bias", {heads, 1});
  return layout;
}

at::Tensor Critic::operator()(const AgentInput& input, const at::Tensor& noise) const {
  // [heads, B, width]: every layer is one batched product over the heads.
  at::Tensor x = at::cat({encoders_(input), noise}, 1).unsqueeze(0);
  x = x.expand({out_weight_.size(0), -1, -1});
  for (const Layer& layer : layers_) {
    x = at::baddbmm(layer.bias.unsqueeze(1), x, layer.weight.transpose(1, 2));
    x = at::layer_norm(x, {x.size(-1)});
    x = at::addcmul(layer.shift.unsqueeze(1), x, layer.gain.unsqueeze(1)).relu();
  }
  return at::baddbmm(out_bias_.unsqueeze(1), x, out_weight_.transpose(1, 2)).squeeze(2);
}

}  // namespace dsrl
