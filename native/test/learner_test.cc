#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "core/checkpoint/learner_files.h"
#include "core/sac/agent.h"
#include "support.h"

namespace dsrl {
namespace {

using test::random_batch;
using test::random_update_noise;
using test::small_config;

void run(Learner& learner, int64_t first, int64_t count, int64_t rows = 24) {
  const NetworkConfig& network = learner.config().network;
  for (int64_t i = first; i < first + count; ++i) {
    learner.update(random_batch(network, rows, i), random_update_noise(network, rows, i));
  }
}

double largest_difference(const NamedTensors& a, const NamedTensors& b) {
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i].second - b[i].second).abs().max().item<double>());
  }
  return largest;
}

TEST(Learner, MicroBatchesChangeRoundingOnly) {
  LearnerConfig parts = small_config();
  parts.micro_batch_size = 7;
  Learner whole(small_config(), 1, at::kCPU);
  Learner split(parts, 1, at::kCPU);
  run(whole, 0, 1);
  run(split, 0, 1);
  EXPECT_LT(largest_difference(whole.moment_tensors(), split.moment_tensors()), 1e-5);
}

TEST(Learner, SameInputsGiveTheSameBits) {
  Learner a(small_config(), 5, at::kCPU), b(small_config(), 5, at::kCPU);
  run(a, 0, 10);
  run(b, 0, 10);
  EXPECT_EQ(largest_difference(a.agent_tensors(), b.agent_tensors()), 0.0);
  Learner other(small_config(), 6, at::kCPU);
  EXPECT_GT(largest_difference(a.agent_tensors(), other.agent_tensors()), 0.0);
}

TEST(Learner, ContinuesBitForBitFromItsFiles) {
  const auto folder = std::filesystem::temp_directory_path() / "dsrl_learner_files_test";
  std::filesystem::create_directories(folder);
  const std::string agent = folder / "agent", target = folder / "target", adam = folder / "adam";
  Learner straight(small_config(), 5, at::kCPU), first(small_config(), 5, at::kCPU);
  run(straight, 0, 6);
  run(first, 0, 3);
  save_agent(first, agent);
  save_target(first, target);
  save_optimizer(first, adam);
  Learner second(small_config(), 99, at::kCPU);
  load_agent(second, agent);
  load_target(second, target);
  load_optimizer(second, adam);
  second.set_updates(3);
  run(second, 3, 3);
  EXPECT_EQ(largest_difference(straight.agent_tensors(), second.agent_tensors()), 0.0);
  EXPECT_EQ(largest_difference(straight.target_tensors(), second.target_tensors()), 0.0);
  std::filesystem::remove_all(folder);
}

TEST(Learner, TrainActorStepsDelaysTheActorAlone) {
  LearnerConfig config = small_config();
  config.train_actor_steps = 2;
  Learner learner(config, 1, at::kCPU);
  run(learner, 0, 2);
  EXPECT_EQ(learner.step_counts()[0].second, 0);
  EXPECT_EQ(learner.step_counts()[1].second, 2);
  run(learner, 2, 1);
  EXPECT_EQ(learner.step_counts()[0].second, 1);
  EXPECT_EQ(learner.step_counts()[2].second, 1);
}

// dsrl.md, section 7: with tau .005 a constant offset halves in 138 updates, in float32.
TEST(Learner, TargetHalvesAConstantOffsetIn138Updates) {
  const at::Tensor online = at::full({8}, 1.0F);
  const at::Tensor target = at::zeros({8});
  int64_t updates = 0;
  while (target[0].item<float>() < 0.5F) {
    target.lerp_(online, 0.005);
    ++updates;
  }
  EXPECT_EQ(updates, 139);  // .995^138 = .5007, .995^139 = .4982
}

TEST(Learner, PerpetualFailureHasTheReferencesFixedPoint) {
  // y = -1 + .999^5 y, through the learner's own target with a critic that is constant.
  LearnerConfig config = small_config();
  ParameterBuffer actor(Actor::layout(config.network), at::kCPU);
  ParameterBuffer critic(Critic::layout(config.network), at::kCPU);
  initialize(config.network, 1, actor);
  const Actor policy(config.network, actor.frozen());
  const ParameterViews views = critic.frozen();
  const Critic target(config.network, views);
  const Batch batch = random_batch(config.network, 4, 0);
  const Transitions failure{{normalize_frames(batch.images), batch.states},
                            {normalize_frames(batch.next_images), batch.next_states},
                            batch.noise,
                            at::full({4}, -1.0F),
                            at::full({4}, 5, at::kLong),
                            at::zeros({4}, at::kByte)};
  double value = 0;
  for (int i = 0; i < 4000; ++i) {
    views.at("q_head.q_heads.{}.net.9.bias").fill_(value);
    value = bellman_target(config, policy, target, failure, at::zeros({4, 32}), at::ones({}), {})
                .mean()
                .item<double>();
  }
  EXPECT_NEAR(value, -1 / (1 - std::pow(0.999, 5)), 0.1);
  EXPECT_NEAR(value, -200.4, 0.1);
}

TEST(Adam, FusedKernelIsThePlainStep) {
  ParameterLayout layout;
  layout.add("weight", {33, 7});
  ParameterBuffer buffer(layout, at::kCPU);
  const AdamConfig config{1e-3, 0.9, 0.96, 1e-8, 1e9};
  Adam adam(buffer, config);
  const at::Tensor values = buffer.values().clone();
  const at::Tensor first = at::zeros_like(values), second = at::zeros_like(values);
  for (int64_t step = 1; step <= 50; ++step) {
    const at::Tensor gradient =
        random_normal(RandomStream(3, "test"), step, 1, values.size(0), at::kCPU).squeeze(0);
    buffer.gradient().copy_(gradient);
    adam.step(buffer);
    Adam::plain_step(config, step, values, gradient, first, second);
  }
  EXPECT_LT((values - buffer.values()).abs().max().item<float>(), 1e-6F);
}

TEST(Adam, ClipsByItsOwnNormAndReportsItUnclipped) {
  ParameterLayout layout;
  layout.add("weight", {4});
  ParameterBuffer buffer(layout, at::kCPU);
  Adam adam(buffer, {1e-3, 0.9, 0.999, 1e-8, 2.0});
  buffer.gradient().narrow(0, 0, 4).fill_(5.0);
  EXPECT_NEAR(adam.step(buffer).item<float>(), 10.0, 1e-4);
  EXPECT_NEAR(adam.first_moment()[0].item<float>(), 0.1, 1e-5);  // (1 - .9) 5 (2 / 10)
}

TEST(Learner, SeesWhatIsNotFinite) {
  Learner learner(small_config(), 1, at::kCPU);
  EXPECT_TRUE(learner.finite());
  learner.agent_tensors()[3].second.fill_(std::nan(""));
  EXPECT_FALSE(learner.finite());
}

TEST(Learner, StopsBetweenUpdatesWhenCancelled) {
  const LearnerConfig config = small_config();
  Learner learner(config, 1, at::kCPU);
  Replay replay(config.network, 64, 24, at::kCPU);
  const Batch batch = random_batch(config.network, 24, 0);
  replay.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                 std::vector<float>(24, -1), std::vector<int32_t>(24, 5),
                 std::vector<uint8_t>(24, 0), std::vector<uint8_t>(24, 1), 0});
  std::atomic<bool> cancelled{false};
  EXPECT_EQ(learner.update(3, replay, cancelled).size(), 3u);
  cancelled = true;
  EXPECT_TRUE(learner.update(3, replay, cancelled).empty());
  EXPECT_EQ(learner.updates(), 3);
}

}  // namespace
}  // namespace dsrl
