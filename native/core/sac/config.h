#pragma once

#include <cstdint>

#include "core/nn/config.h"

namespace dsrl {

enum class Aggregation { kMean, kMin };
enum class AlphaType { kSoftplus, kExp, kFixed };

/// One group's Adam with its gradient clip.
struct AdamConfig {
  double lr;
  double beta1;
  double beta2;
  double eps;
  double clip;  // largest L2 norm of the group's gradient
};

/// The learner's hyperparameters under RLinf's names; defaults are RLinf's (dsrl.md, section 4).
struct LearnerConfig {
  NetworkConfig network;
  double gamma = 0.999;  // per environment step; a chunk of n steps discounts by gamma^n
  double tau = 0.005;
  Aggregation agg_q = Aggregation::kMean;
  Aggregation actor_agg_q = Aggregation::kMean;
  bool backup_entropy = false;
  bool bootstrap_always = false;      // bootstrap_type: always
  int64_t critic_subsample_size = 0;  // <= 0: all heads in the target
  int64_t critic_actor_ratio = 1;     // an actor step every n critic steps
  int64_t train_actor_steps = 0;      // critic steps before the first actor step
  int64_t target_update_freq = 1;
  AlphaType alpha_type = AlphaType::kSoftplus;
  double initial_alpha = 1.0;
  double target_entropy = -16.0;
  AdamConfig actor_adam{1e-4, 0.9, 0.96, 1e-8, 3.5};
  AdamConfig critic_adam{3e-4, 0.9, 0.999, 1e-8, 10.0};
  AdamConfig alpha_adam{3e-4, 0.9, 0.999, 1e-8, 10.0};
  int64_t batch_size = 512;
  int64_t sample_window = 0;  // batches come from the newest so many transitions; 0: from all held
  // Transitions that go through the networks at a time, rounded up to a multiple of the threads;
  // 0: the whole batch. It bounds what they keep for their gradients, and not the batch's frames,
  // which are all there in float32.
  int64_t micro_batch_size = 0;
  // Threads that share an update on the CPU, each with its part of the rows; a GPU takes one.
  int64_t threads = 1;
};

/// Throws ERR_DSRL_CONFIG_LEARNER or ERR_DSRL_CONFIG_NETWORK naming the value that is out of range.
void validate(const LearnerConfig& config);

}  // namespace dsrl
