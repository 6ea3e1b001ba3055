#include "core/checkpoint/learner_files.h"

#include <ATen/ATen.h>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"

namespace dsrl {

void save_agent(const Learner& learner, const std::string& path) {
  write_safetensors(path, learner.agent_tensors());
}

void load_agent(Learner& learner, const std::string& path) {
  assign_tensors(learner.agent_tensors(), read_safetensors(path).tensors, path,
                 "entropy_temp.base_alpha");
}

void save_target(const Learner& learner, const std::string& path) {
  write_safetensors(path, learner.target_tensors());
}

void load_target(Learner& learner, const std::string& path) {
  assign_tensors(learner.target_tensors(), read_safetensors(path).tensors, path);
}

void save_optimizer(const Learner& learner, const std::string& path) {
  NamedTensors tensors = learner.moment_tensors();
  for (const auto& [name, count] : learner.step_counts()) {
    tensors.emplace_back(name, at::full({}, count, at::kLong));
  }
  write_safetensors(path, tensors);
}

void load_optimizer(Learner& learner, const std::string& path) {
  const SafetensorsFile file = read_safetensors(path);
  NamedTensors destination = learner.moment_tensors();
  std::vector<at::Tensor> counts;
  for (const auto& [name, count] : learner.step_counts()) {
    const auto found = file.tensors.find(name);
    // Before the moments are copied: they would be another learner's under this one's counts.
    if (found != file.tensors.end() && (found->second < 0).any().item<bool>()) {
      throw Error("ERR_DSRL_CHECKPOINT_DAMAGED", path + ": a step count is negative");
    }
    counts.push_back(at::full({}, count, at::kLong));
    destination.emplace_back(name, counts.back());
  }
  assign_tensors(destination, file.tensors, path);
  std::vector<int64_t> values;
  for (const at::Tensor& count : counts) values.push_back(count.item<int64_t>());
  learner.set_step_counts(values);
}

void load_acting_agent(Agent& agent, const std::string& path, int64_t version) {
  const SafetensorsFile file = read_safetensors(path);
  std::map<std::string, at::Tensor> actor;
  const NamedTensors destination = agent.named();
  for (const auto& [name, tensor] : destination) {
    const auto found = file.tensors.find(name);
    if (found != file.tensors.end()) actor.emplace(name, found->second);
  }
  agent.load(actor, path, version);
}

}  // namespace dsrl
