// Pre- and post-processing, against numbers worked out by hand.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/flow/normalization.h"
#include "core/flow/processing.h"
#include "support.h"

namespace dsrl {
namespace {

using test::refusal;

// A robot with two cameras, three state entries and four actions inside five.
PolicySpec small_spec() {
  PolicySpec spec{};
  spec.horizon = 2;
  spec.noise_dim = 5;
  spec.state_dim = 3;
  spec.action_dim = 4;
  spec.num_steps = 1;
  spec.num_cameras = 2;
  spec.image_size = 4;
  spec.prompt_length = 2;
  spec.normalization_eps = 0.5;
  spec.state.mean = {1, 2, 3};
  spec.state.std = {0.5, 1.5, 3.5};
  spec.actions.mean = {0, 1, 2, 3};
  spec.actions.std = {0.5, 1.5, 0.5, 3.5};
  return spec;
}

PolicySpec quantile_spec() {
  PolicySpec spec = small_spec();
  spec.normalization_mode = NormalizationMode::kQuantiles;
  spec.state = {{}, {}, {-1, 0, 2}, {0.5, 3.5, 9.5}};
  spec.actions = {{}, {}, {-1, 0, 2, -4}, {0.5, 3.5, 9.5, -0.5}};
  return spec;
}

PolicyObservation observation(std::vector<int64_t> first, std::vector<int64_t> second) {
  const auto batch = first[0];
  return {{at::full(first, 51, at::kByte), at::full(second, 255, at::kByte)},
          at::tensor({2.0F, 0.0F, 3.0F}).repeat({batch, 1}),
          at::zeros({batch, 2}, at::kLong),
          at::ones({batch, 2}, at::kBool),
          {}};
}

at::Tensor row(std::vector<float> values) {
  return at::tensor(values);
}

// One step of the network's actions, the padded entry a 9 that has to vanish.
const at::Tensor kNormalized = row({1, -1, 0.5, 0, 9}).view({1, 1, 5}).expand({1, 2, 5});

TEST(Processing, NormalisesAndPadsTheState) {
  const NetworkInputs mean_std =
      PolicyProcessing(small_spec(), at::kCPU).inputs(observation({1, 4, 4, 3}, {1, 4, 4, 3}));
  // (2 - 1) / 1, (0 - 2) / 2, (3 - 3) / 4
  EXPECT_TRUE(mean_std.state.equal(row({1, -1, 0, 0, 0}).unsqueeze(0)));
  const NetworkInputs quantiles =
      PolicyProcessing(quantile_spec(), at::kCPU).inputs(observation({1, 4, 4, 3}, {1, 4, 4, 3}));
  // (2 + 1) / 2 * 2 - 1, 0 / 4 * 2 - 1, (3 - 2) / 8 * 2 - 1
  EXPECT_TRUE(quantiles.state.equal(row({2, -1, -0.75, 0, 0}).unsqueeze(0)));
}

TEST(Processing, TakesTheActionsBackAndCutsThem) {
  const at::Tensor states = row({2, 0, 3}).unsqueeze(0);
  const at::Tensor mean_std = PolicyProcessing(small_spec(), at::kCPU).actions(kNormalized, states);
  ASSERT_EQ(mean_std.sizes(), (std::vector<int64_t>{1, 2, 4}));
  // 1 * 1 + 0, -1 * 2 + 1, 0.5 * 1 + 2, 0 * 4 + 3
  EXPECT_TRUE(mean_std[0][1].equal(row({1, -1, 2.5, 3})));
  const at::Tensor quantiles =
      PolicyProcessing(quantile_spec(), at::kCPU).actions(kNormalized, states);
  // 1 * 2 - 1, 0 * 4 + 0, 0.75 * 8 + 2, 0.5 * 4 - 4
  EXPECT_TRUE(quantiles[0][1].equal(row({1, 0, 8, -2})));
}

TEST(Processing, AddsTheRawStateToEachOfItsNoises) {
  PolicySpec spec = small_spec();
  spec.delta_action_mask = {1, 0, 1, 0};
  const PolicyProcessing processing(spec, at::kCPU);
  const at::Tensor states = at::tensor({10.0F, 20.0F, 30.0F, 40.0F, 50.0F, 60.0F}).view({2, 3});
  const at::Tensor actions = processing.actions(kNormalized.expand({4, 2, 5}), states);
  for (const int64_t of_first : {0, 1}) {
    EXPECT_TRUE(actions[of_first][0].equal(row({11, -1, 32.5, 3}))) << of_first;
    EXPECT_TRUE(actions[of_first + 2][1].equal(row({41, -1, 62.5, 3}))) << of_first;
  }
}

TEST(Processing, RoundsOnce) {
  // float32 throughout would be wrong in the fourth digit here.
  const Normalization exact({{3.1}, {1e-4}, {}, {}}, NormalizationMode::kMeanStd, 0, at::kCPU);
  const at::Tensor raw = at::full({1}, 3.1001F);
  EXPECT_FLOAT_EQ(exact.normalize(raw).item<float>(),
                  static_cast<float>((static_cast<double>(3.1001F) - 3.1) / 1e-4));
}

TEST(Processing, ScalesPicturesAsTheOriginals) {
  const NetworkInputs inputs =
      PolicyProcessing(small_spec(), at::kCPU).inputs(observation({2, 4, 4, 3}, {2, 4, 4, 3}));
  ASSERT_EQ(inputs.images.sizes(), (std::vector<int64_t>{2, 2, 3, 4, 4}));
  EXPECT_TRUE(inputs.images.select(1, 0).equal(at::full({2, 3, 4, 4}, 51.0F / 255.0F * 2 - 1)));
  EXPECT_TRUE(inputs.images.select(1, 1).equal(at::ones({2, 3, 4, 4})));
}

TEST(Processing, KeepsChannelsRowsAndColumnsApart) {
  PolicyObservation given = observation({1, 4, 4, 3}, {1, 4, 4, 3});
  given.images[1] = at::arange(48).to(at::kByte).view({1, 4, 4, 3});
  const NetworkInputs inputs = PolicyProcessing(small_spec(), at::kCPU).inputs(given);
  for (int64_t channel = 0; channel < 3; ++channel) {
    const auto byte = static_cast<float>((2 * 4 + 3) * 3 + channel);
    EXPECT_EQ(inputs.images[0][1][channel][2][3].item<float>(), byte / 255.0F * 2 - 1);
  }
}

TEST(Processing, FitsCamerasOfDifferentSizes) {
  for (const ImageResize resize : {ImageResize::kOpenpi, ImageResize::kLerobot}) {
    PolicySpec spec = small_spec();
    spec.image_resize = resize;
    const NetworkInputs inputs =
        PolicyProcessing(spec, at::kCPU).inputs(observation({2, 6, 12, 3}, {2, 4, 4, 3}));
    ASSERT_EQ(inputs.images.sizes(), (std::vector<int64_t>{2, 2, 3, 4, 4}));
    // 6 x 12 becomes 2 x 4 with a black row above and below it.
    const at::Tensor first = inputs.images.select(1, 0);
    for (const int64_t black : {0, 3}) {
      EXPECT_TRUE(first.select(2, black).equal(at::full({2, 3, 4}, -1.0F)));
    }
    const at::Tensor middle = at::full({2, 3, 2, 4}, 51.0F / 255.0F * 2 - 1);
    EXPECT_TRUE(first.narrow(2, 1, 2).allclose(middle, 0, 1e-6));
  }
}

TEST(Processing, NamesTheCameraThatDoesNotFit) {
  const auto found = [](ImageResize resize, auto change) {
    PolicySpec spec = small_spec();
    spec.image_resize = resize;
    PolicyObservation given = observation({2, 4, 4, 3}, {2, 4, 4, 3});
    change(given);
    return refusal([&] { PolicyProcessing(spec, at::kCPU).inputs(given); });
  };
  using Given = PolicyObservation;
  const std::string expects = "ERR_DSRL_OBSERVATION: the frozen policy expects ";
  EXPECT_EQ(
      found(ImageResize::kNone, [](Given& o) { o.images[1] = at::zeros({2, 4, 5, 3}, at::kByte); }),
      expects + "images[1] Byte [2, 4, 4, 3], found Byte [2, 4, 5, 3]");
  EXPECT_EQ(found(ImageResize::kOpenpi,
                  [](Given& o) { o.images[0] = at::zeros({2, 3, 40, 50}, at::kByte); }),
            expects + "images[0] Byte [2, 3, 40, 3], found Byte [2, 3, 40, 50]");
  EXPECT_EQ(found(ImageResize::kOpenpi,
                  [](Given& o) { o.images[0] = at::zeros({2, 0, 40, 3}, at::kByte); }),
            expects + "images[0] Byte [2, 1, 40, 3], found Byte [2, 0, 40, 3]");
  EXPECT_EQ(found(ImageResize::kNone, [](Given& o) { o.images.pop_back(); }),
            expects + "2 cameras, found 1");
  EXPECT_EQ(found(ImageResize::kNone, [](Given& o) { o.image_masks = at::ones({2, 2}); }),
            expects + "image_masks Bool [2, 2], found Float [2, 2]");
  EXPECT_EQ(found(ImageResize::kNone, [](Given& o) { o.states = at::zeros({0, 3}); }),
            expects + "states Float [1, 3], found Float [0, 3]");
}

}  // namespace
}  // namespace dsrl
