// The runner of policy.pt against the same program called plainly: nothing trimmed, nothing shared,
// the flow by its own sample_from_prefix.

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include "core/flow/policy_runner.h"
#include "core/flow/trim.h"
#include "core/random/tensor_random.h"
#include "support.h"
#include "tabletop_policy.h"

namespace dsrl {
namespace {

using test::kTabletopPolicy;
using test::refusal;
using test::tabletop_policy_spec;

constexpr float kRounding = 2e-5F;  // relative to the largest action

at::Tensor normals(int64_t step, std::vector<int64_t> shape) {
  const RandomStream stream(5, "test.runner");
  return random_normal(stream, step, shape[0], c10::multiply_integers(shape) / shape[0], at::kCPU)
      .reshape(shape);
}

at::Tensor below(int64_t step, int64_t bound, std::vector<int64_t> shape) {
  const RandomStream stream(5, "test.runner.below");
  return random_below(stream, step, c10::multiply_integers(shape), bound, at::kCPU).reshape(shape);
}

// Random observations, `cameras` pictures each; every mask of a picture by chance, prompts of
// random lengths up to `longest`. The program that ships takes any number of cameras.
NetworkInputs random_inputs(int64_t step, int64_t batch, int64_t cameras, int64_t longest) {
  const int64_t side = 64, length = 6;
  const at::Tensor lengths = below(4 * step, longest, {batch, 1}) + 1;
  return {normals(4 * step + 1, {batch, cameras, 3, side, side}).tanh(),
          below(4 * step + 2, 2, {batch, cameras}).to(at::kBool),
          below(4 * step + 3, 259, {batch, length}), at::arange(length).unsqueeze(0) < lengths,
          normals(4 * step + 3, {batch, 32})};
}

const PolicyRunner& runner() {
  static const PolicyRunner loaded(kTabletopPolicy, tabletop_policy_spec(), at::kCPU);
  return loaded;
}

/// The program's own `forward`, an observation at a time.
at::Tensor plain(const std::string& path, const NetworkInputs& inputs, const at::Tensor& noise,
                 int64_t num_steps) {
  const c10::InferenceMode inference;
  torch::jit::Module module = torch::jit::load(path, at::kCPU);
  module.eval();
  const int64_t noises = noise.size(0) / inputs.state.size(0);
  std::vector<at::Tensor> actions;
  for (int64_t row = 0; row < noise.size(0); ++row) {
    const NetworkInputs one = rows_of(inputs, row / noises, 1);
    actions.push_back(module
                          .forward({one.images, one.image_masks, one.tokens, one.token_mask,
                                    one.state, noise.narrow(0, row, 1), num_steps})
                          .toTensor());
  }
  return at::cat(actions);
}

float difference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).abs().max() / b.abs().max()).item<float>();
}

TEST(PolicyRunner, LeavesOutWhatIsMaskedWithoutMovingTheActions) {
  int64_t step = 0;
  for (const int64_t batch : {1, 2, 4}) {
    for (const int64_t cameras : {1, 2, 3}) {
      for (const int64_t longest : {1, 4, 6}) {
        const NetworkInputs inputs = random_inputs(++step, batch, cameras, longest);
        const at::Tensor noise = normals(1000 + step, {batch, 5, 32});
        const at::Tensor expected = plain(kTabletopPolicy, inputs, noise, 4);
        EXPECT_LT(difference(runner().sample(inputs, noise, 4), expected), kRounding) << step;
      }
    }
  }
}

TEST(PolicyRunner, LeavesOutTheMiddleCameraOnlyWhereNoRowSeesIt) {
  NetworkInputs inputs = random_inputs(7, 2, 3, 4);
  const auto masks = [](std::vector<int64_t> values) {
    return at::tensor(values, at::kLong).to(at::kBool).reshape({2, 3});
  };
  inputs.image_masks = masks({1, 0, 1, 1, 1, 0});
  EXPECT_EQ(trimmed(inputs).images.size(1), 3);
  const at::Tensor noise = normals(7, {2, 5, 32});
  EXPECT_LT(difference(runner().sample(inputs, noise, 4), plain(kTabletopPolicy, inputs, noise, 4)),
            kRounding);

  inputs.image_masks = masks({1, 0, 1, 0, 0, 1});
  const NetworkInputs kept = trimmed(inputs);
  EXPECT_TRUE(
      kept.images.equal(at::stack({inputs.images.select(1, 0), inputs.images.select(1, 2)}, 1)));
  EXPECT_TRUE(kept.image_masks.equal(at::tensor({1, 1, 0, 1}).to(at::kBool).reshape({2, 2})));
  EXPECT_LT(difference(runner().sample(inputs, noise, 4), plain(kTabletopPolicy, inputs, noise, 4)),
            kRounding);
  // The planted mistake: a camera that is dropped where a row sees it moves that row.
  const at::Tensor actions = plain(kTabletopPolicy, inputs, noise, 4);
  inputs.image_masks = masks({1, 0, 1, 0, 1, 1});
  EXPECT_GT(difference(plain(kTabletopPolicy, inputs, noise, 4), actions), 0.01F);
}

TEST(PolicyRunner, TrimsPromptsToTheLongestOfTheBatch) {
  NetworkInputs inputs = random_inputs(8, 2, 1, 6);
  inputs.token_mask = at::arange(6).unsqueeze(0) < at::tensor({2, 4}).unsqueeze(1);
  EXPECT_EQ(trimmed(inputs).tokens.size(1), 4);
  // A hole is no end: a row that sees column 4 keeps it.
  inputs.token_mask =
      at::tensor({1, 0, 0, 0, 1, 0, 1, 1, 0, 0, 0, 0}).to(at::kBool).reshape({2, 6});
  EXPECT_EQ(trimmed(inputs).tokens.size(1), 5);
  const at::Tensor noise = normals(8, {2, 5, 32});
  EXPECT_LT(difference(runner().sample(inputs, noise, 4), plain(kTabletopPolicy, inputs, noise, 4)),
            kRounding);
}

TEST(PolicyRunner, KeepsOneCameraAndOneTokenWhereNothingIsSeen) {
  NetworkInputs inputs = random_inputs(9, 2, 2, 6);
  inputs.image_masks.zero_();
  inputs.token_mask.zero_();
  EXPECT_EQ(trimmed(inputs).images.size(1), 1);
  EXPECT_EQ(trimmed(inputs).tokens.size(1), 1);
  const at::Tensor noise = normals(9, {2, 5, 32});
  EXPECT_LT(difference(runner().sample(inputs, noise, 4), plain(kTabletopPolicy, inputs, noise, 4)),
            kRounding);
}

TEST(PolicyRunner, SeesEveryPictureWithoutMasks) {
  NetworkInputs inputs = random_inputs(10, 2, 2, 6);
  inputs.image_masks.fill_(true);
  const at::Tensor noise = normals(10, {2, 5, 32});
  const at::Tensor expected = runner().sample(inputs, noise, 4);
  inputs.image_masks = at::Tensor();
  EXPECT_TRUE(runner().sample(inputs, noise, 4).equal(expected));
}

TEST(PolicyRunner, GivesSeveralNoisesTheirObservation) {
  const NetworkInputs inputs = random_inputs(11, 3, 2, 6);
  const at::Tensor noise = normals(11, {12, 5, 32});
  const at::Tensor actions = runner().sample(inputs, noise, 4);
  ASSERT_EQ(actions.sizes(), (std::vector<int64_t>{12, 5, 32}));
  EXPECT_LT(difference(actions, plain(kTabletopPolicy, inputs, noise, 4)), kRounding);
  // One observation, whose keys and values are not even copied.
  const NetworkInputs one = rows_of(inputs, 1, 1);
  EXPECT_LT(difference(runner().sample(one, noise.narrow(0, 4, 4), 4), actions.narrow(0, 4, 4)),
            kRounding);
}

TEST(PolicyRunner, RunsLargeBatchesInPieces) {
  const at::Tensor noise = normals(12, {130, 5, 32});
  const NetworkInputs many = random_inputs(12, 130, 1, 6);
  EXPECT_LT(difference(runner().sample(many, noise, 1), plain(kTabletopPolicy, many, noise, 1)),
            kRounding);
  for (const int64_t observations : {1, 2, 5, 26}) {  // 130, 65, 26 and 5 noises each
    const NetworkInputs few = rows_of(many, 0, observations);
    EXPECT_LT(difference(runner().sample(few, noise, 1), plain(kTabletopPolicy, few, noise, 1)),
              kRounding)
        << observations;
  }
}

TEST(PolicyRunner, StepsAsTheProgramDoesToTheBit) {
  const test::Folder folder;
  const std::string summed = folder / "summed.pt";
  torch::jit::Module module = torch::jit::load(kTabletopPolicy, at::kCPU);
  module.setattr("sum_time_in_float32", true);
  module.save(summed);
  NetworkInputs inputs = random_inputs(13, 1, 1, 6);
  inputs.token_mask.fill_(true);  // nothing to trim: the same kernels on the same shapes
  inputs.image_masks.fill_(true);
  const at::Tensor noise = normals(13, {1, 5, 32});
  for (const auto& [path, convention] : {std::pair(kTabletopPolicy, TimeConvention::kDouble),
                                         std::pair(summed, TimeConvention::kFloat32)}) {
    PolicySpec spec = tabletop_policy_spec();
    spec.time_convention = convention;
    const PolicyRunner loaded(path, spec, at::kCPU);
    for (const int64_t steps : {1, 3, 4, 7, 10, 50}) {
      EXPECT_TRUE(loaded.sample(inputs, noise, steps).equal(plain(path, inputs, noise, steps)))
          << path << ", " << steps << " steps";
    }
  }
}

TEST(PolicyRunner, TellsTheTimeConventionsApart) {
  const auto flow_times = [](int64_t steps, TimeConvention convention) {
    std::vector<float> times;
    for (int64_t step = 0; step < steps; ++step) {
      times.push_back(flow_time(step, steps, times.empty() ? 0 : times.back(), convention));
    }
    return times;
  };
  const std::vector<float> exact = flow_times(10, TimeConvention::kDouble);
  const std::vector<float> summed = flow_times(10, TimeConvention::kFloat32);
  ASSERT_EQ(exact.size(), 10u);
  for (size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(exact[i], static_cast<float>(1 - static_cast<double>(i) * 0.1));
    EXPECT_NEAR(summed[i], exact[i], 1e-6);
  }
  EXPECT_NE(summed[7], exact[7]);
  EXPECT_EQ(flow_times(4, TimeConvention::kFloat32), (std::vector<float>{1, .75, .5, .25}));
}

TEST(PolicyRunner, StopsBeforeThePrefixAndBetweenSteps) {
  const NetworkInputs inputs = random_inputs(14, 1, 1, 6);
  const at::Tensor noise = normals(14, {1, 5, 32});
  int asked = 0;
  runner().sample(inputs, noise, 4, [&] { return ++asked < 0; });
  EXPECT_EQ(asked, 5);
  for (int last = 1; last <= 5; ++last) {
    asked = 0;
    EXPECT_EQ(refusal([&] { runner().sample(inputs, noise, 4, [&] { return ++asked == last; }); }),
              "ERR_DSRL_CANCELLED: the sample was cancelled");
    EXPECT_EQ(asked, last);
  }
}

// More steps than a machine could keep a list of.
TEST(PolicyRunner, TakesNoMemoryForItsSteps) {
  const NetworkInputs inputs = random_inputs(18, 1, 1, 6);
  int asked = 0;
  EXPECT_EQ(refusal([&] {
              runner().sample(inputs, normals(18, {1, 5, 32}), int64_t{1} << 53,
                              [&] { return ++asked == 4; });
            }),
            "ERR_DSRL_CANCELLED: the sample was cancelled");
}

TEST(PolicyRunner, RunsInBfloat16) {
  const test::Folder folder;
  const std::string path = folder / "bfloat16.pt";
  torch::jit::Module module = torch::jit::load(kTabletopPolicy, at::kCPU);
  for (const auto& [name, parameter] : module.named_parameters()) {
    const bool tower = name.starts_with("language_model.layers") ||
                       name.starts_with("language_model.embed_tokens") ||
                       name.starts_with("gemma_expert.layers") ||
                       name.starts_with("vision_tower.encoder");
    if (tower && name.find("norm") == std::string::npos) {
      parameter.set_data(parameter.to(at::kBFloat16));
    }
  }
  module.save(path);
  PolicySpec spec = tabletop_policy_spec();
  EXPECT_EQ(
      refusal([&] { PolicyRunner(path, spec, at::kCPU); }),
      "ERR_DSRL_POLICY_CONTRACT: policy.json says precision float32, " + path + " has bfloat16");
  spec.precision = Precision::kBfloat16;
  const PolicyRunner loaded(path, spec, at::kCPU);
  const NetworkInputs inputs = random_inputs(15, 4, 3, 4);
  const at::Tensor noise = normals(15, {8, 5, 32});
  const at::Tensor actions = loaded.sample(inputs, noise, 4);
  EXPECT_EQ(actions.scalar_type(), at::kFloat);
  // bfloat16 has eight bits: an error of a percent is its rounding.
  EXPECT_LT(difference(actions, runner().sample(inputs, noise, 4)), 5e-2F);
  EXPECT_GT(difference(actions, runner().sample(inputs, noise, 4)), 1e-4F);
  EXPECT_LT(difference(actions, plain(path, inputs, noise, 4)), 5e-2F);
}

TEST(PolicyRunner, TracksNoGradients) {
  const NetworkInputs inputs = random_inputs(16, 1, 1, 6);
  EXPECT_FALSE(runner().sample(inputs, normals(16, {1, 5, 32}), 2).requires_grad());
}

TEST(PolicyRunner, NamesTheTensorThatDoesNotFit) {
  const auto found = [](auto change) {
    NetworkInputs inputs = random_inputs(17, 2, 3, 6);
    at::Tensor noise = normals(17, {4, 5, 32});
    int64_t steps = 4;
    change(inputs, noise, steps);
    return refusal([&] { runner().sample(inputs, noise, steps); });
  };
  using Inputs = NetworkInputs;
  using Tensor = at::Tensor;
  const std::string expects = "ERR_DSRL_OBSERVATION: the frozen policy expects ";
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.state = at::zeros({2, 8}); }),
            expects + "state Float [2, 32], found Float [2, 8]");
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.images = i.images.narrow(0, 0, 1); }),
            expects + "images Float [2, 3, 3, 64, 64], found Float [1, 3, 3, 64, 64]");
  EXPECT_EQ(
      found([](Inputs& i, Tensor&, int64_t&) { i.images = i.images.permute({0, 1, 3, 4, 2}); }),
      expects + "images Float [2, 3, 3, 64, 64], found Float [2, 3, 64, 64, 3]");
  EXPECT_EQ(
      found([](Inputs& i, Tensor&, int64_t&) { i.image_masks = at::ones({2, 2}, at::kBool); }),
      expects + "image_masks Bool [2, 3], found Bool [2, 2]");
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.tokens = i.tokens.to(at::kInt); }),
            expects + "tokens Long [2, 6], found Int [2, 6]");
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.tokens[1][5] = 259; }),
            expects + "tokens in [0, 259), found 259");
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.tokens[0][0] = -1; }),
            expects + "tokens in [0, 259), found -1");
  EXPECT_EQ(found([](Inputs& i, Tensor&, int64_t&) { i.token_mask = at::ones({2, 5}, at::kBool); }),
            expects + "token_mask Bool [2, 6], found Bool [2, 5]");
  EXPECT_EQ(found([](Inputs&, Tensor& n, int64_t&) { n = at::zeros({5, 5, 32}); }),
            expects + "noise Float [4, 5, 32], found Float [5, 5, 32]");
  EXPECT_EQ(found([](Inputs&, Tensor& n, int64_t&) { n = Tensor(); }),
            expects + "noise Float [2, 5, 32], found nothing");
  EXPECT_EQ(found([](Inputs&, Tensor&, int64_t& steps) { steps = 0; }),
            "ERR_DSRL_OBSERVATION: the flow needs at least 1 step, found 0");
}

}  // namespace
}  // namespace dsrl
