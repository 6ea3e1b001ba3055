#include "core/replay/replay.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>

#include "core/error.h"
#include "support.h"

namespace dsrl {
namespace {

NetworkConfig tiny_frames() {
  NetworkConfig config;
  config.image_size = 4;
  config.image_channels = {1};
  config.image_kernels = {3};
  config.image_strides = {1};
  config.noise_dim = 2;
  return config;
}

// A transition kept whole: what the ring must give back.
struct Row {
  at::Tensor image, next_image, state, next_state, noise;
  float reward;
  int64_t steps;
  int64_t terminated;
};

/// Drives a replay and a naive store of full copies with the same random episodes.
class Model {
 public:
  Model(int64_t capacity, int64_t envs)
      : config_(tiny_frames()), replay(config_, capacity, envs, at::kCPU), envs_(envs) {
    capacity_ = static_cast<size_t>(capacity);
    images_ = frames();
    states_ = states();
  }

  void step() {
    const at::Tensor next_images = frames(), next_states = states();
    const at::Tensor noise = random_normal(stream_, ++draw_, envs_, 2, at::kCPU);
    ReplayRows rows{images_, states_, next_images, next_states, noise, {}, {}, {}, {}, 0};
    at::Tensor images_after = next_images.clone(), states_after = next_states.clone();
    for (int64_t env = 0; env < envs_; ++env) {
      rows.rewards.push_back(static_cast<float>(pick(100)));
      rows.steps.push_back(static_cast<int32_t>(1 + pick(5)));
      rows.terminated.push_back(static_cast<uint8_t>(pick(2)));
      rows.active.push_back(static_cast<uint8_t>(pick(5) > 0));
      const auto e = static_cast<size_t>(env);
      if (!rows.active[e]) {  // a waiting environment shows what it showed
        images_after[env].copy_(images_[env]);
        states_after[env].copy_(states_[env]);
        continue;
      }
      held.push_back({images_[env].clone(), next_images[env].clone(), states_[env].clone(),
                      next_states[env].clone(), noise[env].clone(), rows.rewards[e], rows.steps[e],
                      rows.terminated[e]});
      if (held.size() > capacity_) held.pop_front();
      if (pick(3) == 0) {  // reset: the next s is not this s'
        images_after[env].copy_(frames()[env]);
        states_after[env].copy_(states()[env]);
      }
    }
    replay.append(rows);
    images_ = images_after;
    states_ = states_after;
  }

  void expect_equal(const Replay& other) const {
    ASSERT_EQ(other.size(), static_cast<int64_t>(held.size()));
    const Batch batch = other.gather(at::arange(other.size(), at::kLong), at::kCPU);
    for (size_t i = 0; i < held.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      ASSERT_TRUE(batch.images[row].equal(held[i].image)) << i;
      ASSERT_TRUE(batch.next_images[row].equal(held[i].next_image)) << i;
      ASSERT_TRUE(batch.states[row].equal(held[i].state)) << i;
      ASSERT_TRUE(batch.next_states[row].equal(held[i].next_state)) << i;
      ASSERT_TRUE(batch.noise[row].equal(held[i].noise)) << i;
      ASSERT_EQ(batch.rewards[row].item<float>(), held[i].reward);
      ASSERT_EQ(batch.steps[row].item<int64_t>(), held[i].steps);
      ASSERT_EQ(batch.terminated[row].item<int64_t>(), held[i].terminated);
    }
  }

 private:
  int64_t pick(int64_t bound) {
    return random_below(stream_, ++draw_, 1, bound, at::kCPU).item<int64_t>();
  }
  at::Tensor frames() {
    return random_below(stream_, ++draw_, envs_ * 48, 256, at::kCPU)
        .to(at::kByte)
        .reshape({envs_, 4, 4, 3});
  }
  at::Tensor states() { return random_normal(stream_, ++draw_, envs_, 8, at::kCPU); }

  NetworkConfig config_;

 public:
  Replay replay;
  std::deque<Row> held;

 private:
  int64_t envs_;
  size_t capacity_;
  RandomStream stream_{123, "test.replay"};
  int64_t draw_ = 0;
  at::Tensor images_, states_;
};

TEST(Replay, EqualsANaiveStoreThroughWrapsResetsAndWaits) {
  for (const int64_t capacity : {1, 2, 7, 64}) {
    Model model(capacity, 3);
    for (int step = 0; step < 80; ++step) {
      model.step();
      if (step % 9 == 0) model.expect_equal(model.replay);
    }
    model.expect_equal(model.replay);
  }
}

TEST(Replay, ReturnsFromLinkedSegments) {
  const auto folder = std::filesystem::temp_directory_path() / "dsrl_replay_test";
  std::filesystem::remove_all(folder);
  Model model(6000, 64);
  std::string previous;
  for (int save = 0; save < 3; ++save) {
    for (int step = 0; step < 90; ++step) model.step();  // past a segment, then past capacity
    const std::string next = folder / ("save_" + std::to_string(save));
    model.replay.save(next, previous);
    previous = next;
    Replay loaded(tiny_frames(), 6000, 64, at::kCPU);
    loaded.load(next);
    EXPECT_EQ(loaded.total(), model.replay.total());
    model.expect_equal(loaded);
  }
  // A flipped byte is found.
  for (const auto& entry : std::filesystem::directory_iterator(previous)) {
    if (entry.path().filename().string().rfind("transitions_", 0) != 0) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    const int last = file.peek();
    file.put(static_cast<char>(last ^ 1));
    break;
  }
  Replay damaged(tiny_frames(), 6000, 64, at::kCPU);
  EXPECT_THROW(damaged.load(previous), Error);
  std::filesystem::remove_all(folder);
}

TEST(Replay, NamesWhatDoesNotFit) {
  Replay replay(tiny_frames(), 8, 1, at::kCPU);
  ReplayRows rows{at::zeros({1, 4, 4, 3}, at::kByte),
                  at::zeros({1, 7}),
                  at::zeros({1, 4, 4, 3}, at::kByte),
                  at::zeros({1, 8}),
                  at::zeros({1, 2}),
                  {0},
                  {1},
                  {0},
                  {1},
                  0};
  try {
    replay.append(rows);
    FAIL() << "a state of 7 numbers was taken";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("states must be Float [1, 8]"), std::string::npos);
  }
}

}  // namespace
}  // namespace dsrl
