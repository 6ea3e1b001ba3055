#include <ATen/ATen.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/checkpoint/crc32c.h"
#include "core/checkpoint/safetensors.h"
#include "core/error.h"
#include "core/replay/replay.h"
#include "core/replay/transition_values.h"

namespace dsrl {
namespace {

namespace fs = std::filesystem;

// Transitions a segment. A complete segment never changes again, so later checkpoints link it.
constexpr int64_t kSegment = 4096;
const char* const kIndex = "index.safetensors";

std::string segment_name(int64_t first, int64_t count) {
  return "transitions_" + std::to_string(first) + "_" + std::to_string(count) + ".safetensors";
}

at::Tensor longs(const std::vector<int64_t>& values) {
  return at::tensor(values, at::kLong).clone();
}

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  throw Error("ERR_DSRL_CHECKPOINT_DAMAGED", path + ": " + what);
}

/// The replay's table of contents: which transitions each segment holds, and its checksum.
struct Index {
  struct Segment {
    int64_t first, count, checksum;
  };
  int64_t total = 0;
  int64_t size = 0;
  std::vector<Segment> segments;

  // Over all numbers: a changed total or size would otherwise just give another replay.
  int64_t own_checksum() const {
    std::vector<int64_t> numbers{total, size};
    for (const Segment& segment : segments) {
      numbers.insert(numbers.end(), {segment.first, segment.count, segment.checksum});
    }
    return crc32c(numbers.data(), numbers.size() * sizeof(int64_t));
  }

  void write(const std::string& folder) const {
    std::vector<int64_t> first, count, checksum;
    for (const Segment& segment : segments) {
      first.push_back(segment.first);
      count.push_back(segment.count);
      checksum.push_back(segment.checksum);
    }
    write_safetensors(folder + "/" + kIndex, {{"total", longs({total})},
                                              {"size", longs({size})},
                                              {"first", longs(first)},
                                              {"count", longs(count)},
                                              {"crc32c", longs(checksum)},
                                              {"index_crc32c", longs({own_checksum()})}});
  }

  static Index read(const std::string& folder) {
    const std::string path = folder + "/" + kIndex;
    const auto file = read_safetensors(path);
    const auto column = [&](const char* name) {
      const auto found = file.tensors.find(name);
      if (found == file.tensors.end() || found->second.scalar_type() != at::kLong ||
          found->second.dim() != 1) {
        damaged(path, std::string("'") + name + "' is missing or not I64 [n]");
      }
      const int64_t* data = found->second.const_data_ptr<int64_t>();
      return std::vector<int64_t>(data, data + found->second.numel());
    };
    Index index;
    const auto total = column("total"), size = column("size"), first = column("first");
    const auto count = column("count"), checksum = column("crc32c");
    const auto own_checksum = column("index_crc32c");
    if (total.size() != 1 || size.size() != 1 || first.size() != count.size() ||
        first.size() != checksum.size() || own_checksum.size() != 1 || size[0] < 0 ||
        size[0] > total[0]) {
      damaged(path, "its columns do not fit each other");
    }
    index.total = total[0];
    index.size = size[0];
    for (size_t i = 0; i < first.size(); ++i) {
      index.segments.push_back({first[i], count[i], checksum[i]});
    }
    if (index.own_checksum() != own_checksum[0]) damaged(path, "its CRC-32C does not match");
    index.check_order(path);
    return index;
  }

 private:
  // The segments follow each other from the oldest transition, or one before it, to the newest.
  void check_order(const std::string& path) const {
    int64_t next = segments.empty() ? total : segments[0].first;
    bool fits = next >= 0 && next <= total - size;
    for (const Segment& segment : segments) {
      fits = fits && segment.first == next && segment.count > 0 && segment.count <= total - next;
      if (fits) next += segment.count;
    }
    if (!fits || next != total) damaged(path, "its segments are not the whole replay");
  }
};

// The segments that `previous` holds. Where its index is damaged there are none: its loss must not
// be that of the checkpoints after it too.
std::vector<Index::Segment> linkable(const std::string& previous) {
  std::error_code failure;
  if (previous.empty() || !fs::exists(previous + "/" + kIndex, failure)) return {};
  try {
    return Index::read(previous).segments;
  } catch (const Error&) {
    return {};
  }
}

// Takes away what stands under a name that is about to be written. It may be a link: opened and
// cut to nothing it would be another checkpoint's segment that is lost.
void make_way(const std::string& path) {
  std::error_code failure;
  fs::remove(path, failure);
  if (failure) throw Error("ERR_DSRL_CHECKPOINT_WRITE", "cannot replace " + path);
}

// True if `to` is now the file `from`, or a copy of it.
bool linked_or_copied(const std::string& from, const std::string& to) {
  std::error_code failure;
  if (!fs::exists(from, failure)) return false;
  if (fs::equivalent(from, to, failure)) return true;
  make_way(to);
  fs::create_hard_link(from, to, failure);
  if (failure) fs::copy_file(from, to, failure);
  return !failure;
}

}  // namespace

/// Writes and reads the segments of a replay; a friend, so that the ring itself knows no files.
class ReplayFiles {
 public:
  static int64_t write_segment(const Replay& replay, const std::string& path, int64_t first,
                               int64_t count);
  static void read_segment(Replay& replay, const std::string& path, int64_t first, int64_t count,
                           int64_t oldest);
};

int64_t ReplayFiles::write_segment(const Replay& replay, const std::string& path, int64_t first,
                                   int64_t count) {
  // Observations are numbered within the segment, each written once.
  std::map<int64_t, int64_t> number_of_slot;
  std::vector<int64_t> slots, now, next, versions, rows;
  const auto number = [&](int64_t slot) {
    const auto [place, added] = number_of_slot.emplace(slot, static_cast<int64_t>(slots.size()));
    if (added) slots.push_back(slot);
    return place->second;
  };
  for (int64_t i = first; i < first + count; ++i) {
    const auto at = static_cast<size_t>(replay.slot(i));
    now.push_back(number(replay.slots_[at]));
    next.push_back(number(replay.next_slots_[at]));
    versions.push_back(replay.versions_[at]);
    rows.push_back(replay.slot(i));
  }
  const at::Tensor index = longs(slots).to(replay.device());
  const at::Tensor row = longs(rows).to(replay.device());
  NamedTensors tensors{{"observation", longs(now)},
                       {"next_observation", longs(next)},
                       {"noise", replay.noise_.index_select(0, row)},
                       {"rewards", replay.rewards_.index_select(0, row)},
                       {"steps", replay.steps_.index_select(0, row)},
                       {"terminated", replay.terminated_.index_select(0, row)},
                       {"version", longs(versions)},
                       {"states", replay.store_.states(index)}};
  if (replay.store_.has_images()) tensors.emplace_back("images", replay.store_.images(index));
  return write_safetensors(path, tensors);
}

void ReplayFiles::read_segment(Replay& replay, const std::string& path, int64_t first,
                               int64_t count, int64_t oldest) {
  const auto file = read_safetensors(path);
  const auto take = [&](const char* name, at::ScalarType type, std::vector<int64_t> tail,
                        int64_t length) {
    const auto found = file.tensors.find(name);
    tail.insert(tail.begin(), length);
    if (found == file.tensors.end() || found->second.scalar_type() != type ||
        found->second.dim() != static_cast<int64_t>(tail.size()) ||
        (length >= 0 ? found->second.sizes() != tail
                     : found->second.sizes().slice(1) != at::IntArrayRef(tail).slice(1))) {
      damaged(path, std::string("'") + name + "' is missing or has the wrong shape");
    }
    return found->second;
  };
  const NetworkConfig& config = replay.config_;
  const at::Tensor states = take("states", at::kFloat, {config.state_dim}, -1);
  const int64_t observations = states.size(0);
  at::Tensor images;
  if (replay.store_.has_images()) {
    images = take("images", at::kByte, {config.image_size, config.image_size, 3}, observations);
  }
  const at::Tensor now = take("observation", at::kLong, {}, count);
  const at::Tensor next = take("next_observation", at::kLong, {}, count);
  const at::Tensor noise = take("noise", at::kFloat, {config.noise_dim}, count);
  const at::Tensor rewards = take("rewards", at::kFloat, {}, count);
  const at::Tensor steps = take("steps", at::kLong, {}, count);
  const at::Tensor terminated = take("terminated", at::kByte, {}, count);
  const at::Tensor version = take("version", at::kLong, {}, count);

  std::map<int64_t, int64_t> slot_of_number;
  const auto slot = [&](int64_t number) {
    if (number < 0 || number >= observations) damaged(path, "an observation index is out of range");
    const auto found = slot_of_number.find(number);
    if (found != slot_of_number.end()) return found->second;
    const uint8_t* image =
        images.defined() ? images.const_data_ptr<uint8_t>() + number * replay.store_.image_bytes()
                         : nullptr;
    const float* state = states.const_data_ptr<float>() + number * config.state_dim;
    return slot_of_number.emplace(number, replay.store_.add(image, state)).first->second;
  };
  const int64_t begin = std::max<int64_t>(0, oldest - first);
  for (int64_t i = begin; i < count; ++i) {
    const std::string wrong =
        wrong_value(rewards.const_data_ptr<float>()[i], steps.const_data_ptr<int64_t>()[i],
                    terminated.const_data_ptr<uint8_t>()[i]);
    if (!wrong.empty()) damaged(path, "transition " + std::to_string(first + i) + ": " + wrong);
  }
  for (int64_t i = begin; i < count; ++i) {
    replay.push(slot(now.const_data_ptr<int64_t>()[i]), slot(next.const_data_ptr<int64_t>()[i]),
                noise.const_data_ptr<float>() + i * config.noise_dim,
                rewards.const_data_ptr<float>()[i],
                static_cast<int32_t>(steps.const_data_ptr<int64_t>()[i]),
                terminated.const_data_ptr<uint8_t>()[i], version.const_data_ptr<int64_t>()[i]);
  }
  for (const auto& [number, held] : slot_of_number) replay.store_.release(held);
}

void Replay::save(const std::string& folder, const std::string& previous) const {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw Error("ERR_DSRL_CHECKPOINT_WRITE", "cannot create " + folder);
  const std::vector<Index::Segment> before = linkable(previous);
  Index index{total(), size(), {}};
  for (int64_t first = oldest() / kSegment * kSegment; first < total_; first += kSegment) {
    // A segment that was complete in an earlier checkpoint is linked, evicted rows and all.
    const auto held = std::ranges::find_if(
        before, [&](const Index::Segment& s) { return s.first == first && s.count == kSegment; });
    const std::string whole = "/" + segment_name(first, kSegment);
    if (held != before.end() && linked_or_copied(previous + whole, folder + whole)) {
      index.segments.push_back(*held);
      continue;
    }
    const int64_t from = std::max(first, oldest());
    const int64_t count = std::min(first + kSegment, total()) - from;
    const std::string path = folder + "/" + segment_name(from, count);
    make_way(path);
    index.segments.push_back({from, count, ReplayFiles::write_segment(*this, path, from, count)});
  }
  make_way(folder + "/" + kIndex);
  index.write(folder);
}

void Replay::load(const std::string& folder) {
  if (total_ != 0) throw Error("ERR_DSRL_REPLAY_SHAPE", "replay.load needs an empty replay");
  const Index index = Index::read(folder);
  const int64_t oldest = index.total - std::min(index.size, capacity_);
  total_ = oldest;
  try {
    for (const Index::Segment& segment : index.segments) {
      if (segment.first + segment.count <= oldest) continue;
      const std::string path = folder + "/" + segment_name(segment.first, segment.count);
      if (file_crc32c(path) != static_cast<uint32_t>(segment.checksum)) {
        damaged(path, "its CRC-32C does not match the index");
      }
      ReplayFiles::read_segment(*this, path, segment.first, segment.count, oldest);
    }
  } catch (...) {
    clear();  // half a replay would be learned from, or refuse the load that follows
    throw;
  }
}

}  // namespace dsrl
