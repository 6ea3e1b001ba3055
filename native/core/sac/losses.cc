#include "core/sac/losses.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace dsrl {

at::Tensor aggregate(const at::Tensor& q, Aggregation how) {
  return how == Aggregation::kMean ? q.mean(0) : std::get<0>(q.min(0));
}

at::Tensor bellman_target(const LearnerConfig& config, const Actor& actor, const Critic& target,
                          const Transitions& batch, const at::Tensor& eps, const at::Tensor& alpha,
                          const std::vector<int64_t>& heads) {
  const at::NoGradGuard no_gradient;
  const SampledNoise next =
      sample_noise(actor(batch.next_observation), eps, config.network.noise_magnitude);
  at::Tensor q = target(batch.next_observation, next.noise);
  if (!heads.empty()) {
    std::vector<at::Tensor> subset;
    for (const int64_t head : heads) subset.push_back(q.select(0, head));
    q = at::stack(subset);
  }
  at::Tensor value = aggregate(q, config.agg_q);
  if (config.backup_entropy) value = value - alpha * next.log_density;
  at::Tensor discount = at::pow(config.gamma, batch.steps.to(at::kFloat));
  if (!config.bootstrap_always) discount = discount * (1.0 - batch.terminated.to(at::kFloat));
  return batch.rewards + discount * value;
}

CriticErrors critic_errors(const Critic& critic, const Transitions& batch, const at::Tensor& y) {
  const at::Tensor q = critic(batch.observation, batch.noise);
  return {(q - y).square(), q.detach()};
}

ActorObjective actor_objective(const LearnerConfig& config, const Actor& actor,
                               const Critic& critic, const AgentInput& observation,
                               const at::Tensor& eps, const at::Tensor& alpha) {
  const SampledNoise sampled =
      sample_noise(actor(observation), eps, config.network.noise_magnitude);
  const at::Tensor q = critic(observation, sampled.noise);
  const at::Tensor aggregated = aggregate(q, config.actor_agg_q);
  return {alpha.detach() * sampled.log_density - aggregated, sampled.log_density.detach(),
          q.detach(), aggregated.detach()};
}

}  // namespace dsrl
