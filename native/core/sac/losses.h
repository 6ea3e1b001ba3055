#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "core/nn/networks.h"
#include "core/sac/config.h"
#include "core/sac/squashed_gaussian.h"

namespace dsrl {

/// A batch of transitions as the losses see them, on the learner's device.
struct Transitions {
  AgentInput observation;       // s
  AgentInput next_observation;  // s'
  at::Tensor noise;             // [B, noise_dim], the action that was executed
  at::Tensor rewards;           // [B], reward of the whole chunk
  at::Tensor steps;             // int64 [B], environment steps n that the chunk executed
  at::Tensor terminated;        // [B], 1: s' is terminal and is not bootstrapped from
};

/// Q over the heads: the mean, or the minimum; q [heads, B] -> [B].
at::Tensor aggregate(const at::Tensor& q, Aggregation how);

/// y = r + (1 - terminated) gamma^n (agg_j Q'_j(s', a') - [backup_entropy] alpha log p(a')),
/// a' from the online actor, Q' from the target critic with its own encoders. No gradient.
/// `heads`: the subset of heads that enters; empty means all.
at::Tensor bellman_target(const LearnerConfig& config, const Actor& actor, const Critic& target,
                          const Transitions& batch, const at::Tensor& eps, const at::Tensor& alpha,
                          const std::vector<int64_t>& heads);

/// Squared errors (Q_j(s, a) - y)^2, [heads, B], and the Q_j themselves.
struct CriticErrors {
  at::Tensor squared;
  at::Tensor q;
};
CriticErrors critic_errors(const Critic& critic, const Transitions& batch, const at::Tensor& y);

/// alpha log p(a) - agg_j Q_j(s, a) for a ~ pi(s), [B]. Gradients reach the actor alone:
/// `critic` must be built over frozen parameters, and alpha carries none.
struct ActorObjective {
  at::Tensor loss;         // [B]
  at::Tensor log_density;  // [B]
  at::Tensor q;            // [heads, B]
  at::Tensor aggregated;   // [B]
};
ActorObjective actor_objective(const LearnerConfig& config, const Actor& actor,
                               const Critic& critic, const AgentInput& observation,
                               const at::Tensor& eps, const at::Tensor& alpha);

}  // namespace dsrl
