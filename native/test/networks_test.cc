#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "core/random/tensor_random.h"
#include "core/sac/agent.h"
#include "core/sac/learner.h"
#include "core/sac/squashed_gaussian.h"

namespace dsrl {
namespace {

int64_t count_with(const NamedTensors& named, const std::string& prefix) {
  int64_t total = 0;
  for (const auto& [name, tensor] : named) {
    if (name.rfind(prefix, 0) == 0) total += tensor.numel();
  }
  return total;
}

AgentInput random_input(const NetworkConfig& config, int64_t rows) {
  const RandomStream stream(5, "test.input");
  const int64_t side = config.image_size;
  const at::Tensor images = random_normal(stream, 0, rows, 3 * side * side, at::kCPU);
  return {images.reshape({rows, 3, side, side}).clamp(-1, 1),
          random_normal(stream, 1, rows, config.state_dim, at::kCPU)};
}

// dsrl.md, section 2.
TEST(Networks, HaveTheParameterCountsOfTheReference) {
  const Learner learner(LearnerConfig{}, 0, at::kCPU);
  const NamedTensors named = learner.agent_tensors();
  EXPECT_EQ(count_with(named, "actor_image_encoder."), 2'125'984);
  EXPECT_EQ(count_with(named, "actor_state_encoder."), 704);
  EXPECT_EQ(count_with(named, "dsrl_action_noise_net."), 58'560);
  EXPECT_EQ(count_with(named, "q_head."), 545'290);
  EXPECT_EQ(learner.actor_parameters(), 2'185'248);
  EXPECT_EQ(learner.critic_parameters(), 2'671'978);
  EXPECT_EQ(learner.actor_parameters() + learner.critic_parameters(), 4'857'226);
}

TEST(Networks, NameTheirParametersAsRLinf) {
  const Learner learner(LearnerConfig{}, 0, at::kCPU);
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const auto& [name, tensor] : learner.agent_tensors()) shapes[name] = tensor.sizes().vec();
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(shapes.at("actor_image_encoder.encoder.0.weight"), (Shape{32, 3, 3, 3}));
  EXPECT_EQ(shapes.at("critic_image_encoder.encoder.6.bias"), (Shape{32}));
  EXPECT_EQ(shapes.at("actor_image_encoder.bottleneck.1.weight"), (Shape{64, 32768}));
  EXPECT_EQ(shapes.at("critic_state_encoder.encoder.1.weight"), (Shape{64}));
  EXPECT_EQ(shapes.at("dsrl_action_noise_net.shared_net.6.weight"), (Shape{128, 128}));
  EXPECT_EQ(shapes.at("dsrl_action_noise_net.log_std_layer.weight"), (Shape{32, 128}));
  EXPECT_EQ(shapes.at("q_head.q_heads.9.net.0.weight"), (Shape{128, 160}));
  EXPECT_EQ(shapes.at("q_head.q_heads.0.net.9.weight"), (Shape{1, 128}));
  EXPECT_EQ(shapes.at("entropy_temp.base_alpha"), (Shape{}));
}

TEST(Networks, StartAsRLinfDrawsThem) {
  const Learner learner(LearnerConfig{}, 3, at::kCPU);
  std::map<std::string, at::Tensor> named;
  for (const auto& [name, tensor] : learner.agent_tensors()) named[name] = tensor;
  const at::Tensor conv = named.at("actor_image_encoder.encoder.2.weight").reshape({32, -1});
  const at::Tensor gram = conv.matmul(conv.t());
  EXPECT_LT((gram - 2.0 * at::eye(32)).abs().max().item<float>(), 1e-4F);  // gain sqrt(2)
  EXPECT_EQ(named.at("actor_image_encoder.encoder.2.bias").abs().max().item<float>(), 0.0F);
  EXPECT_NEAR(named.at("q_head.q_heads.4.net.3.weight").std().item<float>(), std::sqrt(2.0 / 128),
              0.01);
  EXPECT_NEAR(named.at("q_head.q_heads.4.net.9.weight").std().item<float>(), 0.01, 0.003);
  EXPECT_LE(named.at("dsrl_action_noise_net.mean_layer.weight").abs().max().item<float>(),
            0.01 * std::sqrt(6.0 / 160));
  EXPECT_LE(named.at("actor_state_encoder.encoder.0.bias").abs().max().item<float>(),
            1 / std::sqrt(8.0));
  EXPECT_GT(named.at("actor_state_encoder.encoder.0.bias").abs().max().item<float>(), 0.1);
  EXPECT_NEAR(named.at("entropy_temp.base_alpha").item<float>(), 0.541325, 1e-6);
}

TEST(Critic, BatchedHeadsAreTenSeparateNetworks) {
  NetworkConfig config;
  config.image_size = 16;
  ParameterBuffer buffer(Critic::layout(config), at::kCPU);
  initialize(config, 7, buffer);
  buffer.values().add_(
      random_normal(RandomStream(8, "test.noise"), 0, 1, buffer.values().size(0), at::kCPU)
          .squeeze(0)
          .mul(0.02));
  const AgentInput input = random_input(config, 5);
  const at::Tensor noise = random_normal(RandomStream(6, "test"), 0, 5, 32, at::kCPU).tanh();
  const at::Tensor q = Critic(config, buffer.frozen())(input, noise);
  ASSERT_EQ(q.sizes(), (std::vector<int64_t>{10, 5}));

  std::map<std::string, at::Tensor> named;
  for (const auto& [name, tensor] : buffer.named()) named[name] = tensor;
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
    EXPECT_LT((q[head] - x).abs().max().item<float>(), 1e-5F) << "head " << head;
  }
}

// dsrl.md, section 7: entropy of a fresh policy at b = 1.
TEST(SquashedGaussian, FreshEntropyIsTwentyOneNats) {
  NetworkConfig config;
  ParameterBuffer buffer(Actor::layout(config), at::kCPU);
  initialize(config, 1, buffer);
  const Gaussian gaussian = Actor(config, buffer.frozen())(random_input(config, 256));
  const at::Tensor eps = random_normal(RandomStream(2, "test.eps"), 0, 256, 32, at::kCPU);
  const SampledNoise sampled = sample_noise(gaussian, eps, 1.0);
  EXPECT_NEAR(-sampled.log_density.mean().item<float>(), 21.4, 0.2);
  const SampledNoise wide = sample_noise(gaussian, eps, 2.5);
  EXPECT_NEAR((sampled.log_density - wide.log_density).mean().item<float>(), 32 * std::log(2.5),
              1e-3);
}

TEST(ResizeFrames, AveragesTheCentralPixelsAndRoundsHalfToEven) {
  at::Tensor picture = at::zeros({1, 256, 256, 3}, at::kByte);
  picture[0][1][1][0] = 2;     // block (0, 0): mean .5 -> 0
  picture[0][1][5][0] = 6;     // block (0, 1): mean 1.5 -> 2
  picture[0][0][8][0] = 200;   // outside the centre of block (0, 2)
  picture[0][2][14][1] = 255;  // block (0, 3): mean 63.75 -> 64
  const at::Tensor frame = resize_frames(picture, 64);
  ASSERT_EQ(frame.sizes(), (std::vector<int64_t>{1, 64, 64, 3}));
  EXPECT_EQ(frame[0][0][0][0].item<int>(), 0);
  EXPECT_EQ(frame[0][0][1][0].item<int>(), 2);
  EXPECT_EQ(frame[0][0][2][0].item<int>(), 0);
  EXPECT_EQ(frame[0][0][3][1].item<int>(), 64);
}

TEST(NetworkConfig, RefusesWhatCannotBeBuilt) {
  NetworkConfig odd;
  odd.image_kernels = {5, 3, 3, 3};
  EXPECT_THROW(validate(odd), Error);
  NetworkConfig uneven;
  uneven.image_strides = {2, 1};
  EXPECT_THROW(validate(uneven), Error);
  NetworkConfig vanishing;
  vanishing.image_size = 8;
  vanishing.image_kernels = {8, 4, 4, 4};
  EXPECT_THROW(validate(vanishing), Error);
}

}  // namespace
}  // namespace dsrl
