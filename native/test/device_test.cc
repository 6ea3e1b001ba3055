// The proofs that the core is written against a device, on a machine without a GPU: on torch's meta
// device a read by the host and a mixture of devices throw, and at::RecordFunction sees every
// operator's outputs, so a CPU tensor made inside an update is counted.

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <ATen/record_function.h>
#include <gtest/gtest.h>
#include <torch/library.h>

#include <set>

#include "core/sac/agent.h"
#include "support.h"

namespace dsrl {
namespace {

// Layer normalisation, convolution, ReLU, and what clamp's gradient is made of, are the operators
// of an update without a meta kernel in C++; their shapes are given here. On real devices all have
// kernels for CPU and CUDA.
std::tuple<at::Tensor, at::Tensor, at::Tensor> meta_layer_norm(const at::Tensor& input,
                                                               c10::SymIntArrayRef normalized,
                                                               const std::optional<at::Tensor>&,
                                                               const std::optional<at::Tensor>&,
                                                               double) {
  std::vector<int64_t> rows = input.sizes().vec();
  for (size_t i = 0; i < normalized.size(); ++i) rows[rows.size() - 1 - i] = 1;
  return {at::empty_like(input), at::empty(rows, input.options()),
          at::empty(rows, input.options())};
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> meta_layer_norm_backward(
    const at::Tensor& gradient, const at::Tensor& input, c10::SymIntArrayRef, const at::Tensor&,
    const at::Tensor&, const std::optional<at::Tensor>& gain,
    const std::optional<at::Tensor>& shift, std::array<bool, 3>) {
  const auto like = [](const std::optional<at::Tensor>& tensor) {
    return tensor && tensor->defined() ? at::empty_like(*tensor) : at::Tensor();
  };
  return {at::empty_like(input), like(gain), like(shift)};
}

at::Tensor meta_convolution(const at::Tensor& input, const at::Tensor& weight,
                            const std::optional<at::Tensor>&, c10::SymIntArrayRef stride,
                            c10::SymIntArrayRef padding, c10::SymIntArrayRef, bool,
                            c10::SymIntArrayRef, c10::SymInt) {
  std::vector<int64_t> shape{input.size(0), weight.size(0)};
  for (size_t i = 0; i < 2; ++i) {
    const auto dimension = static_cast<int64_t>(2 + i);
    const int64_t padded = input.size(dimension) + 2 * padding[i].expect_int();
    shape.push_back((padded - weight.size(dimension)) / stride[i].expect_int() + 1);
  }
  return at::empty(shape, input.options());
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> meta_convolution_backward(
    const at::Tensor& gradient, const at::Tensor& input, const at::Tensor& weight,
    c10::SymIntArrayRef, c10::SymIntArrayRef, c10::SymIntArrayRef, bool, c10::SymIntArrayRef,
    c10::SymInt, std::array<bool, 3>) {
  return {at::empty_like(input), at::empty_like(weight),
          at::empty({weight.size(0)}, gradient.options())};
}

TORCH_LIBRARY_IMPL(aten, Meta, library) {
  library.impl("relu", [](const at::Tensor& input) { return at::empty_like(input); });
  library.impl(
      "logical_and.out",
      [](const at::Tensor&, const at::Tensor&, at::Tensor& out) -> at::Tensor& { return out; });
  library.impl("where.self",
               [](const at::Tensor& condition, const at::Tensor& chosen, const at::Tensor& other) {
                 const at::Tensor& larger = chosen.dim() >= other.dim() ? chosen : other;
                 return at::empty(condition.sizes(), larger.options());
               });
  library.impl("convolution_overrideable", meta_convolution);
  library.impl("convolution_backward_overrideable", meta_convolution_backward);
  library.impl("native_layer_norm", meta_layer_norm);
  library.impl("native_layer_norm_backward", meta_layer_norm_backward);
}

std::set<std::string>& cpu_outputs() {
  static auto* const names = new std::set<std::string>;
  return *names;
}

void note_cpu_tensors(const at::RecordFunction& function, at::ObserverContext*) {
  for (const c10::IValue& output : function.outputs()) {
    if (output.isTensor() && output.toTensor().defined() && output.toTensor().is_cpu()) {
      cpu_outputs().insert(function.name());
    }
  }
}

/// Names of the operators that put out a CPU tensor while `body` ran.
template <typename Body>
std::set<std::string> cpu_operators(Body body) {
  cpu_outputs().clear();
  const auto handle = at::addGlobalCallback(
      at::RecordFunctionCallback(
          [](const at::RecordFunction&) -> std::unique_ptr<at::ObserverContext> { return nullptr; },
          note_cpu_tensors)
          .needsOutputs(true)
          .scopes({at::RecordScope::FUNCTION}));
  body();
  at::removeCallback(handle);
  return cpu_outputs();
}

const at::Device kMeta(at::kMeta);

TEST(Device, AnUpdateReadsNothingAndMakesNoCpuTensor) {
  LearnerConfig config = test::small_config();
  config.backup_entropy = true;
  config.critic_subsample_size = 2;
  config.micro_batch_size = 10;
  Learner learner(config, 1, kMeta);
  const Batch batch = test::to_device(test::random_batch(config.network, 24, 0), kMeta);
  const RandomStream stream(1, "test");
  const auto made = cpu_operators([&] {
    // The learner's own draws too: on a device they come from tensor operations.
    const at::Tensor rows = random_below(stream, 0, 24, 100, kMeta);
    const UpdateNoise noise{random_normal(stream, 0, 24, 32, kMeta),
                            random_normal(stream, 1, 24, 32, kMeta)};
    learner.update(batch, noise);
  });
  EXPECT_TRUE(made.empty()) << *made.begin();
  EXPECT_EQ(learner.updates(), 1);
}

// _fused_adam_ has no meta kernel, so the update above took Adam::plain_step; learner_test.cc
// holds the fused kernel to it on the CPU.

TEST(Device, ActingReadsNothing) {
  const NetworkConfig network = test::small_config().network;
  const Agent agent(network, 1, kMeta);
  const Batch batch = test::to_device(test::random_batch(network, 4, 0), kMeta);
  const auto made = cpu_operators([&] {
    EXPECT_TRUE(agent.act(batch.images, batch.states, 0, false).is_meta());
    EXPECT_TRUE(agent.act(batch.images, batch.states, 0, true).is_meta());
  });
  EXPECT_TRUE(made.empty()) << *made.begin();
}

TEST(Device, TheProofsCanFail) {
  EXPECT_THROW(at::zeros({}, at::TensorOptions(at::kMeta)).item<float>(), std::exception);
  EXPECT_THROW(at::ones({3}, at::TensorOptions(at::kMeta)) + at::ones({3}), std::exception);
  EXPECT_FALSE(cpu_operators([] { at::zeros({3}); }).empty());
}

}  // namespace
}  // namespace dsrl
