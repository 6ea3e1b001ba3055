// One update and many: order of the steps, schedules, streams, determinism.

#include "core/sac/learner.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <set>

#include "core/error.h"
#include "support.h"

namespace dsrl {
namespace {

using test::largest_difference;
using test::Metrics;
using test::random_batch;
using test::random_update_noise;
using test::run_updates;
using test::small_config;
using test::update;

Replay filled_replay(const NetworkConfig& network) {
  Replay replay(network, 64, 24, at::kCPU);
  const Batch batch = random_batch(network, 24, 0);
  replay.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                 std::vector<float>(24, -1), std::vector<int32_t>(24, 5),
                 std::vector<uint8_t>(24, 0), std::vector<uint8_t>(24, 1), 0});
  return replay;
}

at::Tensor tensor_of(const NamedTensors& named, const std::string& name) {
  for (const auto& [found, tensor] : named) {
    if (found == name) return tensor;
  }
  throw std::out_of_range(name);
}

double norm_of(const NamedTensors& named, const std::string& prefix) {
  double sum = 0;
  for (const auto& [name, tensor] : named) {
    if (name.rfind(prefix, 0) == 0) sum += tensor.to(at::kDouble).square().sum().item<double>();
  }
  return std::sqrt(sum);
}

const std::atomic<bool> kGoOn{false};

TEST(Learner, MicroBatchesChangeRoundingOnly) {
  Learner whole(small_config(), 1, at::kCPU);
  const Metrics expected = update(whole, 0);
  for (const int64_t size : {1, 7, 23, 24, 1000}) {
    LearnerConfig config = small_config();
    config.micro_batch_size = size;
    Learner split(config, 1, at::kCPU);
    for (const auto& [name, value] : update(split, 0)) {
      EXPECT_NEAR(value, expected.at(name), 1e-4 * (1 + std::abs(value))) << name << ", " << size;
    }
    EXPECT_LT(largest_difference(whole.moment_tensors(), split.moment_tensors()), 1e-5) << size;
  }
}

// replay_updates.md, step 3: the actor is judged by the critic as it stands after its step.
TEST(Learner, JudgesTheActorByTheCriticAfterItsStep) {
  LearnerConfig config = small_config();
  config.critic_adam.lr = 0.01;  // a step that shows
  const Batch batch = random_batch(config.network, 24, 0);
  const at::Tensor eps = random_update_noise(config.network, 24, 0).eps_pi;
  ParameterBuffer actor(Actor::layout(config.network), at::kCPU);
  initialize(config.network, 1, actor);
  const auto loss_under = [&](const NamedTensors& named) {
    ParameterBuffer critic(Critic::layout(config.network), at::kCPU);
    for (const auto& [name, tensor] : critic.named()) tensor.copy_(tensor_of(named, name));
    return actor_objective(config, Actor(config.network, actor.frozen()),
                           Critic(config.network, critic.frozen()),
                           {normalize_frames(batch.images), batch.states}, eps, at::ones({}))
        .loss.mean()
        .item<double>();
  };
  Learner learner(config, 1, at::kCPU);
  const double before = loss_under(learner.agent_tensors());
  const double found = update(learner, 0).at("actor_loss");
  EXPECT_NEAR(found, loss_under(learner.agent_tensors()), 1e-4);
  EXPECT_GT(std::abs(found - before), 0.01);

  // Its encoders included: with those of before the step the loss would be another.
  NamedTensors stale;
  Learner fresh(config, 1, at::kCPU);
  for (const auto& [name, tensor] : learner.agent_tensors()) {
    const bool encoder = name.find("encoder") != std::string::npos;
    stale.emplace_back(name, encoder ? tensor_of(fresh.agent_tensors(), name) : tensor);
  }
  EXPECT_GT(std::abs(found - loss_under(stale)), 1e-3);
}

TEST(Learner, TheCriticsStepKnowsNothingOfTheActorsDraw) {
  Learner a(small_config(), 1, at::kCPU), b(small_config(), 1, at::kCPU);
  const NetworkConfig& network = a.config().network;
  const Batch batch = random_batch(network, 24, 0);
  const UpdateNoise noise = random_update_noise(network, 24, 0);
  a.update(batch, noise);
  b.update(batch, {noise.eps_next, noise.eps_pi.neg()});
  EXPECT_EQ(largest_difference(a.target_tensors(), b.target_tensors()), 0.0);
  for (const std::string name :
       {"critic_state_encoder.encoder.0.weight", "q_head.q_heads.0.net.9.weight"}) {
    EXPECT_TRUE(tensor_of(a.agent_tensors(), name).equal(tensor_of(b.agent_tensors(), name)));
  }
  EXPECT_GT(largest_difference(a.agent_tensors(), b.agent_tensors()), 0.0);
}

TEST(Learner, ClipsEachGroupByItsOwnNorm) {
  LearnerConfig config = small_config();
  config.critic_adam.clip = 1e-3;
  config.actor_adam.clip = config.alpha_adam.clip = 1e9;
  Learner learner(config, 1, at::kCPU);
  const Metrics metrics = update(learner, 0);
  EXPECT_GT(metrics.at("critic_grad_norm"), 0.1);
  const NamedTensors moments = learner.moment_tensors();  // (1 - .9) of the clipped gradient
  EXPECT_NEAR(norm_of(moments, "critic.exp_avg."), 0.1 * 1e-3, 1e-6);
  EXPECT_NEAR(norm_of(moments, "actor.exp_avg.") / (0.1 * metrics.at("actor_grad_norm")), 1, 1e-4);
  EXPECT_NEAR(norm_of(moments, "alpha.exp_avg.") / (0.1 * metrics.at("alpha_grad_norm")), 1, 1e-4);
}

// dsrl.md, section 7: .995^138 = .5007, .995^139 = .4982. In float32 all of it arrives.
TEST(Learner, TargetHalvesAConstantOffsetIn138Updates) {
  LearnerConfig config = small_config();
  config.network.image_size = 0;
  config.critic_adam.lr = 0;
  Learner learner(config, 1, at::kCPU);
  for (const auto& [name, tensor] : learner.target_tensors()) tensor.add_(1);
  run_updates(learner, 0, 138, 2);
  for (const auto& [name, tensor] : learner.target_tensors()) {
    const at::Tensor offset = tensor - tensor_of(learner.agent_tensors(), name);
    EXPECT_NEAR(offset.min().item<double>(), 0.5, 1e-3) << name;
    EXPECT_NEAR(offset.max().item<double>(), 0.5, 1e-3) << name;
  }
}

// replay_updates.md, step 5: towards the online weights after their step.
TEST(Learner, TargetFollowsTheCriticAfterItsStep) {
  LearnerConfig config = small_config();
  config.tau = 0.25;
  config.critic_adam.lr = 0.01;
  Learner learner(config, 1, at::kCPU);
  const Learner fresh(config, 1, at::kCPU);
  update(learner, 0);
  const NamedTensors before = fresh.target_tensors(), after = learner.target_tensors();
  for (size_t i = 0; i < after.size(); ++i) {
    const at::Tensor online = tensor_of(learner.agent_tensors(), after[i].first);
    const at::Tensor expected = 0.75 * before[i].second + 0.25 * online;
    EXPECT_LT((after[i].second - expected).abs().max().item<float>(), 1e-6F) << after[i].first;
  }
  EXPECT_GT(largest_difference(before, after), 2e-3);
}

TEST(Learner, TrainActorStepsDelaysActorAndTemperatureAlone) {
  LearnerConfig config = small_config();
  config.train_actor_steps = 2;
  Learner learner(config, 1, at::kCPU);
  const Learner fresh(config, 1, at::kCPU);
  run_updates(learner, 0, 2);
  const auto steps = [&](size_t group) { return learner.step_counts()[group].second; };
  EXPECT_EQ(steps(0), 0);
  EXPECT_EQ(steps(1), 2);
  EXPECT_EQ(steps(2), 0);
  for (const std::string name :
       {"actor_image_encoder.encoder.0.weight", "dsrl_action_noise_net.mean_layer.weight",
        "entropy_temp.base_alpha"}) {
    EXPECT_TRUE(
        tensor_of(learner.agent_tensors(), name).equal(tensor_of(fresh.agent_tensors(), name)))
        << name;
  }
  run_updates(learner, 2, 1);
  EXPECT_EQ(steps(0), 1);
  EXPECT_EQ(steps(1), 3);
  EXPECT_EQ(steps(2), 1);
}

TEST(Learner, CriticActorRatioSkipsActorSteps) {
  LearnerConfig config = small_config();
  config.critic_actor_ratio = 3;
  Learner learner(config, 1, at::kCPU);
  std::vector<bool> stepped;
  for (int64_t i = 0; i < 7; ++i) stepped.push_back(update(learner, i).contains("actor_loss"));
  EXPECT_EQ(stepped, (std::vector<bool>{true, false, false, true, false, false, true}));
}

TEST(Learner, TargetUpdateFreqSkipsTheTarget) {
  LearnerConfig config = small_config();
  config.target_update_freq = 2;
  Learner learner(config, 1, at::kCPU);
  std::vector<bool> moved;
  for (int64_t i = 0; i < 4; ++i) {
    const at::Tensor before =
        tensor_of(learner.target_tensors(), "q_head.q_heads.0.net.0.weight").clone();
    update(learner, i);
    const NamedTensors after = learner.target_tensors();
    moved.push_back(!before.equal(tensor_of(after, "q_head.q_heads.0.net.0.weight")));
  }
  EXPECT_EQ(moved, (std::vector<bool>{true, false, true, false}));
}

// Head j of the target says 2^j and nothing else enters y, so mean(y) tells which heads were drawn.
TEST(Learner, DrawsItsSubsetOfHeadsWithoutReplacement) {
  LearnerConfig config = small_config();
  config.network.image_size = 0;
  config.network.num_q_heads = 5;
  config.critic_subsample_size = 3;
  config.gamma = 1;
  config.bootstrap_always = true;
  config.target_update_freq = 1 << 20;
  Learner learner(config, 1, at::kCPU);
  learner.set_updates(1);  // update 0 would move the target
  for (int head = 0; head < 5; ++head) {
    const std::string prefix = "q_head.q_heads." + std::to_string(head) + ".net.9.";
    tensor_of(learner.target_tensors(), prefix + "weight").zero_();
    tensor_of(learner.target_tensors(), prefix + "bias").fill_(1 << head);
  }
  std::set<unsigned> drawn;
  for (int64_t i = 1; i <= 200; ++i) {
    Batch batch = random_batch(config.network, 2, i);
    batch.rewards.zero_();
    const auto row =
        Learner::read({learner.update(batch, random_update_noise(config.network, 2, i))});
    const double sum = 3 * Metrics(row[0].values.begin(), row[0].values.end()).at("target_q");
    const auto heads = static_cast<unsigned>(std::lround(sum));
    ASSERT_NEAR(sum, heads, 1e-3);
    ASSERT_EQ(std::popcount(heads), 3) << "a head was drawn twice";
    drawn.insert(heads);
  }
  EXPECT_EQ(drawn.size(), 10u);  // every subset of 3 of 5
}

TEST(Learner, ReportsWhatReplayUpdatesNames) {
  const auto names = [](const Metrics& metrics) {
    std::set<std::string> found;
    for (const auto& [name, value] : metrics) {
      EXPECT_TRUE(std::isfinite(value)) << name;
      found.insert(name);
    }
    return found;
  };
  const std::set<std::string> critic{"critic_loss", "target_q", "q_data", "critic_grad_norm",
                                     "alpha"};
  std::set<std::string> all = critic;
  all.insert({"actor_grad_norm", "actor_loss", "entropy", "q_pi", "q_value_0", "q_value_1",
              "q_value_2", "q_value_3"});
  LearnerConfig config = small_config();
  config.alpha_type = AlphaType::kFixed;
  config.initial_alpha = 0.3;
  config.train_actor_steps = 1;
  Learner fixed(config, 1, at::kCPU);
  EXPECT_EQ(names(update(fixed, 0)), critic);
  const Metrics second = update(fixed, 1);
  EXPECT_EQ(names(second), all);
  EXPECT_FLOAT_EQ(static_cast<float>(second.at("alpha")), 0.3F);

  Learner learner(small_config(), 1, at::kCPU);
  const Metrics metrics = update(learner, 0);
  all.insert({"alpha_loss", "alpha_grad_norm"});
  EXPECT_EQ(names(metrics), all);
  // log p is that of the actor's pass; alpha that of the update's start, 1, in the losses.
  EXPECT_NEAR(metrics.at("alpha_loss"), metrics.at("entropy") + 16, 1e-4);
  EXPECT_NEAR(metrics.at("actor_loss"), -metrics.at("entropy") - metrics.at("q_pi"), 1e-4);
  EXPECT_LT(metrics.at("alpha"), 1);  // the entropy is above its target: alpha falls
}

TEST(Learner, SameSeedGivesTheSameBitsHoweverUpdatesAreSplit) {
  const LearnerConfig config = small_config();
  const Replay replay = filled_replay(config.network);
  Learner a(config, 5, at::kCPU), b(config, 5, at::kCPU), other(config, 6, at::kCPU);
  const auto rows = a.update(20, replay, kGoOn);
  ASSERT_EQ(rows.size(), 20u);
  EXPECT_EQ(rows[19].update, 19);
  b.update(1, replay, kGoOn);
  b.update(12, replay, kGoOn);
  b.update(7, replay, kGoOn);
  EXPECT_EQ(largest_difference(a.agent_tensors(), b.agent_tensors()), 0.0);
  EXPECT_EQ(largest_difference(a.target_tensors(), b.target_tensors()), 0.0);
  EXPECT_EQ(largest_difference(a.moment_tensors(), b.moment_tensors()), 0.0);
  other.update(20, replay, kGoOn);
  EXPECT_GT(largest_difference(a.agent_tensors(), other.agent_tensors()), 0.0);
}

TEST(Learner, DrawsRowsAndNoiseFromItsNamedStreams) {
  const LearnerConfig config = small_config();
  const Replay replay = filled_replay(config.network);
  Learner a(config, 5, at::kCPU), b(config, 5, at::kCPU);
  a.update(3, replay, kGoOn);
  for (int64_t i = 0; i < 3; ++i) {
    const at::Tensor rows = random_below(RandomStream(5, "replay.sample"), i, 24, 24, at::kCPU);
    b.update(replay.gather(rows, at::kCPU),
             {random_normal(RandomStream(5, "learner.eps_next"), i, 24, 32, at::kCPU),
              random_normal(RandomStream(5, "learner.eps_pi"), i, 24, 32, at::kCPU)});
  }
  EXPECT_EQ(largest_difference(a.agent_tensors(), b.agent_tensors()), 0.0);
}

// A window of the newest rows is what a ring of that size would hold, evicted rows and all.
TEST(Learner, DrawsFromTheNewestRowsOfItsWindow) {
  LearnerConfig windowed = small_config();
  windowed.sample_window = 24;
  const auto learned = [](const LearnerConfig& config, int64_t capacity) {
    Replay replay(config.network, capacity, 24, at::kCPU);
    Learner learner(config, 5, at::kCPU);
    for (int64_t append = 0; append < 3; ++append) {
      const Batch batch = random_batch(config.network, 24, append);
      replay.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                     std::vector<float>(24, static_cast<float>(-append)),
                     std::vector<int32_t>(24, 5), std::vector<uint8_t>(24, 0),
                     std::vector<uint8_t>(24, 1), 0});
      learner.update(2, replay, kGoOn);
    }
    NamedTensors tensors;
    for (const auto& [name, tensor] : learner.agent_tensors())
      tensors.emplace_back(name, tensor.clone());
    return tensors;
  };
  const NamedTensors small_ring = learned(small_config(), 24);
  EXPECT_EQ(largest_difference(learned(windowed, 24), small_ring), 0.0);
  EXPECT_EQ(largest_difference(learned(windowed, 48), small_ring), 0.0);  // the ring has wrapped
  EXPECT_EQ(largest_difference(learned(windowed, 64), small_ring), 0.0);
  EXPECT_GT(largest_difference(learned(small_config(), 64), small_ring), 0.0);
}

TEST(Learner, StopsBetweenUpdatesWhenCancelled) {
  const LearnerConfig config = small_config();
  const Replay replay = filled_replay(config.network);
  Learner learner(config, 1, at::kCPU);
  std::atomic<bool> cancelled{false};
  EXPECT_EQ(learner.update(3, replay, cancelled).size(), 3u);
  cancelled = true;
  EXPECT_TRUE(learner.update(3, replay, cancelled).empty());
  EXPECT_EQ(learner.updates(), 3);
}

TEST(Learner, RefusesAnEmptyReplay) {
  const LearnerConfig config = small_config();
  Learner learner(config, 1, at::kCPU);
  const Replay empty(config.network, 8, 1, at::kCPU);
  try {
    learner.update(1, empty, kGoOn);
    FAIL() << "learned from nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ERR_DSRL_REPLAY_EMPTY");
  }
}

TEST(Learner, SeesWhatIsNotFinite) {
  for (const char* part : {"actor_state", "critic_state", "q_head", "entropy_temp"}) {
    Learner learner(small_config(), 1, at::kCPU);
    EXPECT_TRUE(learner.finite());
    for (const auto& [name, tensor] : learner.agent_tensors()) {
      if (name.rfind(part, 0) == 0) tensor.view({-1})[0] = std::nan("");
    }
    EXPECT_FALSE(learner.finite()) << part;
  }
  for (const char* moment : {"actor.exp_avg.", "actor.exp_avg_sq.", "critic.exp_avg.",
                             "critic.exp_avg_sq.", "alpha.exp_avg.", "alpha.exp_avg_sq."}) {
    const Learner learner(small_config(), 1, at::kCPU);
    for (const auto& [name, tensor] : learner.moment_tensors()) {
      if (name.rfind(moment, 0) == 0) tensor.view({-1})[0] = INFINITY;
    }
    EXPECT_FALSE(learner.finite()) << moment;
  }
  const Learner moved(small_config(), 1, at::kCPU);
  moved.target_tensors()[0].second.view({-1})[0] = std::nan("");
  EXPECT_FALSE(moved.finite());
  Learner learner(small_config(), 1, at::kCPU);
  const NetworkConfig& network = learner.config().network;
  Batch batch = random_batch(network, 24, 0);
  batch.rewards[7] = INFINITY;
  learner.update(batch, random_update_noise(network, 24, 0));
  EXPECT_FALSE(learner.finite());
}

}  // namespace
}  // namespace dsrl
