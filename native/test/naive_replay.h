#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <deque>

#include "core/random/tensor_random.h"
#include "core/replay/replay.h"

namespace dsrl::test {

/// Episodes of random pictures, driven by one stream; what a replay is fed in its tests.
struct Episodes {
  int64_t envs;
  int64_t reset_one_in = 3;  // an environment is reset after its chunk
  int64_t waits_one_in = 5;  // an environment is not stepped; its row is inactive
  int64_t image_size = 4;    // 0: no pictures
  int64_t state_dim = 3, noise_dim = 2;

  NetworkConfig network() const {
    NetworkConfig config;
    config.image_size = image_size;
    config.image_channels = {1};
    config.image_kernels = {3};
    config.image_strides = {1};
    config.state_dim = state_dim;
    config.noise_dim = noise_dim;
    return config;
  }
};

/// The obvious replay, which the ring must equal: a queue of transitions kept whole.
class NaiveReplay {
 public:
  explicit NaiveReplay(Episodes episodes, int64_t capacity)
      : episodes_(episodes), capacity_(static_cast<size_t>(capacity)) {
    images_ = frames();
    states_ = states();
  }

  /// One step of all environments: rows for a replay's append(), kept here as well.
  ReplayRows step() {
    const int64_t envs = episodes_.envs;
    ReplayRows rows{images_, states_, frames(), states(), {}, {}, {}, {}, {}, 0};
    rows.noise = random_normal(stream_, ++draw_, envs, episodes_.noise_dim, at::kCPU);
    const bool pictures = episodes_.image_size > 0;
    at::Tensor images_after = pictures ? rows.next_images.clone() : at::Tensor();
    at::Tensor states_after = rows.next_states.clone();
    for (int64_t env = 0; env < envs; ++env) {
      rows.rewards.push_back(static_cast<float>(pick(100)) / 8);
      rows.steps.push_back(static_cast<int32_t>(1 + pick(5)));
      rows.terminated.push_back(static_cast<uint8_t>(pick(2)));
      const bool active = pick(episodes_.waits_one_in) > 0;
      rows.active.push_back(active);
      if (!active) {  // it shows what it showed
        if (pictures) images_after[env].copy_(images_[env]);
        states_after[env].copy_(states_[env]);
        continue;
      }
      keep(rows, env);
      if (pick(episodes_.reset_one_in) == 0) {  // the next s is not this s'
        if (pictures) images_after[env].copy_(frames()[env]);
        states_after[env].copy_(states()[env]);
      }
    }
    images_ = images_after;
    states_ = states_after;
    return rows;
  }

  int64_t size() const { return static_cast<int64_t>(held_.size()); }
  int64_t total() const { return total_; }

  /// `replay` holds the newest rows of this one, as many as its capacity allows.
  void expect_in(const Replay& replay) const {
    const int64_t size = std::min(this->size(), replay.capacity());
    ASSERT_EQ(replay.size(), size);
    ASSERT_EQ(replay.total(), total_);
    if (size == 0) return;
    const Batch batch = replay.gather(at::arange(size, at::kLong), at::kCPU);
    const auto expect = [&](const char* name, const at::Tensor& found, at::Tensor Row::* member) {
      std::vector<at::Tensor> expected;
      for (int64_t i = this->size() - size; i < this->size(); ++i) {
        expected.push_back(held_[static_cast<size_t>(i)].*member);
      }
      ASSERT_TRUE(found.equal(at::stack(expected))) << name;
    };
    if (episodes_.image_size > 0) {
      expect("images", batch.images, &Row::image);
      expect("next_images", batch.next_images, &Row::next_image);
    } else {
      EXPECT_FALSE(batch.images.defined() || batch.next_images.defined());
    }
    expect("states", batch.states, &Row::state);
    expect("next_states", batch.next_states, &Row::next_state);
    expect("noise", batch.noise, &Row::noise);
    expect("rewards", batch.rewards, &Row::reward);
    expect("steps", batch.steps, &Row::steps);
    expect("terminated", batch.terminated, &Row::terminated);
  }

 private:
  struct Row {
    at::Tensor image, next_image, state, next_state, noise, reward, steps, terminated;
  };

  void keep(const ReplayRows& rows, int64_t env) {
    const auto e = static_cast<size_t>(env);
    const auto frame = [&](const at::Tensor& t) { return t.defined() ? t[env].clone() : t; };
    held_.push_back({frame(rows.images), frame(rows.next_images), rows.states[env].clone(),
                     rows.next_states[env].clone(), rows.noise[env].clone(),
                     at::full({}, rows.rewards[e]), at::full({}, rows.steps[e], at::kLong),
                     at::full({}, rows.terminated[e], at::kByte)});
    if (held_.size() > capacity_) held_.pop_front();
    ++total_;
  }
  int64_t pick(int64_t bound) {
    return random_below(stream_, ++draw_, 1, bound, at::kCPU).item<int64_t>();
  }
  at::Tensor frames() {
    const int64_t side = episodes_.image_size;
    if (side == 0) return {};
    return random_below(stream_, ++draw_, episodes_.envs * side * side * 3, 256, at::kCPU)
        .to(at::kByte)
        .reshape({episodes_.envs, side, side, 3});
  }
  at::Tensor states() {
    return random_normal(stream_, ++draw_, episodes_.envs, episodes_.state_dim, at::kCPU);
  }

  Episodes episodes_;
  size_t capacity_;
  std::deque<Row> held_;
  int64_t total_ = 0;
  RandomStream stream_{123, "test.replay"};
  int64_t draw_ = 0;
  at::Tensor images_, states_;
};

}  // namespace dsrl::test
