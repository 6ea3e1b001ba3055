// Sizes, names, first weights and arithmetic of the networks (dsrl.md, section 2).

#include "core/nn/networks.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/random/tensor_random.h"
#include "core/sac/learner.h"

namespace dsrl {
namespace {

using Shape = std::vector<int64_t>;
using Shapes = std::map<std::string, Shape>;

std::map<std::string, at::Tensor> by_name(const NamedTensors& named) {
  return {named.begin(), named.end()};
}

int64_t count_with(const NamedTensors& named, const std::string& prefix) {
  int64_t total = 0;
  for (const auto& [name, tensor] : named) {
    if (name.rfind(prefix, 0) == 0) total += tensor.numel();
  }
  return total;
}

at::Tensor normals(int64_t step, int64_t rows, int64_t columns) {
  return random_normal(RandomStream(5, "test.networks"), step, rows, columns, at::kCPU);
}

AgentInput random_input(const NetworkConfig& config, int64_t rows) {
  const int64_t side = config.image_size;
  return {normals(0, rows, 3 * side * side).reshape({rows, 3, side, side}).clamp(-1, 1),
          normals(1, rows, config.state_dim)};
}

float largest(const at::Tensor& tensor) {
  return tensor.abs().max().item<float>();
}

void add_linear(Shapes& to, const std::string& name, int64_t out, int64_t in) {
  to[name + ".weight"] = {out, in};
  to[name + ".bias"] = {out};
}
void add_norm(Shapes& to, const std::string& name, int64_t width) {
  to[name + ".weight"] = to[name + ".bias"] = {width};
}

TEST(Networks, HaveTheParameterCountsOfTheReference) {
  const Learner learner(LearnerConfig{}, 0, at::kCPU);
  const NamedTensors named = learner.agent_tensors();
  for (const std::string owner : {"actor", "critic"}) {
    EXPECT_EQ(count_with(named, owner + "_image_encoder."), 2'125'984);
    EXPECT_EQ(count_with(named, owner + "_state_encoder."), 704);
  }
  EXPECT_EQ(count_with(named, "dsrl_action_noise_net."), 58'560);
  EXPECT_EQ(count_with(named, "q_head."), 545'290);
  EXPECT_EQ(learner.actor_parameters(), 2'185'248);
  EXPECT_EQ(learner.critic_parameters(), 2'671'978);
  EXPECT_EQ(learner.actor_parameters() + learner.critic_parameters(), 4'857'226);
  EXPECT_EQ(count_with(named, ""), 4'857'226 + 1);  // and the temperature
}

TEST(Networks, NameAndShapeTheirParametersAsRLinf) {
  Shapes expected;
  for (const std::string owner : {"actor", "critic"}) {
    const std::string image = owner + "_image_encoder.", state = owner + "_state_encoder.";
    for (const int layer : {0, 2, 4, 6}) {
      const std::string name = image + "encoder." + std::to_string(layer);
      expected[name + ".weight"] = {32, layer == 0 ? 3 : 32, 3, 3};
      expected[name + ".bias"] = {32};
    }
    add_linear(expected, image + "bottleneck.1", 64, 32768);
    add_norm(expected, image + "bottleneck.2", 64);
    add_linear(expected, state + "encoder.0", 64, 8);
    add_norm(expected, state + "encoder.1", 64);
  }
  const std::string net = "dsrl_action_noise_net.";
  for (const int layer : {0, 3, 6}) {
    add_linear(expected, net + "shared_net." + std::to_string(layer), 128, 128);
    add_norm(expected, net + "shared_net." + std::to_string(layer + 1), 128);
  }
  add_linear(expected, net + "mean_layer", 32, 128);
  add_linear(expected, net + "log_std_layer", 32, 128);
  for (int head = 0; head < 10; ++head) {
    const std::string prefix = "q_head.q_heads." + std::to_string(head) + ".net.";
    for (const int layer : {0, 3, 6}) {
      add_linear(expected, prefix + std::to_string(layer), 128, layer == 0 ? 160 : 128);
      add_norm(expected, prefix + std::to_string(layer + 1), 128);
    }
    add_linear(expected, prefix + "9", 1, 128);
  }
  Shapes target;  // the critic's part, as target.safetensors holds it
  for (const auto& [name, shape] : expected) {
    if (name.rfind("critic_", 0) == 0 || name.rfind("q_head", 0) == 0) target[name] = shape;
  }
  expected["entropy_temp.base_alpha"] = {};

  const Learner learner(LearnerConfig{}, 0, at::kCPU);
  Shapes found, found_target;
  for (const auto& [name, tensor] : learner.agent_tensors()) found[name] = tensor.sizes().vec();
  for (const auto& [name, tensor] : learner.target_tensors()) {
    found_target[name] = tensor.sizes().vec();
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(found_target, target);
  EXPECT_EQ(learner.agent_tensors().size(), expected.size());  // no name twice
}

// The first layer has more outputs (32) than inputs (27): its columns are orthogonal, else rows.
TEST(Initialisation, DrawsConvolutionsOrthogonalWithGainRootTwo) {
  const auto named = by_name(Learner(LearnerConfig{}, 3, at::kCPU).agent_tensors());
  for (const std::string owner : {"actor", "critic"}) {
    for (const int layer : {0, 2, 4, 6}) {
      const std::string name = owner + "_image_encoder.encoder." + std::to_string(layer);
      at::Tensor matrix = named.at(name + ".weight").reshape({32, -1});
      if (matrix.size(1) < 32) matrix = matrix.t();
      const at::Tensor gram = matrix.matmul(matrix.t());
      EXPECT_LT(largest(gram - 2.0 * at::eye(gram.size(0))), 1e-5F) << name;
      EXPECT_EQ(largest(named.at(name + ".bias")), 0.0F) << name;
    }
  }
}

TEST(Initialisation, DrawsEveryFamilyAsRLinf) {
  const auto named = by_name(Learner(LearnerConfig{}, 3, at::kCPU).agent_tensors());
  // Uniform on (-bound, bound): nothing outside, filled to the border, variance bound^2 / 3.
  const auto expect_uniform = [&](const std::string& name, double bound) {
    const at::Tensor tensor = named.at(name);
    const double count = static_cast<double>(tensor.numel());
    EXPECT_LE(largest(tensor), bound * 1.000001) << name;
    EXPECT_GT(largest(tensor), bound * (1 - 8 / count)) << name;
    const double deviation = tensor.std().item<double>() / (bound / std::sqrt(3));
    EXPECT_NEAR(deviation, 1, 2.5 / std::sqrt(count)) << name;
  };
  const auto expect_normal = [&](const std::string& name, double std) {
    const at::Tensor tensor = named.at(name);
    const double tolerance = 4 / std::sqrt(static_cast<double>(tensor.numel()));
    EXPECT_NEAR(tensor.mean().item<double>() / std, 0, tolerance) << name;
    EXPECT_NEAR(tensor.std().item<double>() / std, 1, tolerance) << name;
    EXPECT_GT(largest(tensor), 2 * std) << name;  // not uniform of that deviation (1.73)
  };
  const auto expect_constant = [&](const std::string& name, float value) {
    EXPECT_EQ(largest(named.at(name) - value), 0.0F) << name;
  };
  for (const std::string owner : {"actor", "critic"}) {
    const std::string image = owner + "_image_encoder.bottleneck.";
    const std::string state = owner + "_state_encoder.encoder.";
    expect_normal(image + "1.weight", std::sqrt(2.0 / (64 + 32768)));
    expect_constant(image + "1.bias", 0);
    expect_uniform(state + "0.weight", 1 / std::sqrt(8.0));
    expect_uniform(state + "0.bias", 1 / std::sqrt(8.0));
    for (const std::string& norm : {image + "2", state + "1"}) {
      expect_constant(norm + ".weight", 1);
      expect_constant(norm + ".bias", 0);
    }
  }
  const std::string actor = "dsrl_action_noise_net.";
  for (const int layer : {0, 3, 6}) {
    const std::string linear = actor + "shared_net." + std::to_string(layer);
    const std::string norm = actor + "shared_net." + std::to_string(layer + 1);
    expect_uniform(linear + ".weight", 1 / std::sqrt(128.0));
    expect_uniform(linear + ".bias", 1 / std::sqrt(128.0));
    expect_constant(norm + ".weight", 1);
    expect_constant(norm + ".bias", 0);
  }
  for (const std::string output : {"mean_layer", "log_std_layer"}) {
    expect_uniform(actor + output + ".weight", 0.01 * std::sqrt(6.0 / (32 + 128)));
    expect_constant(actor + output + ".bias", 0);
  }
  for (int head = 0; head < 10; ++head) {
    const std::string prefix = "q_head.q_heads." + std::to_string(head) + ".net.";
    for (const int layer : {0, 3, 6}) {
      expect_normal(prefix + std::to_string(layer) + ".weight", std::sqrt(2.0 / 128));
      expect_constant(prefix + std::to_string(layer) + ".bias", 0);
      expect_constant(prefix + std::to_string(layer + 1) + ".weight", 1);
      expect_constant(prefix + std::to_string(layer + 1) + ".bias", 0);
    }
    expect_normal(prefix + "9.weight", 0.01);
    expect_constant(prefix + "9.bias", 0);
  }
}

TEST(Initialisation, GivesEveryPartItsOwnNumbersAndTheTargetTheCritics) {
  const Learner learner(LearnerConfig{}, 3, at::kCPU);
  const auto named = by_name(learner.agent_tensors());
  const auto differ = [&](const std::string& a, const std::string& b) {
    return !named.at(a).equal(named.at(b));
  };
  for (const std::string part : {"image", "state"}) {
    const std::string name = "_" + part + "_encoder.encoder.0.weight";
    EXPECT_TRUE(differ("actor" + name, "critic" + name));
  }
  EXPECT_TRUE(differ("q_head.q_heads.0.net.3.weight", "q_head.q_heads.1.net.3.weight"));
  EXPECT_TRUE(differ("q_head.q_heads.0.net.3.weight", "q_head.q_heads.0.net.6.weight"));
  for (const auto& [name, tensor] : learner.target_tensors()) {
    EXPECT_TRUE(tensor.equal(named.at(name))) << name;
  }
}

TEST(NormalizeFrames, MapsBytesToPlusMinusOneChannelsFirst) {
  at::Tensor frames = at::zeros({1, 2, 2, 3}, at::kByte);
  frames[0][1][0][2] = 255;
  frames[0][0][1][1] = 51;
  const at::Tensor x = normalize_frames(frames);
  ASSERT_EQ(x.sizes(), (Shape{1, 3, 2, 2}));
  EXPECT_EQ(x[0][2][1][0].item<float>(), 1.0F);
  EXPECT_FLOAT_EQ(x[0][1][0][1].item<float>(), 51.0F / 255 * 2 - 1);
  EXPECT_EQ(x[0][0][0][0].item<float>(), -1.0F);
}

// bottleneck.1's columns are in the order (C, H, W), however the picture lies in memory.
TEST(ImageEncoder, FlattensChannelsFirst) {
  NetworkConfig config;
  config.image_size = 16;
  config.image_kernels = {4, 3, 3, 3};
  config.image_strides = {4, 1, 1, 1};  // 16 -> 4, no padding at the first
  ParameterBuffer buffer(Actor::layout(config), at::kCPU);
  initialize(config, 7, buffer);
  const auto p = buffer.frozen();
  const std::string prefix = "actor_image_encoder.";
  const at::Tensor images = random_input(config, 3).images;
  at::Tensor x = images;
  for (const int layer : {0, 2, 4, 6}) {
    const std::string name = prefix + "encoder." + std::to_string(layer);
    const int64_t stride = layer == 0 ? 4 : 1, padding = layer == 0 ? 0 : 1;
    x = at::conv2d(x, p.at(name + ".weight"), p.at(name + ".bias"), stride, padding).relu();
  }
  ASSERT_EQ(x.sizes(), (Shape{3, 32, 4, 4}));
  at::Tensor features = p.at(prefix + "bottleneck.1.bias").expand({3, 64}).clone();
  const at::Tensor weight = p.at(prefix + "bottleneck.1.weight");
  for (int64_t i = 0; i < 32 * 4 * 4; ++i) {
    const at::Tensor value = x.select(1, i / 16).select(1, i / 4 % 4).select(1, i % 4);
    features += value.unsqueeze(1) * weight.select(1, i);
  }
  features = (features - features.mean(1, true)) / (features.var(1, false, true) + 1e-5).sqrt();
  const ImageEncoder encoder(config, "actor_image_encoder", p);
  EXPECT_LT(largest(encoder(images) - features.tanh()), 1e-5F);
  const at::Tensor channels_last = images.contiguous(at::MemoryFormat::ChannelsLast);
  EXPECT_LT(largest(encoder(channels_last) - features.tanh()), 1e-5F);

  // The heads see [state features, image features].
  const AgentInput input{images, normals(1, 3, 8)};
  const at::Tensor both = Encoders(config, "actor", p)(input);
  EXPECT_TRUE(both.narrow(1, 0, 64).equal(StateEncoder("actor_state_encoder", p)(input.states)));
  EXPECT_TRUE(both.narrow(1, 64, 64).equal(encoder(images)));
}

TEST(Actor, ClampsItsLogStd) {
  NetworkConfig config;
  config.image_size = 0;
  ParameterBuffer buffer(Actor::layout(config), at::kCPU);
  initialize(config, 7, buffer);
  const auto p = buffer.frozen();
  const at::Tensor bias = p.at("dsrl_action_noise_net.log_std_layer.bias");
  bias[0] = 100;
  bias[1] = -100;
  const Gaussian gaussian = Actor(config, p)(random_input(config, 4));
  EXPECT_EQ(largest(gaussian.log_std.select(1, 0) - 2), 0.0F);
  EXPECT_EQ(largest(gaussian.log_std.select(1, 1) + 20), 0.0F);
}

TEST(Critic, BatchedHeadsAreTenSeparateNetworks) {
  NetworkConfig config;
  config.image_size = 16;
  ParameterBuffer buffer(Critic::layout(config), at::kCPU);
  initialize(config, 7, buffer);
  // Away from the fresh state, where LayerNorm's gains and all biases would be trivial.
  buffer.values().add_(normals(2, 1, buffer.values().size(0)).squeeze(0).mul(0.02));
  const AgentInput input = random_input(config, 5);
  const at::Tensor noise = normals(3, 5, 32).tanh();
  const at::Tensor q = Critic(config, buffer.frozen())(input, noise);
  ASSERT_EQ(q.sizes(), (Shape{10, 5}));

  const auto named = by_name(buffer.named());
  const at::Tensor features =
      at::cat({Encoders(config, "critic", buffer.frozen())(input), noise}, 1);
  for (int64_t head = 0; head < 10; ++head) {
    const std::string prefix = "q_head.q_heads." + std::to_string(head) + ".net.";
    at::Tensor x = features;
    for (int layer = 0; layer < 3; ++layer) {
      const std::string linear = prefix + std::to_string(3 * layer);
      const std::string norm = prefix + std::to_string(3 * layer + 1);
      x = at::linear(x, named.at(linear + ".weight"), named.at(linear + ".bias"));
      x = at::layer_norm(x, {128}, named.at(norm + ".weight"), named.at(norm + ".bias")).relu();
    }
    x = at::linear(x, named.at(prefix + "9.weight"), named.at(prefix + "9.bias")).squeeze(1);
    EXPECT_LT(largest(q[head] - x), 1e-5F) << "head " << head;
  }
}

TEST(NetworkConfig, RefusesWhatCannotBeBuilt) {
  const auto refused = [](auto change) {
    NetworkConfig config;
    change(config);
    try {
      validate(config);
    } catch (const Error& error) {
      return error.code() == "ERR_DSRL_CONFIG_NETWORK";
    }
    return false;
  };
  EXPECT_FALSE(refused([](NetworkConfig&) {}));
  EXPECT_FALSE(refused([](NetworkConfig& c) { c.image_size = 0; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.image_size = -1; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.image_kernels = {5, 3, 3, 3}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.image_strides = {2, 1}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.image_strides = {0, 1, 1, 1}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.image_kernels = {64, 64, 64, 64}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.hidden_dims = {}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.hidden_dims = {128, 0}; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.num_q_heads = 0; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.state_dim = 0; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.noise_dim = 0; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.noise_magnitude = 0; }));
  EXPECT_TRUE(refused([](NetworkConfig& c) { c.noise_magnitude = std::nan(""); }));
}

}  // namespace
}  // namespace dsrl
