#pragma once

#include <ATen/core/Tensor.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/nn/networks.h"
#include "core/nn/parameters.h"
#include "core/nn/shared_network.h"
#include "core/random/philox.h"
#include "core/replay/batch.h"
#include "core/replay/replay.h"
#include "core/sac/adam.h"
#include "core/sac/config.h"
#include "core/sac/losses.h"
#include "core/sac/temperature.h"
#include "threads/thread_pool.h"

namespace dsrl {

class Agent;

/// The standard normal draws of one update, both [B, noise_dim].
struct UpdateNoise {
  at::Tensor eps_next;  // for a' ~ pi(s') in the critic's target
  at::Tensor eps_pi;    // for the action in the actor's loss
};

/// What one update reports, by the names of replay_updates.md.
struct UpdateMetrics {
  int64_t update;
  std::vector<std::pair<std::string, double>> values;
};

/// The soft actor-critic learner of DSRL: actor, critic ensemble, target critic, temperature.
///
/// One thread at a time may call it; the addon gives each learner a thread of its own. With
/// `threads` > 1 that one waits while as many others put their parts of the batch through the
/// networks: whole parts, since threads that share each operation wait for each other hundreds of
/// times an update, which a busy core makes slower than one thread (docs/tabletop.md). Nothing is
/// read back to the host inside an update: metrics stay on the device until update(n) is over.
class Learner {
 public:
  Learner(const LearnerConfig& config, uint64_t seed, at::Device device);

  /// One update on a given batch with given noise, both on the learner's device (dsrl.md,
  /// section 4): critic, actor, temperature, target network.
  /// Returns the metrics as a device tensor, with their names.
  struct PendingMetrics {
    int64_t update;
    std::vector<std::string> names;
    at::Tensor values;
  };
  PendingMetrics update(const Batch& batch, const UpdateNoise& noise);

  /// `count` updates on batches drawn from the newest `sample_window` transitions of the replay,
  /// with replacement, by this learner's streams. Stops between two updates once `cancelled` is
  /// set; the result has a row for each update that was made.
  std::vector<UpdateMetrics> update(int64_t count, const Replay& replay,
                                    const std::atomic<bool>& cancelled);
  static std::vector<UpdateMetrics> read(const std::vector<PendingMetrics>& pending);

  /// Copies the actor's weights into the acting agent, with this learner's update count as version.
  void publish(Agent& agent) const;

  /// True if every weight, moment and target weight is finite. Reads one value from the device.
  bool finite() const;

  int64_t updates() const { return updates_; }
  void set_updates(int64_t updates) { updates_ = updates; }
  const LearnerConfig& config() const { return config_; }
  at::Device device() const { return device_; }
  int64_t actor_parameters() const { return actor_.layout().parameter_count(); }
  int64_t critic_parameters() const { return critic_.layout().parameter_count(); }
  /// Of the critic's, those of the Q heads, without its encoders.
  int64_t head_parameters() const;

  /// Everything that is saved, as views of the learner's own storage (RLinf's names).
  NamedTensors agent_tensors() const;
  NamedTensors target_tensors() const;
  /// Moments by parameter name, prefixed "actor.exp_avg." and the like. Step counts are apart.
  NamedTensors moment_tensors() const;
  std::vector<std::pair<std::string, int64_t>> step_counts() const;
  void set_step_counts(const std::vector<int64_t>& counts);
  /// The target critic becomes a copy of the critic, as at the start of training.
  void reset_target();

 private:
  struct CriticStep {
    at::Tensor loss, target_q, q_data, gradient_norm;
  };
  struct ActorStep {
    at::Tensor loss, entropy, q_pi, q_heads, gradient_norm, mean_log_density;
  };
  /// Rows of a batch from the `first` on.
  struct Part {
    int64_t first;
    Transitions rows;
    at::Tensor noise_of(const at::Tensor& eps) const {
      return eps.narrow(0, first, rows.noise.size(0));
    }
  };
  CriticStep critic_step(const std::vector<Part>& parts, const UpdateNoise& noise,
                         const at::Tensor& alpha, int64_t batch_size);
  ActorStep actor_step(const std::vector<Part>& parts, const UpdateNoise& noise,
                       const at::Tensor& alpha, int64_t batch_size);
  std::vector<Part> split(const Batch& batch);
  /// body(part, thread) for each of `count` parts; a thread has one of them at a time.
  void for_each_part(size_t count, const std::function<void(size_t, size_t)>& body);
  std::vector<int64_t> target_heads() const;

  LearnerConfig config_;
  at::Device device_;
  ParameterBuffer actor_;
  ParameterBuffer critic_;
  ParameterBuffer target_;
  EntropyTemperature temperature_;
  Adam actor_adam_;
  Adam critic_adam_;
  Adam temperature_adam_;
  SharedNetwork<Actor> actor_network_;
  SharedNetwork<Critic> critic_network_;
  Critic frozen_critic_network_;  // the same weights, for the actor's loss
  Critic target_network_;
  RandomStream sample_stream_;
  RandomStream target_stream_;
  RandomStream actor_stream_;
  RandomStream heads_stream_;
  std::atomic<int64_t> updates_ = 0;   // read from other threads while update() counts
  std::optional<ThreadPool> threads_;  // none: the calling thread does it all
};

}  // namespace dsrl
