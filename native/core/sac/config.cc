#include "core/sac/config.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace dsrl {
namespace {

void require(bool holds, const std::string& message) {
  if (!holds) throw Error("ERR_DSRL_CONFIG_LEARNER", message);
}

void validate_adam(const std::string& group, const AdamConfig& adam) {
  require(adam.lr >= 0 && std::isfinite(adam.lr), group + "_lr must be finite and not negative");
  require(adam.beta1 >= 0 && adam.beta1 < 1 && adam.beta2 >= 0 && adam.beta2 < 1,
          group + "_betas must lie in [0, 1)");
  require(adam.eps > 0, "adam_eps must be positive");
  require(adam.clip > 0, group + "_clip must be positive");
}

}  // namespace

void validate(const LearnerConfig& config) {
  validate(config.network);
  require(config.gamma >= 0 && config.gamma <= 1, "gamma must lie in [0, 1]");
  require(config.tau > 0 && config.tau <= 1, "tau must lie in (0, 1]");
  require(config.critic_subsample_size <= config.network.num_q_heads,
          "critic_subsample_size must not exceed the number of Q heads");
  require(config.critic_actor_ratio >= 1, "critic_actor_ratio must be at least 1");
  require(config.train_actor_steps >= 0, "train_actor_steps must not be negative");
  require(config.target_update_freq >= 1, "target_update_freq must be at least 1");
  require(config.initial_alpha >= 0 && std::isfinite(config.initial_alpha),
          "initial_alpha must not be negative");
  require(config.initial_alpha > 0 || config.alpha_type == AlphaType::kFixed,
          "initial_alpha must be positive unless alpha_type is fixed_alpha");
  require(std::isfinite(config.target_entropy), "target_entropy must be finite");
  require(config.batch_size >= 1 && config.batch_size <= (1 << 20),
          "batch_size must lie in [1, 1048576]");
  require(config.sample_window >= 0, "sample_window must not be negative");
  require(config.micro_batch_size >= 0, "micro_batch_size must not be negative");
  require(config.threads >= 1 && config.threads <= 1024, "threads must lie in [1, 1024]");
  validate_adam("actor", config.actor_adam);
  validate_adam("critic", config.critic_adam);
  validate_adam("alpha", config.alpha_adam);
}

}  // namespace dsrl
