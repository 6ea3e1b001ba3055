#include "core/flow/sample_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/checkpoint/safetensors.h"
#include "support.h"
#include "tabletop_policy.h"

namespace dsrl {
namespace {

using test::refusal;

const FrozenPolicy& policy() {
  static const FrozenPolicy loaded(test::kTabletopPolicy, test::tabletop_policy_spec(), at::kCPU);
  return loaded;
}

NamedTensors tensors(int64_t batch, int64_t noises) {
  const RandomStream stream(3, "test.sample_file");
  return {{"images", random_normal(stream, 0, batch, 2 * 3 * 64 * 64, at::kCPU)
                         .tanh()
                         .reshape({batch, 2, 3, 64, 64})},
          {"image_masks", at::ones({batch, 2}, at::kBool)},
          {"tokens", at::tensor({2, 119, 13}, at::kLong).repeat({batch, 1})},
          {"token_mask", at::ones({batch, 3}, at::kBool)},
          {"state", random_normal(stream, 1, batch, 32, at::kCPU)},
          {"noise", random_normal(stream, 2, batch * noises, 5 * 32, at::kCPU)
                        .reshape({batch * noises, 5, 32})}};
}

TEST(SampleFile, WritesWhatTheRunnerGives) {
  const test::Folder folder;
  for (const int64_t noises : {1, 3}) {
    const NamedTensors given = tensors(2, noises);
    write_safetensors(folder / "in", given);
    for (const int64_t steps : {0, 4, 7}) {
      sample_file(policy(), folder / "in", folder / "out", steps);
      const SafetensorsFile out = read_safetensors(folder / "out");
      ASSERT_EQ(out.tensors.size(), 1u);
      const at::Tensor expected = policy().runner().sample(
          {given[0].second, given[1].second, given[2].second, given[3].second, given[4].second},
          given[5].second, steps == 0 ? 4 : steps);
      EXPECT_TRUE(out.tensors.at("actions").equal(expected)) << steps;
    }
  }
}

TEST(SampleFile, NamesEveryTensorThatIsMissingOrUnknown) {
  const test::Folder folder;
  NamedTensors given = tensors(1, 1);
  given.erase(given.begin() + 3, given.begin() + 5);
  given.emplace_back("extra", at::zeros({1}));
  write_safetensors(folder / "in", given);
  EXPECT_EQ(refusal([&] { sample_file(policy(), folder / "in", folder / "out"); }),
            "ERR_DSRL_OBSERVATION: " + (folder / "in") +
                ": 'token_mask' is missing; 'state' is missing; 'extra' is unknown");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

TEST(SampleFile, RefusesWhatIsNotFinite) {
  const test::Folder folder;
  const NamedTensors given = tensors(2, 1);
  given[0].second[1][0][0][0][0] = std::numeric_limits<float>::quiet_NaN();
  write_safetensors(folder / "in", given);
  EXPECT_EQ(refusal([&] { sample_file(policy(), folder / "in", folder / "out"); }),
            "ERR_DSRL_POLICY_NOT_FINITE: the frozen policy's actions are not finite in rows 1");
  EXPECT_FALSE(std::filesystem::exists(folder / "out"));
}

}  // namespace
}  // namespace dsrl
