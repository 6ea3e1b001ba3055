// The target, the two losses and the temperature, on critics whose values are known beforehand.

#include "core/sac/losses.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/sac/temperature.h"
#include "support.h"

namespace dsrl {
namespace {

using test::random_batch;

/// An actor and a critic of a learner's sizes, without pictures, whose Q heads are constants.
struct KnownCritic {
  explicit KnownCritic(const LearnerConfig& config)
      : actor_values(Actor::layout(config.network), at::kCPU),
        critic_values(Critic::layout(config.network), at::kCPU),
        actor(config.network, actor_values.trainable()),
        critic(config.network, critic_values.trainable()),
        frozen(config.network, critic_values.frozen()) {
    initialize(config.network, 1, actor_values);
    initialize(config.network, 1, critic_values);
  }
  void set_heads(const std::vector<float>& values) {
    const ParameterViews views = critic_values.frozen();
    views.at("q_head.q_heads.{}.net.9.weight").zero_();
    views.at("q_head.q_heads.{}.net.9.bias").copy_(at::tensor(values).unsqueeze(1));
  }

  ParameterBuffer actor_values, critic_values;
  Actor actor;
  Critic critic, frozen;
};

LearnerConfig blind_config() {
  LearnerConfig config = test::small_config();
  config.network.image_size = 0;
  return config;
}

Transitions transitions(const LearnerConfig& config, int64_t rows) {
  const Batch batch = random_batch(config.network, rows, 0);
  return {{{}, batch.states}, {{}, batch.next_states}, batch.noise, batch.rewards,
          batch.steps,        batch.terminated};
}

// Rows: a full chunk, a short one, a terminal one.
Transitions three_rows(const LearnerConfig& config) {
  Transitions rows = transitions(config, 3);
  rows.rewards = at::tensor({-1.0F, -1.0F, 0.0F});
  rows.steps = at::tensor({int64_t{5}, int64_t{2}, int64_t{5}}, at::kLong);
  rows.terminated = at::tensor({int64_t{0}, int64_t{0}, int64_t{1}}, at::kLong).to(at::kByte);
  return rows;
}

void expect_near(const at::Tensor& found, const std::vector<double>& expected, double tolerance) {
  ASSERT_EQ(found.numel(), static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[static_cast<int64_t>(i)].item<double>(), expected[i], tolerance) << i;
  }
}

TEST(BellmanTarget, IsWhatTheFormulaSays) {
  LearnerConfig config = blind_config();
  config.gamma = 0.9;
  KnownCritic known(config);
  known.set_heads({1, 2, 3, 6});  // mean 3, minimum 1
  const Transitions rows = three_rows(config);
  const at::Tensor eps = at::zeros({3, 32}), alpha = at::full({}, 0.5);
  const auto target = [&](const std::vector<int64_t>& heads) {
    return bellman_target(config, known.actor, known.critic, rows, eps, alpha, heads);
  };
  const double five = std::pow(0.9, 5), two = std::pow(0.9, 2);

  EXPECT_FALSE(target({}).requires_grad());
  expect_near(target({}), {-1 + five * 3, -1 + two * 3, 0}, 1e-5);
  expect_near(target({3, 1}), {-1 + five * 4, -1 + two * 4, 0}, 1e-5);  // heads of 6 and 2
  config.agg_q = Aggregation::kMin;
  expect_near(target({}), {-1 + five, -1 + two, 0}, 1e-5);
  expect_near(target({3, 1}), {-1 + five * 2, -1 + two * 2, 0}, 1e-5);
  config.bootstrap_always = true;
  expect_near(target({}), {-1 + five, -1 + two, five}, 1e-5);

  config.backup_entropy = true;  // Q' - alpha log p of the next noise
  const at::Tensor log_density =
      sample_noise(known.actor(rows.next_observation), eps, 1.0).log_density;
  std::vector<double> expected;
  for (int64_t row = 0; row < 3; ++row) {
    const double value = 1 - 0.5 * log_density[row].item<double>();
    expected.push_back(rows.rewards[row].item<double>() + (row == 1 ? two : five) * value);
  }
  expect_near(target({}), expected, 1e-4);
}

// dsrl.md, section 7: y = -1 + .999^5 y has the fixed point -200.4.
TEST(BellmanTarget, PerpetualFailureHasTheReferencesFixedPoint) {
  const LearnerConfig config = blind_config();
  KnownCritic known(config);
  Transitions failure = transitions(config, 1);
  failure.rewards.fill_(-1);
  failure.steps.fill_(5);
  failure.terminated.zero_();
  float value = 0;
  for (int i = 0; i < 2500; ++i) {
    known.set_heads({value, value, value, value});
    value = bellman_target(config, known.actor, known.critic, failure, at::zeros({1, 32}),
                           at::ones({}), {})
                .item<float>();
  }
  EXPECT_NEAR(value, -1 / (1 - std::pow(0.999, 5)), 0.02);
  EXPECT_NEAR(value, -200.4, 0.03);
}

// The target's features are those of the target's own encoders.
TEST(BellmanTarget, UsesTheTargetsOwnEncoders) {
  const LearnerConfig config = blind_config();
  KnownCritic a(config), b(config);
  const ParameterViews views = b.critic_values.frozen();
  views.at("critic_state_encoder.encoder.1.bias").add_(1);
  const Transitions rows = three_rows(config);
  const at::Tensor eps = at::zeros({3, 32});
  const at::Tensor from_a = bellman_target(config, a.actor, a.critic, rows, eps, at::ones({}), {});
  const at::Tensor from_b = bellman_target(config, a.actor, b.critic, rows, eps, at::ones({}), {});
  EXPECT_GT((from_a - from_b).abs().max().item<float>(), 1e-4F);
}

TEST(CriticErrors, AreTheSquaredDistancesOfEveryHead) {
  const LearnerConfig config = blind_config();
  KnownCritic known(config);
  known.set_heads({1, 2, 3, 6});
  const CriticErrors errors =
      critic_errors(known.critic, three_rows(config), at::tensor({0.0F, 2.0F, -1.0F}));
  ASSERT_EQ(errors.squared.sizes(), (std::vector<int64_t>{4, 3}));
  expect_near(errors.squared.select(1, 0), {1, 4, 9, 36}, 1e-4);
  expect_near(errors.squared.select(1, 2), {4, 9, 16, 49}, 1e-4);
  expect_near(errors.q.select(1, 1), {1, 2, 3, 6}, 1e-4);
}

TEST(ActorObjective, IsAlphaLogDensityMinusQ) {
  LearnerConfig config = blind_config();
  KnownCritic known(config);
  known.set_heads({1, 2, 3, 6});
  const Transitions rows = three_rows(config);
  const at::Tensor eps = random_normal(RandomStream(1, "test"), 0, 3, 32, at::kCPU);
  const at::Tensor alpha = at::full({}, 0.25);
  const at::Tensor log_density = sample_noise(known.actor(rows.observation), eps, 1.0).log_density;
  const auto objective = [&] {
    return actor_objective(config, known.actor, known.frozen, rows.observation, eps, alpha);
  };
  EXPECT_LT((objective().loss - (0.25 * log_density - 3)).abs().max().item<float>(), 1e-4F);
  config.actor_agg_q = Aggregation::kMin;
  EXPECT_LT((objective().loss - (0.25 * log_density - 1)).abs().max().item<float>(), 1e-4F);
  EXPECT_TRUE(objective().log_density.equal(log_density.detach()));
}

TEST(Gradients, OfTheActorsLossReachTheActorAloneAndOfTheCriticsTheCriticAlone) {
  const LearnerConfig config = test::small_config();  // with pictures: encoders too
  KnownCritic known(config);
  const Batch batch = random_batch(config.network, 6, 0);
  const AgentInput s{normalize_frames(batch.images), batch.states};
  const AgentInput next{normalize_frames(batch.next_images), batch.next_states};
  const Transitions rows{s, next, batch.noise, batch.rewards, batch.steps, batch.terminated};
  const at::Tensor eps = random_normal(RandomStream(1, "test"), 0, 6, 32, at::kCPU);
  const auto touched = [](const ParameterBuffer& buffer) {
    std::vector<std::string> names;
    for (const auto& [name, gradient] : named_views(buffer.layout(), buffer.gradient())) {
      if (gradient.abs().max().item<float>() > 0) names.push_back(name);
    }
    return names.size();
  };

  actor_objective(config, known.actor, known.frozen, s, eps, at::ones({})).loss.sum().backward();
  EXPECT_EQ(touched(known.actor_values), known.actor_values.named().size());
  EXPECT_EQ(touched(known.critic_values), 0u);

  known.actor_values.gradient().zero_();
  const at::Tensor y =
      bellman_target(config, known.actor, known.critic, rows, eps, at::ones({}), {});
  critic_errors(known.critic, rows, y).squared.sum().backward();
  EXPECT_EQ(touched(known.actor_values), 0u);
  EXPECT_EQ(touched(known.critic_values), known.critic_values.named().size());

  // A critic over trainable views would take the actor's gradient: what the test is to find.
  known.critic_values.gradient().zero_();
  actor_objective(config, known.actor, known.critic, s, eps, at::ones({})).loss.sum().backward();
  EXPECT_GT(touched(known.critic_values), 0u);
}

TEST(EntropyTemperature, StartsAtItsInitialAlpha) {
  LearnerConfig config;
  EntropyTemperature softplus(config, at::kCPU);
  EXPECT_NEAR(softplus.parameters().values()[0].item<double>(), 0.541325, 1e-6);
  EXPECT_FLOAT_EQ(softplus.alpha().item<float>(), 1.0F);
  for (const AlphaType type : {AlphaType::kSoftplus, AlphaType::kExp, AlphaType::kFixed}) {
    for (const double alpha : {1e-4, 0.1, 1.0, 50.0}) {
      config.alpha_type = type;
      config.initial_alpha = alpha;
      EXPECT_NEAR(EntropyTemperature(config, at::kCPU).alpha().item<double>() / alpha, 1, 1e-5);
    }
  }
}

TEST(EntropyTemperature, MayBeFixedAtZero) {
  LearnerConfig config;
  config.initial_alpha = 0;
  EXPECT_THROW(validate(config), Error);
  config.alpha_type = AlphaType::kFixed;
  validate(config);
  const EntropyTemperature none(config, at::kCPU);
  EXPECT_EQ(none.alpha().item<float>(), 0);
  EXPECT_TRUE(at::isfinite(none.parameters().values()).all().item<bool>());
}

// d/dbase of -alpha (m + T): -(m + T) sigmoid(base) for softplus, -(m + T) e^base for exp.
TEST(EntropyTemperature, HasTheGradientOfItsLoss) {
  LearnerConfig config;
  const at::Tensor mean_log_density = at::full({}, 10.0F);  // m + T = -6: entropy is too low
  EntropyTemperature softplus(config, at::kCPU);
  EXPECT_NEAR(softplus.backward(mean_log_density).item<double>(), 6, 1e-5);
  const double sigmoid = 1 / (1 + std::exp(-0.541325));
  EXPECT_NEAR(softplus.parameters().gradient()[0].item<double>(), 6 * sigmoid, 1e-5);
  config.alpha_type = AlphaType::kExp;
  config.initial_alpha = 0.5;
  EntropyTemperature exponential(config, at::kCPU);
  EXPECT_NEAR(exponential.backward(mean_log_density).item<double>(), 3, 1e-5);
  EXPECT_NEAR(exponential.parameters().gradient()[0].item<double>(), 3, 1e-5);
}

}  // namespace
}  // namespace dsrl
