// The replay ring against a queue of full copies, over random episodes.

#include "core/replay/replay.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "naive_replay.h"
#include "support.h"

namespace dsrl {
namespace {

using test::Episodes;
using test::NaiveReplay;

TEST(Replay, EqualsANaiveStoreThroughWrapsResetsAndWaits) {
  for (const int64_t capacity : {1, 2, 7, 64}) {
    for (const int64_t envs : {1, 3}) {
      for (const int64_t image_size : {0, 4}) {
        const Episodes episodes{.envs = envs, .image_size = image_size};
        NaiveReplay naive(episodes, capacity);
        Replay replay(episodes.network(), capacity, envs, at::kCPU);
        for (int step = 0; step < 120; ++step) {
          replay.append(naive.step());
          if (step % 7 == 0) naive.expect_in(replay);
          if (HasFatalFailure()) FAIL() << capacity << ", " << envs << ", step " << step;
        }
        naive.expect_in(replay);
      }
    }
  }
}

// Episodes of one chunk take two frames a transition: the most that a ring can hold.
TEST(Replay, NeverRunsOutOfSlots) {
  for (const int64_t reset_one_in : {1, 2, 1'000'000}) {
    for (const int64_t capacity : {1, 5}) {
      const Episodes episodes{.envs = 4, .reset_one_in = reset_one_in, .image_size = 0};
      NaiveReplay naive(episodes, capacity);
      Replay replay(episodes.network(), capacity, 4, at::kCPU);
      for (int step = 0; step < 1500; ++step) ASSERT_NO_THROW(replay.append(naive.step()));
      naive.expect_in(replay);
    }
  }
}

TEST(Replay, GathersAnyPositionsInAnyOrder) {
  const Episodes episodes{.envs = 3};
  NaiveReplay naive(episodes, 10);
  Replay replay(episodes.network(), 10, 3, at::kCPU);
  for (int step = 0; step < 9; ++step) replay.append(naive.step());
  const Batch all = replay.gather(at::arange(10, at::kLong), at::kCPU);
  const at::Tensor some = at::tensor({int64_t{9}, int64_t{0}, int64_t{4}, int64_t{4}}, at::kLong);
  const Batch batch = replay.gather(some, at::kCPU);
  EXPECT_EQ(batch.size(), 4);
  EXPECT_TRUE(batch.images.equal(all.images.index_select(0, some)));
  EXPECT_TRUE(batch.next_states.equal(all.next_states.index_select(0, some)));
  EXPECT_TRUE(batch.rewards.equal(all.rewards.index_select(0, some)));
  EXPECT_EQ(batch.images.sizes(), (std::vector<int64_t>{4, 4, 4, 3}));
  EXPECT_EQ(batch.steps.scalar_type(), at::kLong);
  EXPECT_EQ(batch.terminated.scalar_type(), at::kByte);
}

// The rows' tensors are the caller's again as soon as append() returns.
TEST(Replay, KeepsCopies) {
  const Episodes episodes{.envs = 2};
  NaiveReplay naive(episodes, 10);
  Replay replay(episodes.network(), 10, 2, at::kCPU);
  ReplayRows rows = naive.step();
  for (at::Tensor* tensor : {&rows.images, &rows.states, &rows.next_images, &rows.next_states}) {
    *tensor = tensor->clone();
  }
  replay.append(rows);
  for (at::Tensor* tensor : {&rows.images, &rows.states, &rows.next_images, &rows.next_states}) {
    tensor->zero_();
  }
  naive.expect_in(replay);
}

TEST(Replay, NamesWhatDoesNotFit) {
  const Episodes episodes{.envs = 1};
  const auto refusal = [&](auto change) {
    Replay replay(episodes.network(), 8, 1, at::kCPU);
    ReplayRows rows = NaiveReplay(episodes, 8).step();
    change(rows);
    try {
      replay.append(rows);
    } catch (const Error& error) {
      EXPECT_EQ(replay.size(), 0);
      return error.code() + ": " + error.what();
    }
    return std::string();
  };
  EXPECT_EQ(refusal([](ReplayRows&) {}), "");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.states = at::zeros({1, 2}); }),
            "ERR_DSRL_REPLAY_SHAPE: replay.append: states must be Float [1, 3]");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.next_states = at::zeros({1, 3}, at::kDouble); }),
            "ERR_DSRL_REPLAY_SHAPE: replay.append: next_states must be Float [1, 3]");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.noise = at::zeros({2, 2}); }),
            "ERR_DSRL_REPLAY_SHAPE: replay.append: noise must be Float [1, 2]");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.images = at::Tensor(); }),
            "ERR_DSRL_REPLAY_SHAPE: replay.append: images must be Byte [1, 4, 4, 3]");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.next_images = at::zeros({1, 4, 4, 4}, at::kByte); }),
            "ERR_DSRL_REPLAY_SHAPE: replay.append: next_images must be Byte [1, 4, 4, 3]");
  EXPECT_NE(refusal([](ReplayRows& r) { r.rewards.clear(); }), "");
  EXPECT_NE(refusal([](ReplayRows& r) { r.active.push_back(1); }), "");
}

// What enters the Bellman target; a row that is not stored may hold anything.
TEST(Replay, RefusesValuesThatCannotBeBeforeItStoresARow) {
  const Episodes episodes{.envs = 3};
  const auto refusal = [&](auto change) {
    Replay replay(episodes.network(), 8, 3, at::kCPU);
    ReplayRows rows = NaiveReplay(episodes, 8).step();
    rows.active = {1, 0, 1};
    change(rows);
    const std::string message = test::refusal([&] { replay.append(rows); });
    EXPECT_EQ(replay.total(), message == "nothing was refused" ? 2 : 0) << message;
    return message;
  };
  const std::string code = "ERR_DSRL_REPLAY_VALUE: replay.append: ";
  EXPECT_EQ(refusal([](ReplayRows& r) { r.terminated[2] = 255; }),
            code + "environment 2: terminated: 255 is neither 0 nor 1");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.terminated[0] = 2; }),
            code + "environment 0: terminated: 2 is neither 0 nor 1");
  EXPECT_EQ(refusal([](ReplayRows& r) { r.steps[2] = -5; }),
            code + "environment 2: steps: -5 is outside [0, 2147483647]");
  for (const float reward : {NAN, INFINITY, -INFINITY}) {
    EXPECT_EQ(refusal([&](ReplayRows& r) { r.rewards[2] = reward; }),
              code + "environment 2: rewards: " + std::to_string(reward) + " is not finite");
  }
  const auto waiting = [](ReplayRows& r) {
    r.terminated[1] = 255;
    r.steps[1] = -1;
    r.rewards[1] = NAN;
  };
  EXPECT_EQ(refusal(waiting), "nothing was refused");
}

TEST(Replay, RefusesACapacityThatCannotBe) {
  const NetworkConfig network = Episodes{.envs = 1}.network();
  for (const int64_t capacity : {int64_t{0}, int64_t{-1}, (int64_t{1} << 31) + 1}) {
    EXPECT_THROW(Replay(network, capacity, 1, at::kCPU), Error) << capacity;
  }
}

TEST(Replay, RefusesANumberOfEnvironmentsThatCannotBe) {
  const NetworkConfig network = Episodes{.envs = 1}.network();
  for (const int64_t envs : {int64_t{0}, int64_t{-1}, int64_t{-8}, int64_t{1} << 40}) {
    try {
      Replay(network, 8, envs, at::kCPU);
      FAIL() << envs;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "ERR_DSRL_CONFIG_REPLAY");
      EXPECT_NE(std::string(error.what()).find("num_envs " + std::to_string(envs)),
                std::string::npos);
    }
  }
}

// dsrl.md, section 5: 200,000 transitions are 2.5 GB at one frame each; two each are the most.
TEST(Replay, BoundsItsMemory) {
  const int64_t most = Replay::bytes_at_most(NetworkConfig{}, 200'000);
  EXPECT_GT(most, int64_t{2} * 200'000 * 64 * 64 * 3);
  EXPECT_LT(most, int64_t{2} * 200'000 * 12'500);
}

}  // namespace
}  // namespace dsrl
