// What a checkpoint keeps of the learner.

#include "core/checkpoint/learner_files.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"
#include "support.h"

namespace dsrl {
namespace {

using test::largest_difference;
using test::refusal;
using test::run_updates;
using test::small_config;

NamedTensors without(const NamedTensors& named, const std::string& name) {
  NamedTensors rest;
  for (const auto& entry : named) {
    if (entry.first != name) rest.push_back(entry);
  }
  return rest;
}

TEST(LearnerFiles, ContinueBitForBit) {
  const test::Folder folder;
  const std::string agent = folder / "agent", target = folder / "target", adam = folder / "adam";
  LearnerConfig config = small_config();
  config.train_actor_steps = 2;  // a schedule that counts updates
  Learner straight(config, 5, at::kCPU), first(config, 5, at::kCPU);
  run_updates(straight, 0, 20);
  run_updates(first, 0, 9);
  save_agent(first, agent);
  save_target(first, target);
  save_optimizer(first, adam);
  Learner second(config, 99, at::kCPU);
  load_agent(second, agent);
  load_target(second, target);
  load_optimizer(second, adam);
  second.set_updates(9);
  run_updates(second, 9, 11);
  EXPECT_EQ(largest_difference(straight.agent_tensors(), second.agent_tensors()), 0.0);
  EXPECT_EQ(largest_difference(straight.target_tensors(), second.target_tensors()), 0.0);
  EXPECT_EQ(largest_difference(straight.moment_tensors(), second.moment_tensors()), 0.0);
  EXPECT_EQ(straight.step_counts(), second.step_counts());

  // Each of the three files matters: without it the runs part.
  for (const std::string& left_out : {agent, target, adam}) {
    Learner third(config, 99, at::kCPU);
    if (left_out != agent) load_agent(third, agent);
    if (left_out != target) load_target(third, target);
    if (left_out != adam) load_optimizer(third, adam);
    third.set_updates(9);
    run_updates(third, 9, 11);
    EXPECT_GT(largest_difference(straight.agent_tensors(), third.agent_tensors()), 0.0) << left_out;
  }
}

TEST(LearnerFiles, NameEveryTensorThatDoesNotFitAndChangeNothing) {
  const test::Folder folder;
  const std::string path = folder / "agent.safetensors";
  Learner learner(small_config(), 1, at::kCPU);
  const Learner fresh(small_config(), 1, at::kCPU);
  const Learner other(small_config(), 2, at::kCPU);
  NamedTensors tensors = without(other.agent_tensors(), "q_head.q_heads.2.net.9.bias");
  tensors.emplace_back("surplus", at::zeros({1}));
  for (auto& [name, tensor] : tensors) {
    if (name == "actor_state_encoder.encoder.0.bias") tensor = at::zeros({3});
    if (name == "critic_state_encoder.encoder.0.bias") tensor = tensor.to(at::kHalf);
  }
  write_safetensors(path, tensors);
  const std::string message = refusal([&] { load_agent(learner, path); });
  for (const std::string& part :
       {std::string("ERR_DSRL_CHECKPOINT_TENSORS"), path,
        std::string("'q_head.q_heads.2.net.9.bias' is missing"),
        std::string("'surplus' is unknown"),
        std::string("'actor_state_encoder.encoder.0.bias': expected F32 [64], found F32 [3]"),
        std::string("'critic_state_encoder.encoder.0.bias': expected F32 [64], found F16 [64]")}) {
    EXPECT_NE(message.find(part), std::string::npos) << part << "\n" << message;
  }
  EXPECT_EQ(largest_difference(learner.agent_tensors(), fresh.agent_tensors()), 0.0);
}

TEST(LearnerFiles, TakeTheTemperatureFromInitialAlphaWhereItIsAbsent) {
  const test::Folder folder;
  const std::string path = folder / "agent.safetensors";
  const Learner other(small_config(), 2, at::kCPU);
  write_safetensors(path, without(other.agent_tensors(), "entropy_temp.base_alpha"));
  Learner learner(small_config(), 1, at::kCPU);
  load_agent(learner, path);
  EXPECT_EQ(largest_difference(learner.agent_tensors(), other.agent_tensors()), 0.0);
  // The target is not the agent file's to change.
  const Learner fresh(small_config(), 1, at::kCPU);
  EXPECT_EQ(largest_difference(learner.target_tensors(), fresh.target_tensors()), 0.0);
}

TEST(LearnerFiles, LeaveTheTemperatureAsItIsWhereItIsAbsent) {
  const test::Folder folder;
  const std::string path = folder / "agent.safetensors";
  const Learner other(small_config(), 2, at::kCPU);
  write_safetensors(path, without(other.agent_tensors(), "entropy_temp.base_alpha"));
  Learner learner(small_config(), 1, at::kCPU);
  run_updates(learner, 0, 2);
  const at::Tensor before = learner.agent_tensors().back().second.clone();
  load_agent(learner, path);
  EXPECT_EQ(learner.agent_tensors().back().first, "entropy_temp.base_alpha");
  EXPECT_TRUE(learner.agent_tensors().back().second.equal(before));
  EXPECT_FALSE(before.equal(other.agent_tensors().back().second));
}

TEST(LearnerFiles, RefuseAStepCountBelowZeroAndChangeNothing) {
  const test::Folder folder;
  const std::string path = folder / "optimizer.safetensors";
  Learner learner(small_config(), 1, at::kCPU), trained(small_config(), 1, at::kCPU);
  run_updates(trained, 0, 1);
  NamedTensors tensors = trained.moment_tensors();
  for (const char* name : {"actor.step", "critic.step", "alpha.step"}) {
    tensors.emplace_back(name, at::full({}, -1, at::kLong));
  }
  write_safetensors(path, tensors);
  EXPECT_EQ(refusal([&] { load_optimizer(learner, path); }).substr(0, 27),
            "ERR_DSRL_CHECKPOINT_DAMAGED");
  const Learner fresh(small_config(), 1, at::kCPU);
  EXPECT_EQ(largest_difference(learner.moment_tensors(), fresh.moment_tensors()), 0.0);
  EXPECT_EQ(learner.step_counts(), fresh.step_counts());
}

TEST(LearnerFiles, GiveTheActingAgentTheActor) {
  const test::Folder folder;
  const std::string path = folder / "agent.safetensors";
  Learner learner(small_config(), 1, at::kCPU);
  run_updates(learner, 0, 2);
  save_agent(learner, path);
  Agent published(small_config().network, 7, at::kCPU), loaded(small_config().network, 8, at::kCPU);
  learner.publish(published);
  load_acting_agent(loaded, path, 2);
  EXPECT_EQ(loaded.version(), published.version());
  EXPECT_EQ(largest_difference(loaded.named(), published.named()), 0.0);
}

}  // namespace
}  // namespace dsrl
