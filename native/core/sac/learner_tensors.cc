#include <ATen/ATen.h>

#include "core/sac/learner.h"

namespace dsrl {
namespace {

void append(NamedTensors& to, const NamedTensors& from, const std::string& prefix = "") {
  for (const auto& [name, tensor] : from) to.emplace_back(prefix + name, tensor);
}

}  // namespace

NamedTensors Learner::agent_tensors() const {
  NamedTensors all;
  append(all, actor_.named());
  append(all, critic_.named());
  append(all, temperature_.parameters().named());
  return all;
}

int64_t Learner::head_parameters() const {
  int64_t total = 0;
  for (const auto& entry : critic_.layout().entries()) {
    if (entry.name.rfind("q_head.", 0) == 0) total += entry.count;
  }
  return total;
}

NamedTensors Learner::target_tensors() const {
  return target_.named();
}

NamedTensors Learner::moment_tensors() const {
  NamedTensors all;
  const auto group = [&](const std::string& name, const ParameterBuffer& buffer, const Adam& adam) {
    append(all, named_views(buffer.layout(), adam.first_moment()), name + ".exp_avg.");
    append(all, named_views(buffer.layout(), adam.second_moment()), name + ".exp_avg_sq.");
  };
  group("actor", actor_, actor_adam_);
  group("critic", critic_, critic_adam_);
  group("alpha", temperature_.parameters(), temperature_adam_);
  return all;
}

std::vector<std::pair<std::string, int64_t>> Learner::step_counts() const {
  return {{"actor.step", actor_adam_.steps()},
          {"critic.step", critic_adam_.steps()},
          {"alpha.step", temperature_adam_.steps()}};
}

void Learner::set_step_counts(const std::vector<int64_t>& counts) {
  actor_adam_.set_steps(counts.at(0));
  critic_adam_.set_steps(counts.at(1));
  temperature_adam_.set_steps(counts.at(2));
}

}  // namespace dsrl
