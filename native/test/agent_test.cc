// The acting agent, its distribution over noise, and the resizing of its frame.

#include "core/sac/agent.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/sac/squashed_gaussian.h"
#include "support.h"

namespace dsrl {
namespace {

using test::refusal;

at::Tensor normals(int64_t step, int64_t rows, int64_t columns) {
  return random_normal(RandomStream(2, "test.agent"), step, rows, columns, at::kCPU);
}

at::Tensor bytes(int64_t step, at::IntArrayRef shape) {
  const int64_t count = c10::multiply_integers(shape);
  return random_below(RandomStream(2, "test.agent"), step, count, 256, at::kCPU)
      .to(at::kByte)
      .reshape(shape);
}

// dsrl.md, section 7: over many states and draws, for any seed.
TEST(SquashedGaussian, FreshEntropyIsTwentyOneNats) {
  const NetworkConfig config;
  for (const uint64_t seed : {0, 1, 2}) {
    ParameterBuffer buffer(Actor::layout(config), at::kCPU);
    initialize(config, seed, buffer);
    const AgentInput input{normalize_frames(bytes(10, {64, 64, 64, 3})), normals(0, 64, 8)};
    const Gaussian gaussian = Actor(config, buffer.frozen())(input);
    double entropy = 0;
    for (int64_t draw = 0; draw < 32; ++draw) {
      const at::Tensor eps = normals(1 + draw, 64, 32);
      entropy -= sample_noise(gaussian, eps, 1.0).log_density.mean().item<double>() / 32;
    }
    EXPECT_NEAR(entropy, 21.4, 0.2) << "seed " << seed;
  }
}

// exp(log p) integrates to one over (-b, b)^2, by the trapezoid rule: independent of how it is
// made.
TEST(SquashedGaussian, DensityIntegratesToOne) {
  for (const double magnitude : {1.0, 2.5}) {
    const Gaussian gaussian{at::tensor({0.4F, -0.7F}).unsqueeze(0),
                            at::tensor({-0.5F, 0.3F}).unsqueeze(0)};
    const int64_t points = 801;
    const at::Tensor line = at::linspace(-6, 6, points);
    const at::Tensor eps = at::stack({line.unsqueeze(1).expand({points, points}).flatten(),
                                      line.unsqueeze(0).expand({points, points}).flatten()},
                                     1);
    const SampledNoise sampled = sample_noise(gaussian, eps, magnitude);
    const at::Tensor density = sampled.log_density.to(at::kDouble).exp().reshape({points, points});
    const at::Tensor y = sampled.noise.to(at::kDouble).reshape({points, points, 2});
    const double mass =
        at::trapezoid(at::trapezoid(density, y[0].select(1, 1), 1), y.select(1, 0).select(1, 0), 0)
            .item<double>();
    EXPECT_NEAR(mass, 1, 1e-3) << "b = " << magnitude;
    EXPECT_LE(sampled.noise.abs().max().item<double>(), magnitude);
  }
}

TEST(SquashedGaussian, StaysFiniteAtItsBorders) {
  const Gaussian wide{at::full({2, 32}, 50.0F), at::full({2, 32}, 2.0F)};
  const Gaussian narrow{at::zeros({2, 32}), at::full({2, 32}, -20.0F)};
  for (const Gaussian& gaussian : {wide, narrow}) {
    const SampledNoise sampled = sample_noise(gaussian, normals(0, 2, 32), 1.0);
    EXPECT_TRUE(sampled.log_density.isfinite().all().item<bool>());
    EXPECT_TRUE(sampled.noise.isfinite().all().item<bool>());
  }
}

TEST(Agent, ActsWithItsStreamAndWithoutItDeterministically) {
  const NetworkConfig config = test::small_config().network;
  const Agent agent(config, 5, at::kCPU);
  const at::Tensor frames = bytes(10, {6, 16, 16, 3}), states = normals(0, 6, 8);

  ParameterBuffer buffer(Actor::layout(config), at::kCPU);
  initialize(config, 5, buffer);
  const Gaussian gaussian = Actor(config, buffer.frozen())({normalize_frames(frames), states});
  const at::Tensor eps = random_normal(RandomStream(5, "agent.act"), 3, 6, 32, at::kCPU);
  EXPECT_TRUE(agent.act(frames, states, 3, false).equal(sample_noise(gaussian, eps, 1.0).noise));
  EXPECT_TRUE(agent.act(frames, states, 3, true).equal(gaussian.mean.tanh()));
  EXPECT_FALSE(agent.act(frames, states, 3, false).equal(agent.act(frames, states, 4, false)));
}

TEST(Agent, TakesTheLearnersWeightsAsACopyWithItsVersion) {
  Learner learner(test::small_config(), 1, at::kCPU);
  Agent agent(learner.config().network, 2, at::kCPU);
  learner.set_updates(7);
  learner.publish(agent);
  EXPECT_EQ(agent.version(), 7);
  const NamedTensors acting = agent.named(), learning = learner.agent_tensors();
  for (size_t i = 0; i < acting.size(); ++i) {
    EXPECT_EQ(acting[i].first, learning[i].first);
    EXPECT_TRUE(acting[i].second.equal(learning[i].second));
  }
  learning[0].second.fill_(3);
  EXPECT_FALSE(acting[0].second.equal(learning[0].second));
}

TEST(Agent, NamesWhatItExpectedAndWhatItFound) {
  const Agent agent(test::small_config().network, 1, at::kCPU);
  const at::Tensor frames = bytes(10, {2, 16, 16, 3}), states = normals(0, 2, 8);
  const auto found = [&](const at::Tensor& f, const at::Tensor& s) {
    return refusal([&] { agent.act(f, s, 0, false); });
  };
  EXPECT_EQ(found(frames, normals(0, 2, 7)),
            "ERR_DSRL_OBSERVATION: the agent expects states Float [B, 8], found Float [2, 7]");
  EXPECT_EQ(found(frames.narrow(1, 0, 15), states),
            "ERR_DSRL_OBSERVATION: the agent expects frames Byte [B, 16, 16, 3], "
            "found Byte [2, 15, 16, 3]");
  EXPECT_EQ(found(frames.narrow(0, 0, 1), states).substr(0, 20), "ERR_DSRL_OBSERVATION");
  EXPECT_EQ(found(frames.to(at::kFloat), states).substr(0, 20), "ERR_DSRL_OBSERVATION");
  EXPECT_EQ(found(at::Tensor(), states).substr(0, 20), "ERR_DSRL_OBSERVATION");
  EXPECT_EQ(found(frames, at::Tensor()).substr(0, 20), "ERR_DSRL_OBSERVATION");
}

TEST(ResizeFrames, RoundsHalfToEven) {
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

TEST(ResizeFrames, IsTheMeanOfTheCentralFourPixelsOfEachBlock) {
  const at::Tensor picture = bytes(11, {2, 256, 256, 3});
  const at::Tensor frame = resize_frames(picture, 64);
  EXPECT_TRUE(frame.is_contiguous());
  const auto from = picture.accessor<uint8_t, 4>();
  const auto to = frame.accessor<uint8_t, 4>();
  int64_t different = 0;
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t y = 0; y < 64; ++y) {
      for (int64_t x = 0; x < 64; ++x) {
        for (int64_t c = 0; c < 3; ++c) {
          const int sum = from[n][4 * y + 1][4 * x + 1][c] + from[n][4 * y + 1][4 * x + 2][c] +
                          from[n][4 * y + 2][4 * x + 1][c] + from[n][4 * y + 2][4 * x + 2][c];
          const int down = sum / 4, rest = sum % 4;
          const int mean = rest == 3 || (rest == 2 && down % 2 == 1) ? down + 1 : down;
          different += to[n][y][x][c] != mean;
        }
      }
    }
  }
  EXPECT_EQ(different, 0);
}

TEST(ResizeFrames, LeavesAFrameOfTheRightSizeAndRefusesOthersThanPictures) {
  const at::Tensor frame = bytes(12, {1, 64, 64, 3});
  EXPECT_TRUE(resize_frames(frame, 64).is_same(frame));
  EXPECT_EQ(refusal([&] { resize_frames(frame.to(at::kFloat), 64); }).substr(0, 20),
            "ERR_DSRL_OBSERVATION");
  EXPECT_EQ(refusal([&] { resize_frames(frame.permute({0, 3, 1, 2}), 64); }).substr(0, 20),
            "ERR_DSRL_OBSERVATION");
}

}  // namespace
}  // namespace dsrl
