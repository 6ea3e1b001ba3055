// The frozen policy that ships, through the runner that runs every frozen policy.

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/serialization/import.h>

#include <cmath>
#include <fstream>

#include "core/error.h"
#include "core/flow/frozen_policy.h"
#include "core/random/tensor_random.h"
#include "support.h"
#include "tabletop_policy.h"

namespace dsrl {
namespace {

using test::kTabletopPolicy;
using test::refusal;
using test::tabletop_observation;
using test::tabletop_policy_spec;

at::Tensor normals(int64_t step, int64_t rows, int64_t columns) {
  return random_normal(RandomStream(8, "test.flow"), step, rows, columns, at::kCPU);
}

float largest(const at::Tensor& tensor) {
  return tensor.abs().max().item<float>();
}

const FrozenPolicy& policy() {
  static const FrozenPolicy loaded(kTabletopPolicy, tabletop_policy_spec(), at::kCPU);
  return loaded;
}

TEST(FrozenPolicy, GivesTheSameActionsForTheSameNoise) {
  const PolicyObservation observation = tabletop_observation(4);
  const at::Tensor noise = normals(0, 4, 32);
  const at::Tensor actions = policy().sample(observation, noise);
  ASSERT_EQ(actions.sizes(), (std::vector<int64_t>{4, 5, 7}));
  EXPECT_EQ(actions.scalar_type(), at::kFloat);
  EXPECT_TRUE(actions.isfinite().all().item<bool>());
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(policy().sample(observation, noise).equal(actions));
  EXPECT_GT(largest(policy().sample(observation, normals(1, 4, 32)) - actions), 0.1F);
  const FrozenPolicy again(kTabletopPolicy, tabletop_policy_spec(), at::kCPU);
  EXPECT_TRUE(again.sample(observation, noise).equal(actions));
  EXPECT_EQ(again.runner().parameter_count(), 542'512);
}

TEST(FrozenPolicy, TilesOneNoiseOverTheHorizon) {
  const PolicyObservation observation = tabletop_observation(3);
  const at::Tensor noise = normals(0, 3, 32);
  const at::Tensor tiled = noise.unsqueeze(1).repeat({1, 5, 1});
  const at::Tensor actions = policy().sample(observation, noise);
  EXPECT_TRUE(policy().sample(observation, tiled).equal(actions));
  const at::Tensor steps = normals(1, 3, 5 * 32).reshape({3, 5, 32});
  EXPECT_GT(largest(policy().sample(observation, steps) - actions), 0.01F);
}

// A row's actions are its own: what stands beside it in the batch moves rounding only.
TEST(FrozenPolicy, TreatsRowsApart) {
  const PolicyObservation all = tabletop_observation(4);
  const at::Tensor noise = normals(0, 4, 32);
  const at::Tensor actions = policy().sample(all, noise);
  for (int64_t row = 0; row < 4; ++row) {
    const auto one = [row](const at::Tensor& tensor) { return tensor.narrow(0, row, 1); };
    const PolicyObservation alone{
        {one(all.images[0])}, one(all.states), one(all.tokens), one(all.token_mask), {}};
    EXPECT_LT(largest(policy().sample(alone, one(noise)) - one(actions)), 1e-4F) << row;
  }
}

// Euler from t = 1 to 0 with the artefact's own denoise_step, the normalisation written out.
TEST(FrozenPolicy, IntegratesTheFlowAndNormalisesAsPolicyJsonSays) {
  const PolicySpec spec = tabletop_policy_spec();
  const PolicyObservation observation = tabletop_observation(2);
  const at::Tensor noise = normals(0, 2, 5 * 32).reshape({2, 5, 32});
  const c10::InferenceMode inference;
  torch::jit::Module module = torch::jit::load(kTabletopPolicy, at::kCPU);
  module.eval();
  at::Tensor images = at::empty({2, 1, 3, 64, 64});
  for (int64_t channel = 0; channel < 3; ++channel) {
    const at::Tensor bytes = observation.images[0].select(3, channel).to(at::kFloat);
    images.select(2, channel).select(1, 0).copy_(bytes / 255 * 2 - 1);
  }
  at::Tensor state = at::zeros({2, 32});
  for (int64_t i = 0; i < 8; ++i) {
    const auto k = static_cast<size_t>(i);
    state.select(1, i).copy_((observation.states.select(1, i) - spec.state.mean[k]) /
                             (spec.state.std[k] + 1e-6));
  }
  const auto prefix = module
                          .get_method("prefix")({images, at::ones({2, 1}, at::kBool),
                                                 observation.tokens, observation.token_mask})
                          .toTuple();
  for (const int64_t steps : {4, 10}) {
    at::Tensor x = noise;
    for (int64_t i = 0; i < steps; ++i) {
      const double t = 1.0 - static_cast<double>(i) / static_cast<double>(steps);
      const at::Tensor velocity =
          module
              .get_method("denoise_step")({state, prefix->elements()[0], prefix->elements()[1],
                                           prefix->elements()[2], x, at::full({2}, t)})
              .toTensor();
      x = x - velocity / static_cast<double>(steps);
    }
    const at::Tensor actions = policy().sample(observation, noise, steps);
    for (int64_t i = 0; i < 7; ++i) {
      const auto k = static_cast<size_t>(i);
      const at::Tensor expected =
          x.select(2, i) * (spec.actions.std[k] + 1e-6) + spec.actions.mean[k];
      EXPECT_LT(largest(actions.select(2, i) - expected), 1e-4F) << i << ", " << steps << " steps";
    }
  }
  EXPECT_TRUE(policy().sample(observation, noise).equal(policy().sample(observation, noise, 4)));
}

TEST(FrozenPolicy, AddsTheStateToDeltaActions) {
  PolicySpec spec = tabletop_policy_spec();
  spec.delta_action_mask = {1, 0, 1, 0, 0, 0, 0};
  const FrozenPolicy delta(kTabletopPolicy, spec, at::kCPU);
  const PolicyObservation observation = tabletop_observation(2);
  const at::Tensor noise = normals(0, 2, 32);
  at::Tensor expected = policy().sample(observation, noise).clone();
  for (const int64_t i : {0, 2}) {
    expected.select(2, i).add_(observation.states.select(1, i).unsqueeze(1));
  }
  EXPECT_LT(largest(delta.sample(observation, noise) - expected), 1e-6F);
}

TEST(FrozenPolicy, NamesWhatItExpectedAndWhatItFound) {
  const PolicyObservation good = tabletop_observation(2);
  const at::Tensor noise = normals(0, 2, 32);
  const auto found = [&](auto change) {
    PolicyObservation observation = good;
    at::Tensor changed_noise = noise;
    change(observation, changed_noise);
    return refusal([&] { policy().sample(observation, changed_noise); });
  };
  const std::string expects = "ERR_DSRL_OBSERVATION: the frozen policy expects ";
  using Observation = PolicyObservation;
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.states = at::zeros({2, 7}); }),
            expects + "states Float [2, 8], found Float [2, 7]");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.states = at::Tensor(); }),
            expects + "states Float [1, 8], found nothing");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.images[0] = o.images[0].narrow(1, 0, 63); }),
            expects + "images[0] Byte [2, 64, 64, 3], found Byte [2, 63, 64, 3]");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.images[0] = o.images[0].to(at::kFloat); }),
            expects + "images[0] Byte [2, 64, 64, 3], found Float [2, 64, 64, 3]");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.images[0] = o.images[0].narrow(0, 0, 1); }),
            expects + "images[0] Byte [2, 64, 64, 3], found Byte [1, 64, 64, 3]");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.images.push_back(o.images[0]); }),
            expects + "1 cameras, found 2");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.tokens = at::zeros({2, 5}, at::kLong); }),
            expects + "tokens Long [2, 6], found Long [2, 5]");
  EXPECT_EQ(found([](Observation& o, at::Tensor&) { o.token_mask = at::ones({2, 6}); }),
            expects + "token_mask Bool [2, 6], found Float [2, 6]");
  EXPECT_EQ(found([](Observation&, at::Tensor& n) { n = at::zeros({2, 31}); }),
            expects + "noise Float [2, 32], found Float [2, 31]");
  EXPECT_EQ(found([](Observation&, at::Tensor& n) { n = at::zeros({2, 4, 32}); }),
            expects + "noise Float [2, 5, 32], found Float [2, 4, 32]");
  EXPECT_EQ(found([](Observation&, at::Tensor& n) { n = n.to(at::kDouble); }),
            expects + "noise Float [2, 32], found Double [2, 32]");
}

TEST(FrozenPolicy, RefusesAFileThatIsNoPolicy) {
  const test::Folder folder;
  const auto load = [&](const std::string& path) {
    return refusal([&] { FrozenPolicy(path, tabletop_policy_spec(), at::kCPU); });
  };
  const auto expect_refused = [&](const std::string& path) {
    const std::string found = load(path);
    EXPECT_EQ(found.rfind("ERR_DSRL_POLICY_LOAD: " + path, 0), 0u) << found;
  };
  expect_refused(folder / "absent.pt");
  expect_refused(folder / ".");
  std::ifstream source(kTabletopPolicy, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(source), {}};
  const auto expect_content_refused = [&](const std::string& content) {
    const std::string path = folder / "policy.pt";
    std::ofstream(path, std::ios::binary) << content;
    expect_refused(path);
  };
  expect_content_refused("");
  expect_content_refused("this is no archive");
  expect_content_refused(std::string("PK\x03\x04", 4) + std::string(1000, 'x'));
  for (const size_t size : {whole.size() / 2, whole.size() - 1, whole.size() - 100}) {
    expect_content_refused(whole.substr(0, size));
  }
}

TEST(FrozenPolicy, RefusesAModuleWithoutTheContractsMethods) {
  const test::Folder folder;
  const std::string path = folder / "other.pt";
  torch::jit::Module other("Other");
  other.define("def forward(self, x):\n  return x\n");
  other.save(path);
  EXPECT_EQ(refusal([&] { FrozenPolicy(path, tabletop_policy_spec(), at::kCPU); }),
            "ERR_DSRL_POLICY_CONTRACT: " + path + " has no method 'prefix'");
}

TEST(FrozenPolicy, RefusesASpecThatContradictsTheProgram) {
  const auto refused = [](auto change) {
    PolicySpec spec = tabletop_policy_spec();
    change(spec);
    return refusal([&] { FrozenPolicy(kTabletopPolicy, spec, at::kCPU); });
  };
  const std::string says = "ERR_DSRL_POLICY_CONTRACT: policy.json says ";
  EXPECT_EQ(refused([](PolicySpec& s) { s.horizon = 6; }),
            says + "horizon 6, " + kTabletopPolicy + " has 5");
  EXPECT_EQ(refused([](PolicySpec& s) { s.noise_dim = 40; }),
            says + "noise_dim 40, " + kTabletopPolicy + " has 32");
  EXPECT_EQ(refused([](PolicySpec& s) { s.image_size = 224; }),
            says + "image_size 224, " + kTabletopPolicy + " takes 16 patches of 16 pixels a side");
  EXPECT_EQ(refused([](PolicySpec& s) { s.image_size = int64_t{1} << 52; }),
            says + "image_size 4503599627370496, " + kTabletopPolicy +
                " takes 16 patches of 16 pixels a side");
  // 64 and 79 pixels have as many whole patches a side.
  EXPECT_EQ(refused([](PolicySpec& s) { s.image_size = 79; }),
            says + "image_size 79, " + kTabletopPolicy + " takes 16 patches of 16 pixels a side");
  EXPECT_EQ(refused([](PolicySpec& s) { s.precision = Precision::kBfloat16; }),
            says + "precision bfloat16, " + kTabletopPolicy + " has float32");
  EXPECT_EQ(refused([](PolicySpec& s) { s.largest_token = 259; }),
            "ERR_DSRL_POLICY_CONTRACT: policy.json has the token 259 in its prompts, " +
                kTabletopPolicy + " takes those below 259");
  EXPECT_EQ(refused([](PolicySpec& s) { s.time_convention = TimeConvention::kFloat32; }),
            says + "time_convention float32, " + kTabletopPolicy + " has double");
}

TEST(FrozenPolicy, RefusesActionsThatAreNotFinite) {
  const PolicyObservation good = tabletop_observation(3);
  PolicyObservation observation = good;
  observation.states = good.states.clone();
  observation.states[1][2] = std::nan("");
  at::Tensor noise = normals(0, 6, 32).clone();
  noise[5][0] = INFINITY;
  EXPECT_EQ(refusal([&] { policy().sample(observation, noise); }),
            "ERR_DSRL_POLICY_NOT_FINITE: the frozen policy's actions are not finite in rows "
            "2, 3, 5; of its inputs, states is not finite in rows 1; of its inputs, noise is not "
            "finite in rows 5");
  EXPECT_NO_THROW(policy().sample(good, noise.narrow(0, 0, 3)));
}

TEST(FrozenPolicy, RefusesSizesThatContradictEachOther) {
  const auto refused = [](auto change) {
    PolicySpec spec = tabletop_policy_spec();
    change(spec);
    return refusal([&] { FrozenPolicy(kTabletopPolicy, spec, at::kCPU); });
  };
  const std::string expected = "ERR_DSRL_POLICY_SPEC: policy.json: ";
  EXPECT_EQ(refused([](PolicySpec& s) { s.state.mean.pop_back(); }),
            expected + "normalization.state.mean has 7 entries, expected 8");
  EXPECT_EQ(refused([](PolicySpec& s) { s.actions.std.push_back(1); }),
            expected + "normalization.actions.std has 8 entries, expected 7");
  EXPECT_EQ(refused([](PolicySpec& s) { s.actions.std[3] = -1e-6; }),
            expected +
                "normalization.actions.std[3] is -0.000001: "
                "the values would be divided by 0.000000");
  EXPECT_EQ(refused([](PolicySpec& s) { s.state.mean[1] = std::nan(""); }),
            expected + "normalization.state.mean[1] is not finite");
  EXPECT_EQ(refused([](PolicySpec& s) {
              s.normalization_mode = NormalizationMode::kQuantiles;
              s.state = {{}, {}, {0, 0, 0, 0, 0, 0, 0, 2}, {1, 1, 1, 1, 1, 1, 1, 1}};
            }),
            expected +
                "normalization.state.q99[7] is 1.000000: "
                "the values would be divided by -0.999999");
  EXPECT_EQ(refused([](PolicySpec& s) { s.delta_action_mask = {1}; }),
            expected + "delta_action_mask has 1 entries, expected 7");
  EXPECT_EQ(refused([](PolicySpec& s) {
              s.state_dim = 6;
              s.state.mean.resize(6);
              s.state.std.resize(6);
              s.delta_action_mask = {0, 0, 0, 0, 0, 0, 1};
            }),
            expected + "delta_action_mask[6] is true, the state has 6 entries");
  EXPECT_EQ(refused([](PolicySpec& s) { s.noise_dim = 7; }),
            expected + "state_dim and action_dim must fit in noise_dim");
  EXPECT_EQ(refused([](PolicySpec& s) { s.horizon = 0; }),
            expected + "horizon is 0, at least 1 needed");
}

}  // namespace
}  // namespace dsrl
