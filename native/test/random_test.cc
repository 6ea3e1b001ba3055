#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/checkpoint/crc32c.h"
#include "core/random/tensor_random.h"

namespace dsrl {
namespace {

TEST(Crc32c, MatchesItsCheckValue) {
  EXPECT_EQ(crc32c("123456789", 9), 0xE3069283u);
}

// Known answers of the authors' Random123 distribution for philox4x32-10.
TEST(Philox, MatchesThePublishedVectors) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}),
            (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
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

TEST(TensorRandom, WordsOfTensorOperationsAreTheHosts) {
  const RandomStream stream(42, "learner.eps_pi");
  const at::Tensor words = detail::philox_words(stream, 11, 5, 32, at::kCPU, 100);
  for (int64_t row = 0; row < 5; ++row) {
    std::array<uint32_t, 32> expected;
    stream.words(11, static_cast<uint32_t>(100 + row), expected);
    for (int64_t i = 0; i < 32; ++i) {
      EXPECT_EQ(words[row][i].item<int64_t>(), expected[static_cast<size_t>(i)]);
    }
  }
}

TEST(TensorRandom, NormalsOfTensorOperationsAreTheHosts) {
  const RandomStream stream(42, "learner.eps_pi");
  const at::Tensor host = random_normal(stream, 3, 64, 32, at::kCPU);
  const at::Tensor tensor =
      detail::normal_from_words(detail::philox_words(stream, 3, 64, 32, at::kCPU, 0));
  EXPECT_LT((host - tensor).abs().max().item<float>(), 1e-6F);
  EXPECT_NEAR(host.mean().item<float>(), 0.0, 0.1);
  EXPECT_NEAR(host.std().item<float>(), 1.0, 0.1);
}

TEST(TensorRandom, DoesNotDependOnHowTheBatchIsSplit) {
  const RandomStream stream(1, "agent.act");
  const at::Tensor whole = random_normal(stream, 5, 8, 32, at::kCPU);
  const at::Tensor tail = random_normal(stream, 5, 3, 32, at::kCPU, 5);
  EXPECT_TRUE(whole.narrow(0, 5, 3).equal(tail));
}

TEST(TensorRandom, BelowStaysInRangeAndReachesBothEnds) {
  const RandomStream stream(9, "replay.sample");
  const at::Tensor draws = random_below(stream, 0, 4000, 7, at::kCPU);
  EXPECT_EQ(draws.min().item<int64_t>(), 0);
  EXPECT_EQ(draws.max().item<int64_t>(), 6);
  EXPECT_THROW(random_below(stream, 0, 1, 0, at::kCPU), c10::Error);
}

}  // namespace
}  // namespace dsrl
