#include <ATen/ATen.h>

#include "core/device/cuda_plugin.h"
#include "core/nn/networks.h"

namespace dsrl {

at::Tensor normalize_frames(const at::Tensor& frames) {
  if (const DsrlCudaPlugin* plugin = cuda_plugin(frames.device())) {
    return detail::normalize_by(*plugin, frames);
  }
  return frames.permute({0, 3, 1, 2}).to(at::kFloat).div_(255.0).mul_(2.0).sub_(1.0);
}

ImageEncoder::ImageEncoder(const NetworkConfig& config, const std::string& prefix,
                           const ParameterViews& views)
    : weight_(views.at(prefix + ".bottleneck.1.weight")),
      bias_(views.at(prefix + ".bottleneck.1.bias")),
      gain_(views.at(prefix + ".bottleneck.2.weight")),
      shift_(views.at(prefix + ".bottleneck.2.bias")) {
  for (size_t i = 0; i < config.image_channels.size(); ++i) {
    const std::string name = prefix + ".encoder." + std::to_string(2 * i);
    convolutions_.push_back({views.at(name + ".weight"), views.at(name + ".bias"),
                             config.image_strides[i], config.image_kernels[i] == 3 ? 1 : 0});
  }
}

void ImageEncoder::declare(const NetworkConfig& config, const std::string& prefix,
                           ParameterLayout& to) {
  int64_t channels = 3;
  for (size_t i = 0; i < config.image_channels.size(); ++i) {
    // ReLU stands between two convolutions in RLinf's nn.Sequential, hence the even indices.
    const std::string name = prefix + ".encoder." + std::to_string(2 * i);
    const int64_t kernel = config.image_kernels[i];
    to.add(name + ".weight", {config.image_channels[i], channels, kernel, kernel});
    to.add(name + ".bias", {config.image_channels[i]});
    channels = config.image_channels[i];
  }
  const int64_t side = feature_map_sides(config).back();
  to.add(prefix + ".bottleneck.1.weight", {config.image_latent_dim, channels * side * side});
  to.add(prefix + ".bottleneck.1.bias", {config.image_latent_dim});
  to.add(prefix + ".bottleneck.2.weight", {config.image_latent_dim});
  to.add(prefix + ".bottleneck.2.bias", {config.image_latent_dim});
}

at::Tensor ImageEncoder::operator()(const at::Tensor& images) const {
  at::Tensor x = images;
  for (const Convolution& layer : convolutions_) {
    x = at::conv2d(x, layer.weight, layer.bias, layer.stride, layer.padding).relu();
  }
  // Flattened in the order (C, H, W), whatever the memory format.
  x = at::linear(x.contiguous().flatten(1), weight_, bias_);
  return at::layer_norm(x, {x.size(-1)}, gain_, shift_).tanh();
}

StateEncoder::StateEncoder(const std::string& prefix, const ParameterViews& views)
    : weight_(views.at(prefix + ".encoder.0.weight")),
      bias_(views.at(prefix + ".encoder.0.bias")),
      gain_(views.at(prefix + ".encoder.1.weight")),
      shift_(views.at(prefix + ".encoder.1.bias")) {}

void StateEncoder::declare(const NetworkConfig& config, const std::string& prefix,
                           ParameterLayout& to) {
  to.add(prefix + ".encoder.0.weight", {config.state_latent_dim, config.state_dim});
  to.add(prefix + ".encoder.0.bias", {config.state_latent_dim});
  to.add(prefix + ".encoder.1.weight", {config.state_latent_dim});
  to.add(prefix + ".encoder.1.bias", {config.state_latent_dim});
}

at::Tensor StateEncoder::operator()(const at::Tensor& states) const {
  const at::Tensor x = at::linear(states, weight_, bias_);
  return at::layer_norm(x, {x.size(-1)}, gain_, shift_).tanh();
}

Encoders::Encoders(const NetworkConfig& config, const std::string& owner,
                   const ParameterViews& views)
    : state_(owner + "_state_encoder", views) {
  if (config.has_images()) image_.emplace(config, owner + "_image_encoder", views);
}

void Encoders::declare(const NetworkConfig& config, const std::string& owner, ParameterLayout& to) {
  if (config.has_images()) ImageEncoder::declare(config, owner + "_image_encoder", to);
  StateEncoder::declare(config, owner + "_state_encoder", to);
}

at::Tensor Encoders::operator()(const AgentInput& input) const {
  const at::Tensor state_features = state_(input.states);
  if (!image_) return state_features;
  return at::cat({state_features, (*image_)(input.images)}, 1);
}

}  // namespace dsrl
