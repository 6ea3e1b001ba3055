#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>

#include "core/error.h"
#include "core/random/tensor_random.h"
#include "core/sac/learner.h"

namespace dsrl::test {

/// A learner small enough for a test, with the shape of the real one.
inline LearnerConfig small_config() {
  LearnerConfig config;
  config.network.image_size = 16;
  config.network.image_channels = {4, 4, 4, 4};
  config.network.hidden_dims = {16, 16, 16};
  config.network.num_q_heads = 4;
  config.batch_size = 24;
  return config;
}

/// A batch with pictures, short chunks and terminal rows, from one stream.
inline Batch random_batch(const NetworkConfig& config, int64_t rows, int64_t step) {
  const RandomStream stream(77, "test.batch");
  const int64_t side = config.image_size;
  const auto frames = [&](int64_t offset) {
    return random_below(stream, 10 * step + offset, rows * side * side * 3, 256, at::kCPU)
        .to(at::kByte)
        .reshape({rows, side, side, 3});
  };
  return {frames(0),
          frames(1),
          random_normal(stream, 10 * step + 2, rows, config.state_dim, at::kCPU),
          random_normal(stream, 10 * step + 3, rows, config.state_dim, at::kCPU),
          random_normal(stream, 10 * step + 4, rows, config.noise_dim, at::kCPU).tanh(),
          random_normal(stream, 10 * step + 5, rows, 1, at::kCPU).squeeze(1),
          random_below(stream, 10 * step + 6, rows, 5, at::kCPU) + 1,
          random_below(stream, 10 * step + 7, rows, 2, at::kCPU).to(at::kByte)};
}

inline UpdateNoise random_update_noise(const NetworkConfig& config, int64_t rows, int64_t step) {
  const RandomStream stream(78, "test.noise");
  return {random_normal(stream, 2 * step, rows, config.noise_dim, at::kCPU),
          random_normal(stream, 2 * step + 1, rows, config.noise_dim, at::kCPU)};
}

inline Batch to_device(const Batch& batch, at::Device device) {
  return {batch.images.to(device),      batch.next_images.to(device), batch.states.to(device),
          batch.next_states.to(device), batch.noise.to(device),       batch.rewards.to(device),
          batch.steps.to(device),       batch.terminated.to(device)};
}

/// What an update reports.
using Metrics = std::map<std::string, double>;

/// One update on random_batch(i) and random_update_noise(i).
inline Metrics update(Learner& learner, int64_t i, int64_t rows = 24) {
  const NetworkConfig& network = learner.config().network;
  const auto row = Learner::read(
      {learner.update(random_batch(network, rows, i), random_update_noise(network, rows, i))});
  return {row[0].values.begin(), row[0].values.end()};
}

/// Updates first, first + 1, ... on random_batch(i) and random_update_noise(i).
inline void run_updates(Learner& learner, int64_t first, int64_t count, int64_t rows = 24) {
  const NetworkConfig& network = learner.config().network;
  for (int64_t i = first; i < first + count; ++i) {
    learner.update(random_batch(network, rows, i), random_update_noise(network, rows, i));
  }
}

inline double largest_difference(const NamedTensors& a, const NamedTensors& b) {
  if (a.size() != b.size()) throw std::invalid_argument("lists of different lengths");
  double largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i].first != b[i].first) throw std::invalid_argument(a[i].first + ", " + b[i].first);
    largest = std::max(largest, (a[i].second - b[i].second).abs().max().item<double>());
  }
  return largest;
}

/// "CODE: message" of the Error that `body` throws.
template <typename Body>
std::string refusal(Body body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code() + ": " + error.what();
  }
  return "nothing was refused";
}

/// An empty folder of this test's own, removed with everything in it when the test is over.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dsrl-test-XXXXXX").string();
    if (!mkdtemp(name.data())) throw std::runtime_error("no temporary folder " + name);
    path_ = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace dsrl::test
