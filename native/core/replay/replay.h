#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/nn/config.h"
#include "core/replay/batch.h"
#include "core/replay/observation_store.h"
#include "core/replay/shared_count.h"

namespace dsrl {

/// What one step of the environments adds: row e belongs to environment e.
struct ReplayRows {
  at::Tensor images;       // uint8 [B, S, S, 3] on the host; undefined without images
  at::Tensor states;       // float32 [B, state_dim] on the host
  at::Tensor next_images;  // as the chunk ended, before any reset
  at::Tensor next_states;
  at::Tensor noise;                 // float32 [B, noise_dim], any device
  std::vector<float> rewards;       // [B], finite
  std::vector<int32_t> steps;       // [B], environment steps that the chunk executed, 0 or more
  std::vector<uint8_t> terminated;  // [B], 0 or 1
  std::vector<uint8_t> active;      // [B], 0: the row is not stored
  int64_t version = 0;              // of the acting weights
};

/// The replay ring: the newest `capacity` transitions, observations stored once in uint8.
///
/// s' of a transition and s of the next one are the same slot of the observation store, so an
/// episode of n chunks holds n + 1 frames. Transitions are numbered from 0 as they arrive;
/// gather() takes positions counted from the oldest that is still held, so what a draw means does
/// not depend on where a transition lies in memory (a resumed run continues bit for bit).
///
/// Not thread-safe: the caller appends and learns in turns. Any thread may read the counts.
class Replay {
 public:
  /// Throws ERR_DSRL_CONFIG_REPLAY for a capacity or a number of environments that cannot be.
  Replay(const NetworkConfig& config, int64_t capacity, int64_t num_envs, at::Device device);

  /// Stores the active rows, or none: ERR_DSRL_REPLAY_SHAPE for a tensor or an array of another
  /// size, ERR_DSRL_REPLAY_VALUE for an active row's number that cannot be (wrong_value).
  void append(const ReplayRows& rows);

  /// Rows at `positions` (int64 [B] in [0, size()), on the replay's device), on `device`.
  Batch gather(const at::Tensor& positions, at::Device device) const;

  int64_t size() const { return size_; }
  int64_t total() const { return total_; }  // transitions ever appended
  int64_t capacity() const { return capacity_; }
  at::Device device() const { return store_.device(); }
  /// Bytes that `capacity` transitions may take, frames and all: one frame a transition and one
  /// more an episode, hence at most two frames each.
  static int64_t bytes_at_most(const NetworkConfig& config, int64_t capacity);

  /// Writes segments of transitions into `folder`, each with its CRC-32C (replay_files.cc).
  /// Complete segments that `previous` (a folder written earlier in this run, or "") already
  /// holds are linked instead of written again. No other file is changed: not one of `previous`,
  /// and none that shares its bytes with a file of `folder` which is replaced.
  void save(const std::string& folder, const std::string& previous) const;
  /// Restores what save() wrote. The replay must be empty and of the same sizes; it is empty again
  /// where that fails.
  void load(const std::string& folder);

 private:
  friend class ReplayFiles;
  void clear();
  int64_t oldest() const { return total_ - size_; }  // number of the oldest one that is held
  int64_t slot(int64_t number) const { return number % capacity_; }
  void push(int64_t observation, int64_t next_observation, const float* noise, float reward,
            int32_t steps, uint8_t terminated, int64_t version);

  NetworkConfig config_;
  int64_t capacity_;
  ObservationStore store_;
  // One row a transition, indexed by slot(number).
  at::Tensor observations_;                  // int64 [capacity], slots of the store
  at::Tensor next_observations_;             // int64 [capacity]
  at::Tensor noise_;                         // float32 [capacity, noise_dim]
  at::Tensor rewards_;                       // float32 [capacity]
  at::Tensor steps_;                         // int64 [capacity]
  at::Tensor terminated_;                    // uint8 [capacity]
  std::vector<int64_t> versions_;            // on the host: bookkeeping, never learned from
  std::vector<int64_t> slots_, next_slots_;  // host copies of the two index tensors
  // The slot of each environment's newest s', to be reused when the next s is the same.
  std::vector<int64_t> pending_;
  SharedCount total_;  // number of the next transition
  SharedCount size_;
};

}  // namespace dsrl
