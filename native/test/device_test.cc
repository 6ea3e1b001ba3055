// The proofs that the core is written against a device, on a machine without a GPU.
//
// On torch's meta device tensors have shapes but no values: a read by the host throws, and so does
// a mixture of devices. And at::RecordFunction sees the inputs and outputs of every operator, so
// that a CPU tensor that comes into being inside an update is counted.

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <mutex>
#include <set>

#include "core/flow/frozen_policy.h"
#include "core/sac/agent.h"
#include "support.h"
#include "tabletop_policy.h"

namespace dsrl {
namespace {

const at::Device kMeta(at::kMeta);

/// While one lives: the operators that took or gave a CPU tensor, on any thread.
/// A number that an operator was called with (2.0 * x) arrives at its kernel as a 0-dim tensor that
/// torch marks as a wrapped number; it is an argument of the kernel, no memory, and is not counted.
class CpuTensorWatch {
 public:
  CpuTensorWatch() {
    operators().clear();
    handle_ = at::addGlobalCallback(at::RecordFunctionCallback(note_inputs, note_outputs)
                                        .needsInputs(true)
                                        .needsOutputs(true)
                                        .scopes({at::RecordScope::FUNCTION}));
  }
  ~CpuTensorWatch() { at::removeCallback(handle_); }
  CpuTensorWatch(const CpuTensorWatch&) = delete;
  CpuTensorWatch& operator=(const CpuTensorWatch&) = delete;

  std::set<std::string> found() const {
    const std::lock_guard<std::mutex> lock(mutex());
    return operators();
  }

 private:
  static std::set<std::string>& operators() {
    static std::set<std::string> names;
    return names;
  }
  static std::mutex& mutex() {
    static std::mutex mutex;
    return mutex;
  }
  static bool on_cpu(const at::Tensor& tensor) {
    return tensor.defined() && tensor.is_cpu() &&
           !tensor.unsafeGetTensorImpl()->is_wrapped_number();
  }
  static void note(const at::RecordFunction& function, const c10::IValue& value) {
    bool cpu = value.isTensor() && on_cpu(value.toTensor());
    if (value.isTensorList()) {
      for (const at::Tensor& tensor : value.toTensorVector()) cpu = cpu || on_cpu(tensor);
    }
    if (!cpu) return;
    const std::lock_guard<std::mutex> lock(mutex());
    operators().insert(function.name());
  }
  static std::unique_ptr<at::ObserverContext> note_inputs(const at::RecordFunction& function) {
    for (const c10::IValue& input : function.inputs()) note(function, input);
    return nullptr;
  }
  static void note_outputs(const at::RecordFunction& function, at::ObserverContext*) {
    for (const c10::IValue& output : function.outputs()) note(function, output);
  }

  at::CallbackHandle handle_;
};

const std::set<std::string> kNone;

Replay filled_replay(const NetworkConfig& network) {
  Replay replay(network, 64, 24, kMeta);
  const Batch batch = test::random_batch(network, 24, 0);
  replay.append({batch.images, batch.states, batch.next_images, batch.next_states, batch.noise,
                 std::vector<float>(24, -1), std::vector<int32_t>(24, 5),
                 std::vector<uint8_t>(24, 0), std::vector<uint8_t>(24, 1), 0});
  return replay;
}

// Every branch of an update: plain; all options; the other aggregation and temperatures.
std::vector<LearnerConfig> every_branch() {
  LearnerConfig plain = test::small_config();
  LearnerConfig full = plain;
  full.backup_entropy = true;
  full.critic_subsample_size = 2;
  full.micro_batch_size = 10;
  full.actor_agg_q = Aggregation::kMin;
  LearnerConfig other = plain;
  other.network.image_size = 0;
  other.agg_q = Aggregation::kMin;
  other.bootstrap_always = true;
  other.alpha_type = AlphaType::kExp;
  LearnerConfig fixed = plain;
  fixed.alpha_type = AlphaType::kFixed;
  fixed.train_actor_steps = 1;
  return {plain, full, other, fixed};
}

TEST(Device, AnUpdateReadsNothingAndMakesNoCpuTensor) {
  for (const LearnerConfig& config : every_branch()) {
    Learner learner(config, 1, kMeta);
    const Replay replay = filled_replay(config.network);
    const RandomStream stream(1, "test");
    const CpuTensorWatch watch;
    for (int64_t i = 0; i < 2; ++i) {  // what update(n) does n times
      const at::Tensor rows = random_below(stream, i, 24, replay.size(), kMeta);
      const UpdateNoise noise{random_normal(stream, i, 24, 32, kMeta),
                              random_normal(stream, i, 24, 32, kMeta)};
      const auto metrics = learner.update(replay.gather(rows, kMeta), noise);
      EXPECT_TRUE(metrics.values.is_meta());
    }
    EXPECT_EQ(watch.found(), kNone);
    EXPECT_EQ(learner.updates(), 2);
  }
}

// update(n) reads the metrics of all n at its end, and only there: that read throws on meta.
TEST(Device, ManyUpdatesReadOnceAtTheirEnd) {
  const LearnerConfig config = test::small_config();
  Learner learner(config, 1, kMeta);
  const Replay replay = filled_replay(config.network);
  EXPECT_THROW(learner.update(5, replay, std::atomic<bool>{false}), c10::Error);
  EXPECT_EQ(learner.updates(), 5);
}

// Adam takes the fused kernel on CPU and CUDA. _fused_adam_ has no meta kernel: the updates above
// took Adam::plain_step, and adam_test.cc holds the two to each other. What the fused branch makes
// besides, the step count, is made with the parameters' own options.

TEST(Device, ActingReadsNothingAndMakesNoCpuTensor) {
  const NetworkConfig network = test::small_config().network;
  const Agent agent(network, 1, kMeta);
  const Batch batch = test::to_device(test::random_batch(network, 4, 0), kMeta);
  const CpuTensorWatch watch;
  EXPECT_TRUE(agent.act(batch.images, batch.states, 0, false).is_meta());
  EXPECT_TRUE(agent.act(batch.images, batch.states, 0, true).is_meta());
  EXPECT_EQ(watch.found(), kNone);
}

TEST(Device, PublishingCopiesOnTheDevice) {
  const Learner learner(test::small_config(), 1, kMeta);
  Agent agent(learner.config().network, 1, kMeta);
  const CpuTensorWatch watch;
  learner.publish(agent);
  EXPECT_EQ(watch.found(), kNone);
}

TEST(Device, APolicysSampleReadsNothingAndMakesNoCpuTensor) {
  const FrozenPolicy policy(test::kTabletopPolicy, test::tabletop_policy_spec(), kMeta);
  PolicyObservation observation = test::tabletop_observation(3);
  const at::Tensor noise = at::zeros({3, 32}, at::TensorOptions(at::kMeta));
  for (at::Tensor* tensor : {&observation.images[0], &observation.states, &observation.tokens,
                             &observation.token_mask}) {
    *tensor = tensor->to(kMeta);
  }
  const CpuTensorWatch watch;
  const at::Tensor actions = policy.launch(observation, noise);
  EXPECT_TRUE(actions.is_meta());
  EXPECT_EQ(actions.sizes(), (std::vector<int64_t>{3, 5, 7}));
  EXPECT_EQ(watch.found(), kNone);
  // The one read is the look at the result.
  EXPECT_THROW(policy.sample(observation, noise), c10::Error);
}

// Several noises for an observation, LeRobot's resizing, quantiles and delta actions.
TEST(Device, EveryOtherPathOfAPolicyReadsNothingEither) {
  PolicySpec spec = test::tabletop_policy_spec();
  spec.image_resize = ImageResize::kLerobot;
  spec.normalization_mode = NormalizationMode::kQuantiles;
  spec.state = {{}, {}, std::vector<double>(8, -1), std::vector<double>(8, 1)};
  spec.actions = {{}, {}, std::vector<double>(7, -1), std::vector<double>(7, 1)};
  spec.delta_action_mask = {1, 1, 1, 0, 0, 0, 0};
  const FrozenPolicy policy(test::kTabletopPolicy, spec, kMeta);
  const auto meta = [](std::vector<int64_t> shape, at::ScalarType type) {
    return at::empty(shape, at::TensorOptions(kMeta).dtype(type));
  };
  const PolicyObservation observation{{meta({2, 48, 80, 3}, at::kByte)},
                                      meta({2, 8}, at::kFloat),
                                      meta({2, 6}, at::kLong),
                                      meta({2, 6}, at::kBool),
                                      meta({2, 1}, at::kBool)};
  const at::Tensor noise = meta({6, 5, 32}, at::kFloat);
  const CpuTensorWatch watch;
  const at::Tensor actions = policy.launch(observation, noise);
  EXPECT_TRUE(actions.is_meta());
  EXPECT_EQ(actions.sizes(), (std::vector<int64_t>{6, 5, 7}));
  EXPECT_EQ(watch.found(), kNone);
}

TEST(Device, ThePlantedMistakesAreFound) {
  Learner learner(test::small_config(), 1, kMeta);
  const Batch batch = test::to_device(test::random_batch(learner.config().network, 24, 0), kMeta);
  const auto draw = [] { return at::ones({24, 32}, at::TensorOptions(at::kMeta)); };
  // A value read by the host, and a draw left on the host.
  EXPECT_THROW(learner.update(batch, {draw(), draw()}).values[0].item<float>(), c10::Error);
  EXPECT_THROW(learner.update(batch, {at::ones({24, 32}), draw()}), c10::Error);
  {  // A draw made on the host and carried over.
    const CpuTensorWatch watch;
    learner.update(batch, {at::ones({24, 32}).to(kMeta), draw()});
    EXPECT_TRUE(watch.found().contains("aten::ones"));
  }
  {  // Memory of the host carried over, without an operator that makes it.
    std::vector<float> values(24 * 32);
    const CpuTensorWatch watch;
    learner.update(batch, {at::from_blob(values.data(), {24, 32}).to(kMeta), draw()});
    EXPECT_TRUE(watch.found().contains("aten::to"));
  }
  {  // A number on the host as a 0-dim tensor, which torch mixes with any device without a word.
    const CpuTensorWatch watch;
    learner.update(batch, {draw() * at::ones({}), draw()});
    EXPECT_TRUE(watch.found().contains("aten::ones"));
    EXPECT_TRUE(watch.found().contains("aten::mul"));
  }
  {  // The same inside a policy's TorchScript.
    torch::jit::Module script("Mistake");
    script.define("def forward(self, x):\n  return x + torch.zeros([])\n");
    const CpuTensorWatch watch;
    script.forward({draw()});
    EXPECT_TRUE(watch.found().contains("aten::zeros"));
  }
  {  // A list of tensors.
    const CpuTensorWatch watch;
    at::ones({2}).split(1);
    EXPECT_TRUE(watch.found().contains("aten::split"));
  }
}

}  // namespace
}  // namespace dsrl
