#pragma once

#include <string>

#include "core/sac/agent.h"
#include "core/sac/learner.h"

namespace dsrl {

/// `agent.safetensors`: actor, critic and temperature under RLinf's names.
void save_agent(const Learner& learner, const std::string& path);
/// Loads them strictly; where `entropy_temp.base_alpha` is absent, the learner's stays as it is (in
/// a new learner that of initial_alpha).
/// The target network is left alone.
void load_agent(Learner& learner, const std::string& path);

/// `target.safetensors`: the target critic, under the critic's names.
void save_target(const Learner& learner, const std::string& path);
void load_target(Learner& learner, const std::string& path);

/// `optimizer.safetensors`: Adam's moments and step counts of the three groups.
void save_optimizer(const Learner& learner, const std::string& path);
/// Loads them strictly; a file that is refused changes nothing.
void load_optimizer(Learner& learner, const std::string& path);

/// The actor of an `agent.safetensors`, for acting without a learner.
void load_acting_agent(Agent& agent, const std::string& path, int64_t version);

}  // namespace dsrl
