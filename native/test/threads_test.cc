// What two threads may do at once: learn on one while another acts, publishes' copies are taken
// whole, and an update is watched and cancelled. What threads that share an update make of it.
// ThreadSanitizer runs these (test:sanitizers).

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <thread>
#include <vector>

#include "core/replay/replay.h"
#include "core/sac/agent.h"
#include "support.h"

namespace dsrl {
namespace {

using test::largest_difference;
using test::Metrics;
using test::small_config;
using test::update;

Replay small_replay(const NetworkConfig& network) {
  Replay replay(network, 32, 8, at::kCPU);
  const Batch batch = test::random_batch(network, 8, 0);
  replay.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                 std::vector<float>(8, -1), std::vector<int32_t>(8, 5), std::vector<uint8_t>(8, 0),
                 std::vector<uint8_t>(8, 1), 0});
  return replay;
}

TEST(Threads, AnActBesideAPublishTakesTheWeightsOfOneVersion) {
  const LearnerConfig config = small_config();
  Agent agent(config.network, 1, at::kCPU);
  const int64_t size = agent.named()[0].second.storage().nbytes() / sizeof(float);
  const at::Tensor zeros = at::zeros({size}), tenths = at::full({size}, 0.1F);
  const Batch batch = test::random_batch(config.network, 4, 0);
  const auto act = [&] { return agent.act(batch.images, batch.states, 0, true); };
  agent.assign(tenths, 0);
  const at::Tensor with_tenths = act();
  agent.assign(zeros, 0);
  const at::Tensor with_zeros = act();
  ASSERT_FALSE(with_zeros.equal(with_tenths));

  std::atomic<bool> done{false};
  std::thread publisher([&] {
    for (int64_t version = 1; !done; ++version) {
      agent.assign(version % 2 == 0 ? zeros : tenths, version);
    }
  });
  while (agent.version() == 0) std::this_thread::yield();
  int64_t newest = 0, mixed = 0;
  for (int i = 0; i < 100; ++i) {
    const at::Tensor noise = act();
    mixed += !noise.equal(with_zeros) && !noise.equal(with_tenths);
    EXPECT_GE(agent.version(), newest);
    newest = agent.version();
  }
  done = true;
  publisher.join();
  EXPECT_EQ(mixed, 0);
}

TEST(Threads, AnUpdateIsWatchedAndCancelledFromAnotherThread) {
  const LearnerConfig config = small_config();
  const Replay replay = small_replay(config.network);
  Learner learner(config, 1, at::kCPU);
  std::atomic<bool> cancelled{false};
  size_t rows = 0;
  const int64_t never = 1'000'000;
  std::thread compute([&] { rows = learner.update(never, replay, cancelled).size(); });
  while (learner.updates() < 2) std::this_thread::yield();
  cancelled = true;
  compute.join();
  EXPECT_EQ(static_cast<int64_t>(rows), learner.updates());
  EXPECT_LT(learner.updates(), never);
}

TEST(Threads, AReplaysSizeIsReadWhileItIsLoaded) {
  const test::Folder folder;
  const NetworkConfig network = small_config().network;
  Replay saved = small_replay(network);
  const Batch batch = test::random_batch(network, 8, 1);
  for (int append = 0; append < 9; ++append) {  // past its capacity of 32
    saved.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                  std::vector<float>(8, -1), std::vector<int32_t>(8, 5), std::vector<uint8_t>(8, 0),
                  std::vector<uint8_t>(8, 1), 0});
  }
  saved.save(folder / "saved", "");
  for (int load = 0; load < 50; ++load) {
    Replay replay(network, 32, 8, at::kCPU);
    std::atomic<bool> done{false};
    std::thread loader([&] {
      replay.load(folder / "saved");
      done = true;
    });
    bool possible = true;
    while (!done) {
      const int64_t size = replay.size();
      possible = possible && size >= 0 && size <= 32 && replay.total() >= size;
    }
    loader.join();
    EXPECT_TRUE(possible);
    EXPECT_EQ(replay.size(), 32);
    EXPECT_EQ(replay.total(), 80);
  }
}

// The plain version of several threads is one that takes their parts one after the other.
TEST(Threads, DoToTheBitWhatMicroBatchesDo) {
  for (const auto& [threads, rows_at_a_time] : {std::pair{2, 12}, {3, 8}, {5, 5}, {40, 1}}) {
    LearnerConfig plain = small_config(), shared = small_config();
    plain.micro_batch_size = rows_at_a_time;
    shared.threads = threads;
    Learner alone(plain, 1, at::kCPU), together(shared, 1, at::kCPU);
    for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(update(alone, i), update(together, i)) << threads;
    EXPECT_EQ(largest_difference(alone.moment_tensors(), together.moment_tensors()), 0) << threads;
    EXPECT_EQ(largest_difference(alone.agent_tensors(), together.agent_tensors()), 0) << threads;
    EXPECT_EQ(largest_difference(alone.target_tensors(), together.target_tensors()), 0) << threads;
  }
}

TEST(Threads, ShareWhatMayGoThroughTheNetworksAtATime) {
  LearnerConfig plain = small_config(), shared = small_config();
  plain.micro_batch_size = 4;
  shared.micro_batch_size = 8;
  shared.threads = 2;
  Learner alone(plain, 1, at::kCPU), together(shared, 1, at::kCPU);
  // Each thread adds up every other part, so that gradients are summed in another order.
  const Metrics expected = update(alone, 0);
  for (const auto& [name, value] : update(together, 0)) {
    EXPECT_NEAR(value, expected.at(name), 1e-5 * (1 + std::abs(value))) << name;
  }
  EXPECT_LT(largest_difference(alone.moment_tensors(), together.moment_tensors()), 1e-6);
}

TEST(Threads, OfALearnerLeaveOthersTheNumberOfTheirs) {
  const int before = at::get_num_threads();
  LearnerConfig config = small_config();
  config.threads = 2;
  Learner learner(config, 1, at::kCPU);
  update(learner, 0);
  int other = 0;
  std::thread([&] { other = at::get_num_threads(); }).join();
  EXPECT_EQ(at::get_num_threads(), before);
  EXPECT_EQ(other, before);
}

size_t threads_of_the_process() {
  using Tasks = std::filesystem::directory_iterator;
  return static_cast<size_t>(std::distance(Tasks("/proc/self/task"), Tasks()));
}

TEST(Threads, OfALearnerStartNoneOfTheirOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "ThreadSanitizer does not see the barriers of the helpers that it asks for";
#endif
  const int before = at::get_num_threads();
  at::set_num_threads(4);
  LearnerConfig config = small_config();
  Learner alone(config, 1, at::kCPU);
  update(alone, 0);  // this thread's three helpers are there from now on
  const size_t without = threads_of_the_process();
  config.threads = 2;
  Learner learner(config, 1, at::kCPU);
  update(learner, 0);
  EXPECT_EQ(threads_of_the_process(), without + 2);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace dsrl
