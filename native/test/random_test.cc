// The random streams of design.md, "Randomness": the host's version against published and
// independently computed values, the version made of tensor operations against the host's.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "core/checkpoint/crc32c.h"
#include "core/random/tensor_random.h"
#include "random_draws.h"

namespace dsrl {
namespace {

constexpr double kTwoToMinus24 = 1.0 / 16777216.0;

TEST(Crc32c, MatchesItsCheckValueWholeAndInParts) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
  EXPECT_EQ(crc32c("agent.act", 9), 0xB67466DFu);
  const std::string text(1000, 'x');
  for (const size_t cut : {0, 1, 7, 8, 500, 1000}) {
    const uint32_t head = crc32c(text.data(), cut);
    EXPECT_EQ(crc32c(text.data() + cut, text.size() - cut, head), crc32c(text.data(), 1000));
  }
}

// Known answers of the authors' Random123 distribution for philox4x32-10.
TEST(Philox, MatchesThePublishedVectors) {
  using Words = std::array<uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, CountsBlockEnvStepAndName) {
  const uint64_t seed = 0x123456789abcdef0;
  std::array<uint32_t, 5> words;
  RandomStream(seed, "agent.act").words(7, 3, words);
  const uint32_t name = crc32c("agent.act", 9);
  const auto first = philox4x32({0, 3, 7, name}, {0x9abcdef0, 0x12345678});
  const auto second = philox4x32({1, 3, 7, name}, {0x9abcdef0, 0x12345678});
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(words[i], first[i]);
  EXPECT_EQ(words[4], second[0]);
}

// Computed by the numpy version of the streams (python/tabletop/philox.py), written on its own.
TEST(RandomStream, DrawsWhatTheNumpyVersionDraws) {
  const RandomStream stream(0x123456789abcdef0, "agent.act");
  std::array<uint32_t, 6> words;
  stream.words(7, 3, words);
  EXPECT_EQ(words, (std::array<uint32_t, 6>{0xc8815e2d, 0xb8d44d86, 0x7cc9c1f9, 0x45cdce21,
                                            0x1f4d4c36, 0x03b8b6c4}));
  std::array<float, 3> uniforms;
  stream.uniform(7, 3, uniforms);
  EXPECT_EQ(uniforms,
            (std::array<float, 3>{0.7832239866256714F, 0.7219894528388977F, 0.48745352029800415F}));
  std::array<float, 6> normals;
  stream.normal(7, 3, normals);
  const std::array<double, 6> expected{-0.12239573901158032, -0.6882530453718206,
                                       -0.17019173656286893, 1.1866571536828887,
                                       2.04157427987252,     0.18699775992165862};
  for (size_t i = 0; i < 6; ++i) EXPECT_FLOAT_EQ(normals[i], static_cast<float>(expected[i]));
}

TEST(RandomStream, MakesUniformsAndNormalsOfItsWords) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "test");
    const auto step = static_cast<uint32_t>(draw.step);
    std::array<uint32_t, 36> words;
    std::array<float, 35> uniforms, normals;  // the last block and pair are cut
    stream.words(step, 5, words);
    stream.uniform(step, 5, uniforms);
    stream.normal(step, 5, normals);
    for (size_t i = 0; i < 35; ++i) {
      EXPECT_EQ(uniforms[i], (words[i] >> 8) * kTwoToMinus24);
      const size_t pair = i / 2 * 2;
      const double r = std::sqrt(-2 * std::log(((words[pair] >> 8) + 1) * kTwoToMinus24));
      const double t = 2 * std::numbers::pi * (words[pair + 1] >> 8) * kTwoToMinus24;
      EXPECT_FLOAT_EQ(normals[i], static_cast<float>(r * (i % 2 == 0 ? std::cos(t) : std::sin(t))));
    }
  }
}

TEST(RandomStream, ShorterDrawsAreTheBeginningOfLongerOnes) {
  const RandomStream stream(3, "test");
  std::array<float, 32> all;
  stream.normal(1, 2, all);
  for (size_t count = 1; count < 32; ++count) {
    std::vector<float> part(count);
    stream.normal(1, 2, part);
    for (size_t i = 0; i < count; ++i) EXPECT_EQ(part[i], all[i]);
  }
}

TEST(RandomStream, SeedNameStepAndEnvEachMakeAnotherStream) {
  const auto draw = [](uint64_t seed, const char* name, uint32_t step, uint32_t env) {
    std::array<uint32_t, 4> words;
    RandomStream(seed, name).words(step, env, words);
    return words;
  };
  const auto base = draw(1, "a", 1, 1);
  EXPECT_EQ(base, draw(1, "a", 1, 1));
  EXPECT_NE(base, draw(2, "a", 1, 1));
  EXPECT_NE(base, draw(1 + (uint64_t{1} << 32), "a", 1, 1));
  EXPECT_NE(base, draw(1, "b", 1, 1));
  EXPECT_NE(base, draw(1, "a", 2, 1));
  EXPECT_NE(base, draw(1, "a", 1, 2));
  EXPECT_NE(draw(1, "a", 1, 2), draw(1, "a", 2, 1));
}

TEST(TensorRandom, WordsOfTensorOperationsAreTheHosts) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "learner.eps_pi");
    for (const int64_t columns : {1, 3, 4, 32, 33}) {
      const at::Tensor words =
          detail::philox_words(stream, draw.step, 4, columns, at::kCPU, draw.first_env);
      ASSERT_EQ(words.sizes(), (std::vector<int64_t>{4, columns}));
      for (int64_t row = 0; row < 4; ++row) {
        std::vector<uint32_t> expected(static_cast<size_t>(columns));
        stream.words(static_cast<uint32_t>(draw.step), static_cast<uint32_t>(draw.first_env + row),
                     expected);
        for (int64_t i = 0; i < columns; ++i) {
          ASSERT_EQ(words[row][i].item<int64_t>(), expected[static_cast<size_t>(i)]);
        }
      }
    }
  }
}

// One unit in the last place apart at most: log, sin and cos may round differently in vector code.
TEST(TensorRandom, NormalsOfTensorOperationsAreTheHosts) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "learner.eps_pi");
    const at::Tensor host = random_normal(stream, draw.step, 4, 1000, at::kCPU, draw.first_env);
    const at::Tensor tensor = detail::normal_from_words(
        detail::philox_words(stream, draw.step, 4, 1000, at::kCPU, draw.first_env));
    EXPECT_EQ(tensor.scalar_type(), at::kFloat);
    const float infinity = std::numeric_limits<float>::infinity();
    const at::Tensor above = at::nextafter(host, at::full_like(host, infinity));
    const at::Tensor below = at::nextafter(host, at::full_like(host, -infinity));
    EXPECT_TRUE((tensor <= above).logical_and(tensor >= below).all().item<bool>());
  }
}

TEST(TensorRandom, NormalsAreStandardNormal) {
  const at::Tensor x =
      random_normal(RandomStream(4, "test"), 0, 500, 400, at::kCPU).to(at::kDouble);
  EXPECT_NEAR(x.mean().item<double>(), 0, 0.01);
  EXPECT_NEAR(x.square().mean().item<double>(), 1, 0.015);
  EXPECT_NEAR(x.pow(4).mean().item<double>(), 3, 0.1);
  EXPECT_NEAR((x.abs() < 1).to(at::kDouble).mean().item<double>(), 0.6827, 0.005);
  // Neighbours of a pair come from one radius and angle; they are independent all the same.
  const at::Tensor pairs = x.reshape({-1, 2});
  EXPECT_NEAR((pairs.select(1, 0) * pairs.select(1, 1)).mean().item<double>(), 0, 0.01);
}

TEST(TensorRandom, UniformRowsAreTheStreamsDrawsForEachEnv) {
  const RandomStream stream(4, "eval.noise");
  const at::Tensor x = random_uniform(stream, 3, 4, 33);
  for (uint32_t row = 0; row < 4; ++row) {
    std::array<float, 33> expected;
    stream.uniform(3, row, expected);
    for (size_t i = 0; i < 33; ++i)
      EXPECT_EQ(x[row][static_cast<int64_t>(i)].item<float>(), expected[i]);
  }
}

TEST(TensorRandom, DoesNotDependOnHowTheBatchIsSplit) {
  const RandomStream stream(1, "agent.act");
  const at::Tensor whole = random_normal(stream, 5, 8, 32, at::kCPU);
  for (int64_t first = 0; first < 8; ++first) {
    const at::Tensor tail = random_normal(stream, 5, 8 - first, 32, at::kCPU, first);
    EXPECT_TRUE(whole.narrow(0, first, 8 - first).equal(tail));
  }
  const at::Tensor words = detail::philox_words(stream, 5, 8, 32, at::kCPU, 0);
  const at::Tensor tail = detail::philox_words(stream, 5, 3, 32, at::kCPU, 5);
  EXPECT_TRUE(words.narrow(0, 5, 3).equal(tail));
}

TEST(TensorRandom, BelowIsTheSameOnHostAndDevice) {
  const RandomStream stream(9, "replay.sample");
  for (const int64_t bound : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{200000},
                              (int64_t{1} << 31) - 1, int64_t{1} << 31}) {
    const at::Tensor host = random_below(stream, 3, 1000, bound, at::kCPU);
    const at::Tensor tensor = detail::below_from_words(
        detail::philox_words(stream, 3, 1, 1000, at::kCPU, 0).squeeze(0), bound);
    EXPECT_TRUE(host.equal(tensor)) << bound;
    EXPECT_GE(host.min().item<int64_t>(), 0) << bound;
    EXPECT_LT(host.max().item<int64_t>(), bound) << bound;
  }
}

TEST(TensorRandom, BelowReachesEveryValueEquallyOften) {
  const at::Tensor draws = random_below(RandomStream(9, "replay.sample"), 0, 70000, 7, at::kCPU);
  const at::Tensor counts = at::bincount(draws, {}, 7);
  ASSERT_EQ(counts.size(0), 7);
  EXPECT_GT(counts.min().item<int64_t>(), 9600);  // 10,000 +- 4 standard deviations (93)
  EXPECT_LT(counts.max().item<int64_t>(), 10400);
}

TEST(TensorRandom, BelowRefusesAnEmptyRange) {
  const RandomStream stream(9, "replay.sample");
  EXPECT_THROW(random_below(stream, 0, 1, 0, at::kCPU), c10::Error);
  EXPECT_THROW(random_below(stream, 0, 1, (int64_t{1} << 31) + 1, at::kCPU), c10::Error);
}

}  // namespace
}  // namespace dsrl
