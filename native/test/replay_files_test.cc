// The replay's part of a checkpoint: segments, links to earlier ones, and damage that is found.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <tuple>

#include "core/checkpoint/crc32c.h"
#include "core/checkpoint/safetensors.h"
#include "core/error.h"
#include "core/replay/replay.h"
#include "naive_replay.h"
#include "support.h"

namespace dsrl {
namespace {

namespace fs = std::filesystem;
using test::Episodes;
using test::NaiveReplay;

// A segment has 4096 transitions; steps of up to 96 rows cross its borders unaligned.
constexpr int64_t kSegment = 4096;
const Episodes kWide{.envs = 96};

void run(NaiveReplay& naive, std::vector<Replay*> replays, int64_t until_total) {
  while (naive.total() < until_total) {
    const ReplayRows rows = naive.step();
    for (Replay* replay : replays) replay->append(rows);
  }
}

Replay loaded(const Episodes& episodes, int64_t capacity, const std::string& folder) {
  Replay replay(episodes.network(), capacity, episodes.envs, at::kCPU);
  replay.load(folder);
  return replay;
}

std::string refusal(const Episodes& episodes, const std::string& folder) {
  try {
    loaded(episodes, 1000, folder);
  } catch (const Error& error) {
    return error.code();
  }
  return "nothing was refused";
}

std::vector<fs::path> files_of(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

TEST(ReplayFiles, ReturnWhatWasSavedAndGoOnAlike) {
  const test::Folder folder;
  const Episodes episodes{.envs = 3, .image_size = 8};
  for (const int64_t capacity : {1, 7, 64, 1000}) {
    NaiveReplay naive(episodes, capacity);
    Replay straight(episodes.network(), capacity, 3, at::kCPU);
    run(naive, {&straight}, 150);
    const std::string name = folder / std::to_string(capacity);
    straight.save(name, "");
    Replay resumed = loaded(episodes, capacity, name);
    naive.expect_in(resumed);
    run(naive, {&straight, &resumed}, 400);
    naive.expect_in(straight);
    naive.expect_in(resumed);
  }
}

TEST(ReplayFiles, HoldAnEmptyReplay) {
  const test::Folder folder;
  Replay(kWide.network(), 10, 1, at::kCPU).save(folder / "empty", "");
  EXPECT_EQ(loaded(kWide, 10, folder / "empty").size(), 0);
}

// Checkpoint after checkpoint, past segment borders and past the capacity, each linked to the last
// and the last but one removed, as a run prunes them; resumed from in the middle.
TEST(ReplayFiles, LinkWholeSegmentsOfTheCheckpointBefore) {
  const test::Folder folder;
  const int64_t capacity = 2 * kSegment + 500;
  NaiveReplay naive(kWide, capacity);
  Replay replay(kWide.network(), capacity, kWide.envs, at::kCPU);
  std::string previous;
  int64_t linked = 0;
  for (int save = 1; save <= 8; ++save) {
    run(naive, {&replay}, save * 2900);
    const std::string next = folder / ("step_" + std::to_string(save));
    replay.save(next, previous);
    for (const fs::path& file : files_of(next)) linked += fs::hard_link_count(file) > 1;
    if (!previous.empty()) fs::remove_all(previous);
    previous = next;
    Replay again = loaded(kWide, capacity, next);
    naive.expect_in(again);
    if (HasFatalFailure()) FAIL() << "save " << save;
    if (save == 4) replay = std::move(again);  // a resumed run links on
  }
  EXPECT_GT(replay.total(), 2 * capacity);
  EXPECT_GE(linked, 5);
}

TEST(ReplayFiles, FitAReplayOfAnotherCapacity) {
  const test::Folder folder;
  NaiveReplay naive(kWide, 6000);
  Replay replay(kWide.network(), 6000, kWide.envs, at::kCPU);
  run(naive, {&replay}, 9000);
  replay.save(folder / "saved", "");
  for (const int64_t capacity : {int64_t{1}, int64_t{700}, kSegment, int64_t{20'000}}) {
    Replay other = loaded(kWide, capacity, folder / "saved");
    naive.expect_in(other);
  }
}

TEST(ReplayFiles, SaveWithoutALinkWhereTheEarlierFileIsGone) {
  const test::Folder folder;
  NaiveReplay naive(kWide, 6000);
  Replay replay(kWide.network(), 6000, kWide.envs, at::kCPU);
  run(naive, {&replay}, 5000);
  replay.save(folder / "first", "");
  for (const fs::path& file : files_of(folder / "first")) {
    if (file.filename() != "index.safetensors") fs::remove(file);
  }
  replay.save(folder / "second", folder / "first");
  Replay again = loaded(kWide, 6000, folder / "second");
  naive.expect_in(again);
  replay.save(folder / "third", folder / "absent");
  Replay once_more = loaded(kWide, 6000, folder / "third");
  naive.expect_in(once_more);
}

// A linked segment is the earlier checkpoint's file too.
TEST(ReplayFiles, LeaveOtherCheckpointsAsTheyAreWhereOneIsWrittenOver) {
  const test::Folder folder;
  const Episodes other_episodes{.envs = 96, .reset_one_in = 2};
  NaiveReplay naive(kWide, 6000), other_naive(other_episodes, 6000);
  Replay replay(kWide.network(), 6000, kWide.envs, at::kCPU);
  Replay other(kWide.network(), 6000, kWide.envs, at::kCPU);
  run(naive, {&replay}, 5000);
  run(other_naive, {&other}, 5000);
  const std::string a = folder / "a", b = folder / "b";
  const auto holds = [](const std::string& name, const NaiveReplay& expected) {
    const Replay found = loaded(kWide, 6000, name);
    expected.expect_in(found);
  };
  replay.save(a, "");
  replay.save(b, a);
  EXPECT_EQ(fs::hard_link_count(files_of(a)[1]), 2u);
  other.save(b, "");
  holds(a, naive);
  holds(b, other_naive);
  replay.save(b, a);  // a link in the place of another segment of that name
  holds(a, naive);
  holds(b, naive);
  EXPECT_EQ(fs::hard_link_count(files_of(a)[1]), 2u);
  replay.save(b, a);  // which is there already
  holds(b, naive);
  replay.save(a, a);
  holds(a, naive);
  holds(b, naive);
}

TEST(ReplayFiles, SaveWithoutALinkWhereTheEarlierIndexIsDamaged) {
  const test::Folder folder;
  NaiveReplay naive(kWide, 6000);
  Replay replay(kWide.network(), 6000, kWide.envs, at::kCPU);
  run(naive, {&replay}, 5000);
  replay.save(folder / "first", "");
  fs::resize_file(folder / "first/index.safetensors", 100);
  replay.save(folder / "second", folder / "first");
  const Replay again = loaded(kWide, 6000, folder / "second");
  naive.expect_in(again);
}

class DamagedReplay : public testing::Test {
 protected:
  void SetUp() override {
    NaiveReplay naive(episodes_, 100);
    Replay replay(episodes_.network(), 100, 3, at::kCPU);
    run(naive, {&replay}, 40);
    replay.save(saved_, "");
    count_ = replay.total();
  }
  std::string segment(int64_t first) const {
    return saved_ + "/transitions_" + std::to_string(first) + "_" + std::to_string(count_) +
           ".safetensors";
  }
  /// The segment's file, changed, and an index to which it fits.
  void change_segment(const std::string& name, const at::Tensor& value) const {
    const std::string path = segment(0);
    NamedTensors tensors;
    for (const auto& [found, tensor] : read_safetensors(path).tensors) {
      tensors.emplace_back(found, found == name ? value : tensor);
    }
    write_index(count_, count_, {{0, count_, write_safetensors(path, tensors)}});
  }
  /// Segments are {first, count, checksum}.
  void write_index(int64_t total, int64_t size,
                   const std::vector<std::array<int64_t, 3>>& segments) const {
    std::vector<int64_t> numbers{total, size}, columns[3];
    for (const auto& segment : segments) {
      numbers.insert(numbers.end(), segment.begin(), segment.end());
      for (size_t i = 0; i < 3; ++i) columns[i].push_back(segment[i]);
    }
    const int64_t checksum = crc32c(numbers.data(), numbers.size() * sizeof(int64_t));
    const auto longs = [](const std::vector<int64_t>& values) {
      return at::tensor(values, at::kLong);
    };
    write_safetensors(saved_ + "/index.safetensors", {{"total", longs({total})},
                                                      {"size", longs({size})},
                                                      {"first", longs(columns[0])},
                                                      {"count", longs(columns[1])},
                                                      {"crc32c", longs(columns[2])},
                                                      {"index_crc32c", longs({checksum})}});
  }
  const Episodes episodes_{.envs = 3};
  test::Folder folder_;
  std::string saved_ = folder_ / "saved";
  int64_t count_ = 0;
};

TEST_F(DamagedReplay, AnyFlippedBitIsFound) {
  ASSERT_EQ(files_of(saved_).size(), 2u);
  for (const fs::path& path : files_of(saved_)) {
    const auto size = static_cast<int64_t>(fs::file_size(path));
    for (int64_t at = 0; at < size; at += size > 2000 ? 97 : 1) {
      std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
      const auto flip = [&] {
        file.seekg(at);
        const int byte = file.get();
        file.seekp(at);
        file.put(static_cast<char>(byte ^ (1 << at % 8))).flush();
      };
      flip();
      EXPECT_EQ(refusal(episodes_, saved_), "ERR_DSRL_CHECKPOINT_DAMAGED")
          << path.filename() << " at " << at;
      flip();
    }
  }
  EXPECT_EQ(refusal(episodes_, saved_), "nothing was refused");
}

TEST_F(DamagedReplay, AFileCutShortOrGoneIsFound) {
  for (const fs::path& path : files_of(saved_)) {
    const std::string kept = folder_ / "kept";
    fs::copy_file(path, kept, fs::copy_options::overwrite_existing);
    for (const int64_t size :
         {int64_t{0}, int64_t{7}, int64_t{100}, static_cast<int64_t>(fs::file_size(path)) - 1}) {
      fs::resize_file(path, static_cast<size_t>(size));
      EXPECT_EQ(refusal(episodes_, saved_), "ERR_DSRL_CHECKPOINT_DAMAGED") << path << ", " << size;
      fs::copy_file(kept, path, fs::copy_options::overwrite_existing);
    }
    fs::remove(path);
    EXPECT_EQ(refusal(episodes_, saved_), "ERR_DSRL_CHECKPOINT_READ") << path;
    fs::copy_file(kept, path);
  }
  EXPECT_EQ(refusal(episodes_, saved_), "nothing was refused");
}

TEST_F(DamagedReplay, OtherSizesAreNamed) {
  for (const Episodes& other :
       {Episodes{.envs = 3, .image_size = 5}, Episodes{.envs = 3, .image_size = 4, .state_dim = 4},
        Episodes{.envs = 3, .image_size = 4, .noise_dim = 3}}) {
    EXPECT_EQ(refusal(other, saved_), "ERR_DSRL_CHECKPOINT_DAMAGED");
  }
}

TEST_F(DamagedReplay, ValuesThatNoTransitionHasAreFound) {
  const auto ones = [&](at::ScalarType type) { return at::ones({count_}, type); };
  const auto with = [](at::Tensor tensor, int64_t at, double value) {
    tensor[at] = value;
    return tensor;
  };
  const std::vector<std::pair<std::string, at::Tensor>> wrong{
      {"terminated", with(ones(at::kByte), count_ - 1, 255)},
      {"steps", with(ones(at::kLong), 0, -5)},
      {"steps", with(ones(at::kLong), 7, 4294967296.0)},
      {"rewards", with(ones(at::kFloat), 7, NAN)},
      {"rewards", with(ones(at::kFloat), 7, INFINITY)}};
  for (const auto& [name, value] : wrong) {
    change_segment(name, value);
    const std::string message = test::refusal([&] { loaded(episodes_, 100, saved_); });
    EXPECT_EQ(message.rfind("ERR_DSRL_CHECKPOINT_DAMAGED: ", 0), 0u) << message;
    EXPECT_NE(message.find(name + ": "), std::string::npos) << message;
    change_segment(name, ones(value.scalar_type()));
    EXPECT_EQ(refusal(episodes_, saved_), "nothing was refused") << name;
  }
}

TEST_F(DamagedReplay, AnIndexWhoseSegmentsAreNoReplayIsFound) {
  const int64_t n = count_, checksum = file_crc32c(segment(0));
  fs::copy_file(segment(0), segment(20));
  const int64_t most = std::numeric_limits<int64_t>::max();
  using Segments = std::vector<std::array<int64_t, 3>>;
  const std::vector<std::tuple<int64_t, int64_t, Segments>> wrong{
      {n + 1, n + 1, {{0, n, checksum}}},                        // it ends before the total
      {n - 1, n - 1, {{0, n, checksum}}},                        // and beyond it
      {n + 20, n + 20, {{20, n, checksum}}},                     // it begins after the oldest
      {n + 20, n + 20, {{0, n, checksum}, {20, n, checksum}}},   // they overlap
      {n + 20, n + 20, {{20, n, checksum}, {0, n, checksum}}},   // and are in no order
      {n + 20, n + 20, {{0, 19, checksum}, {20, n, checksum}}},  // one is missing between
      {n, n, {{0, 0, checksum}, {0, n, checksum}}},
      {n, n, {{-1, n + 1, checksum}}},
      {n, n, {{0, -1, checksum}, {-1, n + 1, checksum}}},
      {most, n, {{most, most, checksum}}},
      {n, n, {}}};
  for (const auto& [total, size, segments] : wrong) {
    write_index(total, size, segments);
    Replay replay(episodes_.network(), 100, 3, at::kCPU);
    const std::string message = test::refusal([&] { replay.load(saved_); });
    EXPECT_EQ(message.rfind("ERR_DSRL_CHECKPOINT_DAMAGED: ", 0), 0u) << message;
    EXPECT_NE(message.find("index.safetensors"), std::string::npos) << message;
    EXPECT_EQ(replay.total(), 0);
  }
  write_index(n, n, {{0, n, checksum}});
  EXPECT_EQ(refusal(episodes_, saved_), "nothing was refused");
}

// Damage in the second segment, when the first is in the replay already.
TEST(ReplayFiles, LeaveAReplayEmptyWhereALoadFails) {
  const test::Folder folder;
  const std::string saved = folder / "saved";
  NaiveReplay naive(kWide, 6000);
  Replay replay(kWide.network(), 6000, kWide.envs, at::kCPU);
  run(naive, {&replay}, 6100);
  replay.save(saved, "");
  const std::string second = files_of(saved)[2];
  ASSERT_NE(second.find("transitions_4096_"), std::string::npos);
  fs::copy_file(second, folder / "kept");
  Replay other(kWide.network(), 6000, kWide.envs, at::kCPU);
  for (const int64_t size : {100, 0}) {
    fs::resize_file(second, static_cast<size_t>(size));
    EXPECT_EQ(test::refusal([&] { other.load(saved); }).substr(0, 27),
              "ERR_DSRL_CHECKPOINT_DAMAGED");
    EXPECT_EQ(other.size(), 0);
    EXPECT_EQ(other.total(), 0);
  }
  fs::copy_file(folder / "kept", second, fs::copy_options::overwrite_existing);
  other.load(saved);  // into the same replay, which goes on as the one that was saved
  naive.expect_in(other);
  run(naive, {&replay, &other}, 9000);
  naive.expect_in(other);
}

TEST_F(DamagedReplay, AReplayThatHoldsSomethingIsNotOverwritten) {
  NaiveReplay naive(episodes_, 100);
  Replay replay(episodes_.network(), 100, 3, at::kCPU);
  run(naive, {&replay}, 5);
  EXPECT_THROW(replay.load(saved_), Error);
  naive.expect_in(replay);
}

}  // namespace
}  // namespace dsrl
