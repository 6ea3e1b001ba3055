#include "core/sac/adam.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "core/random/tensor_random.h"

namespace dsrl {
namespace {

ParameterBuffer buffer_of(int64_t count) {
  ParameterLayout layout;
  layout.add("weight", {count});
  return ParameterBuffer(layout, at::kCPU);
}

at::Tensor gradient_of_step(int64_t step, int64_t count) {
  return random_normal(RandomStream(3, "test.adam"), step, 1, count, at::kCPU).squeeze(0);
}

// Kingma & Ba, algorithm 1, number by number in float64.
struct Reference {
  double value = 0, first = 0, second = 0;
  void step(const AdamConfig& config, int64_t t, double gradient) {
    first = config.beta1 * first + (1 - config.beta1) * gradient;
    second = config.beta2 * second + (1 - config.beta2) * gradient * gradient;
    const double m = first / (1 - std::pow(config.beta1, t));
    const double v = second / (1 - std::pow(config.beta2, t));
    value -= config.lr * m / (std::sqrt(v) + config.eps);
  }
};

TEST(Adam, FusedAndPlainStepAreThePapersOverManySteps) {
  constexpr int64_t kCount = 19;  // padded to 32 in the buffer
  for (const AdamConfig config :
       {AdamConfig{1e-3, 0.9, 0.96, 1e-8, 1e9}, AdamConfig{3e-4, 0.9, 0.999, 1e-8, 1e9}}) {
    ParameterBuffer buffer = buffer_of(kCount);
    Adam adam(buffer, config);
    const at::Tensor values = at::zeros({kCount});
    const at::Tensor first = at::zeros_like(values), second = at::zeros_like(values);
    std::vector<Reference> reference(kCount);
    for (int64_t step = 1; step <= 300; ++step) {
      // Magnitudes from 1e-6 to 1: a wrong eps would show at the small end.
      const at::Tensor scale = at::logspace(-6, 0, kCount);
      const at::Tensor gradient = gradient_of_step(step, kCount) * scale;
      buffer.gradient().zero_();
      buffer.gradient().narrow(0, 0, kCount).copy_(gradient);
      adam.step(buffer);
      Adam::plain_step(config, step, values, gradient, first, second);
      for (int64_t i = 0; i < kCount; ++i) {
        reference[static_cast<size_t>(i)].step(config, step, gradient[i].item<double>());
      }
    }
    EXPECT_EQ(adam.steps(), 300);
    const double tolerance = 2e-4 * 300 * config.lr;  // of the way that 300 full steps would go
    for (int64_t i = 0; i < kCount; ++i) {
      const Reference& r = reference[static_cast<size_t>(i)];
      EXPECT_NEAR(buffer.values()[i].item<double>(), r.value, tolerance) << i;
      EXPECT_NEAR(values[i].item<double>(), r.value, tolerance) << i;
      EXPECT_NEAR(adam.first_moment()[i].item<double>() / r.first, 1, 1e-4) << i;
      EXPECT_NEAR(second[i].item<double>() / r.second, 1, 1e-4) << i;
    }
    EXPECT_LT((buffer.values().narrow(0, 0, kCount) - values).abs().max().item<float>(), 1e-6F);
    // The gap behind the parameters stays zero.
    EXPECT_EQ(buffer.values().narrow(0, kCount, 32 - kCount).abs().max().item<float>(), 0.0F);
  }
}

TEST(Adam, ClipsByTheNormAndReportsItUnclipped) {
  ParameterBuffer buffer = buffer_of(4);
  Adam adam(buffer, {1e-3, 0.9, 0.999, 1e-8, 2.0});
  buffer.gradient().narrow(0, 0, 4).fill_(5.0);
  EXPECT_NEAR(adam.step(buffer).item<float>(), 10.0, 1e-4);
  EXPECT_NEAR(adam.first_moment()[0].item<float>(), 0.1, 1e-5);  // (1 - .9) 5 (2 / 10)
  buffer.gradient().narrow(0, 0, 4).fill_(0.5);  // norm 1: below the clip, left as it is
  EXPECT_NEAR(adam.step(buffer).item<float>(), 1.0, 1e-5);
  EXPECT_NEAR(adam.first_moment()[0].item<float>(), 0.09 + 0.05, 1e-5);
}

TEST(Adam, FindsTheNormOfALargeGroup) {
  constexpr int64_t kCount = 2'671'978;  // the critic; adding one by one is off by 1e-4 here
  ParameterBuffer buffer = buffer_of(kCount);
  Adam adam(buffer, {0, 0.9, 0.999, 1e-8, 10.0});
  const at::Tensor gradient = buffer.gradient().narrow(0, 0, kCount);
  gradient.copy_(gradient_of_step(0, kCount)).mul_(0.01);
  const double expected = gradient.to(at::kDouble).square().sum().sqrt().item<double>();
  EXPECT_NEAR(adam.step(buffer).item<double>() / expected, 1, 1e-6);
}

TEST(Adam, AGradientOfZeroMovesNothing) {
  ParameterBuffer buffer = buffer_of(4);
  Adam adam(buffer, {1e-3, 0.9, 0.999, 1e-8, 2.0});
  EXPECT_EQ(adam.step(buffer).item<float>(), 0.0F);
  EXPECT_EQ(buffer.values().abs().max().item<float>(), 0.0F);
}

}  // namespace
}  // namespace dsrl
