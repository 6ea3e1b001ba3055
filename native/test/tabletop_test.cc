#include "core/env/tabletop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <numbers>

#include "core/error.h"
#include "core/random/philox.h"

namespace dsrl {
namespace {

int steps_to_success(TabletopWorld world, int bowl) {
  for (int step = 1; step <= TabletopWorld::kHorizon; ++step) {
    if (world.step(tabletop_expert(world, bowl))) return step;
  }
  return -1;
}

TEST(Tabletop, TheExpertAlwaysReachesTheTargetAndNeverWithTheOtherBowl) {
  for (int task = 0; task < TabletopWorld::kTasks; ++task) {
    for (int trial = 0; trial < 50; ++trial) {
      const TabletopWorld start = TabletopWorld::at_start(0, task, trial);
      EXPECT_GT(steps_to_success(start, 0), 0) << task << ", " << trial;
      EXPECT_EQ(steps_to_success(start, 1), -1) << task << ", " << trial;
    }
  }
}

// The arithmetic of reference/tabletop.md by hand: down at .05 a step from z = .5 above the bowl,
// close at .5 a step, lift, drop.
TEST(Tabletop, FollowsAHandComputedTrace) {
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  world.gripper = {.44, .78, .12};
  world.bowls[0] = {.46, .78, 0};
  world.bowls[1] = {.44, .30, 0};
  world.plate = {.53, .78, 0};
  using Action = std::array<float, 7>;
  const auto step = [&](Action action) { return world.step(action); };

  EXPECT_FALSE(step({0, 0, -1, 0, 0, 0, -1}));  // z .07, open
  EXPECT_DOUBLE_EQ(world.gripper.z, .12 - .05);
  EXPECT_EQ(world.held, -1);
  EXPECT_FALSE(step({0, 0, 0, 2, 0, 0, 1}));  // opening .5: not yet below .3; rotation clipped
  EXPECT_DOUBLE_EQ(world.opening, .5);
  EXPECT_DOUBLE_EQ(world.rotation[0], .05);
  EXPECT_EQ(world.held, -1);
  EXPECT_FALSE(step({0, 0, 0, 0, 0, 0, 1}));  // opening 0, .02 away: held, and moved to the gripper
  EXPECT_EQ(world.held, 0);
  EXPECT_DOUBLE_EQ(world.bowls[0].x, .44);
  EXPECT_FALSE(step({1, 0, 0, 0, 0, 0, 1}));  // carried to x .49; over the plate, but held
  EXPECT_DOUBLE_EQ(world.bowls[0].x, world.gripper.x);
  EXPECT_FALSE(step({0, 0, 0, 0, 0, 0, -1}));  // opening .5: not above .6
  EXPECT_TRUE(step({0, 0, 0, 0, 0, 0, 0}));    // 0 opens: opening 1, dropped .04 from the centre
  EXPECT_EQ(world.held, -1);
  EXPECT_DOUBLE_EQ(world.bowls[0].z, 0);
  std::array<float, 8> state;
  world.observe(state);
  EXPECT_FLOAT_EQ(state[3], static_cast<float>(std::numbers::pi + .05));
  EXPECT_FLOAT_EQ(state[6], .04F);
  EXPECT_FLOAT_EQ(state[7], -.04F);
}

TEST(Tabletop, LayoutsAreFunctionsOfSeedTaskAndTrial) {
  std::array<float, 8> u;
  RandomStream(0, "tabletop.layout").uniform(17, 2, u);
  const TabletopWorld world = TabletopWorld::at_start(0, 2, 17);
  EXPECT_DOUBLE_EQ(world.plate.x, .46 - .03 + .06 * double{u[0]});
  EXPECT_DOUBLE_EQ(world.bowls[1].y, .40 - .03 + .06 * double{u[5]});
  EXPECT_DOUBLE_EQ(world.gripper.y, .5 - .02 + .04 * double{u[7]});
}

TEST(Tabletop, StopsAtSuccessAndAtTheLimit) {
  Tabletop tabletop(3, 0, 64);
  for (int64_t env = 0; env < 3; ++env) tabletop.restore(env, 0, 0);
  const at::Tensor actions = at::zeros({3, 60, 7});
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  int success_at = -1;
  for (int step = 0; step < 60 && success_at < 0; ++step) {
    const auto action = tabletop_expert(world, 0);
    for (int64_t env = 0; env < 3; ++env) {
      for (int64_t i = 0; i < 7; ++i) actions[env][step][i] = action[static_cast<size_t>(i)];
    }
    if (world.step(action)) success_at = step;
  }
  const ChunkResult result = tabletop.step_chunk(actions, {60, 4, 0});
  EXPECT_EQ(result.executed, (std::vector<int32_t>{success_at + 1, 4, 0}));
  EXPECT_EQ(result.success[static_cast<size_t>(success_at)], 1);
  EXPECT_EQ(std::count(result.success.begin(), result.success.end(), 1), 1);
  EXPECT_THROW(tabletop.step_chunk(actions, {61, 0, 0}), Error);
}

TEST(Tabletop, RestoresWhatItSaved) {
  Tabletop a(2, 0, 32), b(2, 0, 32);
  a.restore(0, 3, 7);
  a.restore(1, 1, 40);
  const at::Tensor actions = at::full({2, 5, 7}, 0.3F);
  a.step_chunk(actions, {5, 5});
  b.load_state(a.save_state());
  const ChunkResult after_a = a.step_chunk(actions, {5, 5});
  const ChunkResult after_b = b.step_chunk(actions, {5, 5});
  EXPECT_TRUE(after_a.observation.states.equal(after_b.observation.states));
  EXPECT_TRUE(after_a.observation.images.at("main").equal(after_b.observation.images.at("main")));
}

}  // namespace
}  // namespace dsrl
