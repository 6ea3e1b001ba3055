// The embedded environment against reference/tabletop.md: by hand, and against what the numpy
// version of it (python/tabletop) recorded.

#include "core/env/tabletop.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numbers>
#include <set>

#include "core/error.h"
#include "json.h"

namespace dsrl {
namespace {

using Action = std::array<float, 7>;
using test::Json;

const std::string kFixtures = DSRL_SOURCE_DIR "/test/fixtures/tabletop/";

Action action_of(const Json& numbers) {
  Action action;
  for (size_t i = 0; i < 7; ++i) action[i] = static_cast<float>(numbers[i].number);
  return action;
}

std::vector<double> qpos_of(const TabletopWorld& world) {
  const auto qpos = world.qpos();
  return {qpos.begin(), qpos.end()};
}

void set_qpos(TabletopWorld& world, const Json& numbers) {
  std::array<double, TabletopWorld::kQposDim> qpos;
  for (size_t i = 0; i < qpos.size(); ++i) qpos[i] = numbers[i].number;
  world.set_qpos(qpos);
}

// Bit for bit: the world is float64, and both versions add and multiply in the same order.
void expect_steps(TabletopWorld world, const Json& steps) {
  ASSERT_GE(steps.items.size(), 10u);
  for (size_t i = 0; i < steps.items.size(); ++i) {
    const Json& step = steps[i];
    EXPECT_EQ(world.step(action_of(step["action"])), step["success"].number == 1) << "step " << i;
    ASSERT_EQ(qpos_of(world), step["qpos"].numbers()) << "step " << i;
    std::array<float, 8> state;
    world.observe(state);
    for (size_t k = 0; k < 8; ++k) {
      EXPECT_EQ(double{state[k]}, step["observation"][k].number) << "step " << i << ", " << k;
    }
  }
}

TEST(TabletopWorld, FollowsTheRecordedHandTrace) {
  const Json hand = Json::read(kFixtures + "trace.json")["hand"];
  const Json& start = hand["start"];
  TabletopWorld world = TabletopWorld::at_start(0, static_cast<int>(hand["task"].number), 0);
  const auto p = start["position"].numbers(), plate = start["plate"].numbers();
  world.gripper = {p[0], p[1], p[2]};
  world.plate = {plate[0], plate[1], 0};
  for (size_t bowl = 0; bowl < 2; ++bowl) {
    const auto xy = start["bowls"][bowl].numbers();
    world.bowls[bowl] = {xy[0], xy[1], 0};
  }
  expect_steps(world, hand["steps"]);
}

TEST(TabletopWorld, FollowsTheRecordedTracesFromTheirLayouts) {
  const Json traces = Json::read(kFixtures + "trace.json")["random"];
  ASSERT_GE(traces.items.size(), 7u);
  for (const Json& trace : traces.items) {
    const TabletopWorld world = TabletopWorld::at_start(static_cast<uint64_t>(trace["seed"].number),
                                                        static_cast<int>(trace["task"].number),
                                                        static_cast<int>(trace["trial"].number));
    ASSERT_EQ(qpos_of(world), trace["initial"].numbers());
    expect_steps(world, trace["steps"]);
  }
}

TEST(TabletopWorld, PaintsTheGoldenPictures) {
  const Json index = Json::read(kFixtures + "pictures.json");
  std::ifstream file(kFixtures + "pictures.bin", std::ios::binary);
  constexpr size_t kBytes = 64 * 64 * 3;
  ASSERT_GE(index["pictures"].items.size(), 14u);
  for (size_t i = 0; i < index["pictures"].items.size(); ++i) {
    const Json& scene = index["pictures"][i];
    TabletopWorld world = TabletopWorld::at_start(0, static_cast<int>(scene["task"].number), 0);
    set_qpos(world, scene["qpos"]);
    std::vector<uint8_t> painted(kBytes), golden(kBytes);
    paint_tabletop(world, 64, painted);
    ASSERT_TRUE(file.read(reinterpret_cast<char*>(golden.data()), kBytes));
    size_t different = 0;
    for (size_t byte = 0; byte < kBytes; ++byte) different += painted[byte] != golden[byte];
    EXPECT_EQ(different, 0u) << "picture " << i;
  }
}

// Task 2 is "right": plate .46 .80, target .78 .46, other .23 .40. The upper 24 bits of the words
// that Philox gives for key 0 and counter [block, 2, 17, CRC32C("tabletop.layout")] are below.
TEST(TabletopWorld, LayoutIsThatOfItsWords) {
  const std::array<double, 8> words{1011448, 16258604, 8666163, 9887033,
                                    7479814, 16456716, 6962695, 11807273};
  const auto jitter = [&](size_t i, double half) { return half * (words[i] / 8388608 - 1); };
  const TabletopWorld world = TabletopWorld::at_start(0, 2, 17);
  EXPECT_DOUBLE_EQ(world.plate.x, .46 + jitter(0, .03));
  EXPECT_DOUBLE_EQ(world.plate.y, .80 + jitter(1, .03));
  EXPECT_DOUBLE_EQ(world.bowls[0].x, .78 + jitter(2, .03));
  EXPECT_DOUBLE_EQ(world.bowls[0].y, .46 + jitter(3, .03));
  EXPECT_DOUBLE_EQ(world.bowls[1].x, .23 + jitter(4, .03));
  EXPECT_DOUBLE_EQ(world.bowls[1].y, .40 + jitter(5, .03));
  EXPECT_DOUBLE_EQ(world.gripper.x, .50 + jitter(6, .02));
  EXPECT_DOUBLE_EQ(world.gripper.y, .50 + jitter(7, .02));
  EXPECT_EQ(world.gripper.z, .5);
  EXPECT_EQ(world.opening, 1);
  EXPECT_EQ(world.held, -1);
  EXPECT_EQ(world.bowls[0].z, 0);
}

TEST(TabletopWorld, EverySeedTaskAndTrialHasItsOwnLayout) {
  std::set<std::vector<double>> layouts;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{1} << 32}) {
    for (int task = 0; task < 4; ++task) {
      for (int trial = 0; trial < 50; ++trial) {
        layouts.insert(qpos_of(TabletopWorld::at_start(seed, task, trial)));
      }
    }
  }
  EXPECT_EQ(layouts.size(), 3u * 4 * 50);
}

// Ten steps, every value worked out from the page. Both bowls are in reach of the gripper at
// (.30, .40): bowl 0 is .04 away, bowl 1 .03. Heights: .05 a full step.
TEST(TabletopWorld, FollowsTenStepsWorkedOutByHand) {
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  world.gripper = {.30, .40, .12};
  world.opening = .5;
  world.bowls = {{{.34, .40, 0}, {.27, .40, 0}}};
  world.plate = {.34, .47, 0};
  const auto expect = [&](bool success, Action action, std::array<double, 3> gripper,
                          double opening, int held) {
    EXPECT_EQ(world.step(action), success);
    EXPECT_DOUBLE_EQ(world.gripper.x, gripper[0]);
    EXPECT_DOUBLE_EQ(world.gripper.y, gripper[1]);
    EXPECT_DOUBLE_EQ(world.gripper.z, gripper[2]);
    EXPECT_DOUBLE_EQ(world.opening, opening);
    EXPECT_EQ(world.held, held);
  };
  // 1: closed, but z .12 is not below .1.
  expect(false, {0, 0, 0, -3, 0, .5F, 1}, {.30, .40, .12}, 0, -1);
  EXPECT_DOUBLE_EQ(world.rotation[0], -.05);  // clipped to -1
  EXPECT_DOUBLE_EQ(world.rotation[2], .025);
  // 2: z .12 - .025; the nearer bowl, 1, is taken to the gripper.
  expect(false, {0, 0, -.5F, 0, 0, 0, 1}, {.30, .40, .095}, 0, 1);
  EXPECT_DOUBLE_EQ(world.bowls[1].x, .30);
  EXPECT_DOUBLE_EQ(world.bowls[1].z, .095);
  // 3: carried to (.35, .145); bowl 0 stays.
  expect(false, {1, 0, 1, 0, 0, 0, 1}, {.35, .40, .145}, 0, 1);
  EXPECT_DOUBLE_EQ(world.bowls[1].x, .35);
  EXPECT_DOUBLE_EQ(world.bowls[1].z, .145);
  EXPECT_DOUBLE_EQ(world.bowls[0].x, .34);
  // 4: half open, .5 is not above .6: still held. A grip of 0 opens.
  expect(false, {0, 0, 0, 0, 0, 0, 0}, {.35, .40, .145}, .5, 1);
  // 5: open: bowl 1 falls. Bowl 0 is .07 from the plate: no success.
  expect(false, {0, 0, 0, 0, 0, 0, -.2F}, {.35, .40, .145}, 1, -1);
  EXPECT_DOUBLE_EQ(world.bowls[1].z, 0);
  EXPECT_DOUBLE_EQ(world.bowls[1].x, .35);
  // 6: down beside it, half closed: .5 is not below .3.
  expect(false, {-.25F, 0, -1, 0, 0, 0, 1}, {.3375, .40, .095}, .5, -1);
  // 7: closed: bowl 0, .0025 away, is nearer than bowl 1 at .0125.
  expect(false, {0, 0, 0, 0, 0, 0, .1F}, {.3375, .40, .095}, 0, 0);
  // 8: carried to y .425, z .045: .045 from the plate and low, but held.
  expect(false, {0, .5F, -2, 0, 0, 0, 1}, {.3375, .425, .045}, 0, 0);
  EXPECT_DOUBLE_EQ(world.bowls[0].y, .425);
  // 9: half open.
  expect(false, {0, 0, 0, 0, 0, 0, -1}, {.3375, .425, .045}, .5, 0);
  // 10: open: dropped .045 from the plate's centre.
  expect(true, {0, 0, 0, 0, 0, 0, -1}, {.3375, .425, .045}, 1, -1);
  EXPECT_DOUBLE_EQ(world.bowls[0].z, 0);
  std::array<float, 8> state;
  world.observe(state);
  EXPECT_FLOAT_EQ(state[1], .425F);
  EXPECT_FLOAT_EQ(state[3], static_cast<float>(std::numbers::pi - .05));
  EXPECT_FLOAT_EQ(state[6], .04F);
  EXPECT_FLOAT_EQ(state[7], -.04F);
}

TEST(TabletopWorld, StaysInsideItsBox) {
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  for (int i = 0; i < 30; ++i) world.step(Action{9, -9, 9, 0, 0, 0, 0});
  EXPECT_EQ(world.gripper.x, 1);
  EXPECT_EQ(world.gripper.y, 0);
  EXPECT_EQ(world.gripper.z, .6);
  for (int i = 0; i < 30; ++i) world.step(Action{-1, 1, -1, 0, 0, 0, 0});
  EXPECT_EQ(world.gripper.x, 0);
  EXPECT_EQ(world.gripper.y, 1);
  EXPECT_EQ(world.gripper.z, 0);
}

TEST(TabletopExpert, PlacesTheTargetOnThePlateAlwaysAndTheOtherBowlOnItsSpot) {
  for (int task = 0; task < TabletopWorld::kTasks; ++task) {
    for (int trial = 0; trial < 50; ++trial) {
      const TabletopWorld start = TabletopWorld::at_start(0, task, trial);
      TabletopWorld world = start;
      int steps = 0;
      while (steps < TabletopWorld::kHorizon && !world.step(tabletop_expert(world, 0))) ++steps;
      EXPECT_LT(steps, TabletopWorld::kHorizon) << task << ", " << trial;

      world = start;
      bool success = false;
      for (int i = 0; i < TabletopWorld::kHorizon; ++i) {
        success = success || world.step(tabletop_expert(world, 1));
      }
      const auto spot = tabletop_spot_offset(task);
      const double dx = world.bowls[1].x - world.plate.x - spot.x;
      const double dy = world.bowls[1].y - world.plate.y - spot.y;
      EXPECT_LE(std::hypot(dx, dy), .06) << task << ", " << trial;
      EXPECT_EQ(world.held, -1) << task << ", " << trial;
      EXPECT_FALSE(success) << task << ", " << trial;  // the other bowl never counts
    }
  }
}

TEST(Tabletop, ShowsEveryEnvironment) {
  Tabletop tabletop(3, 0, 32);
  tabletop.restore(0, 3, 7);
  tabletop.restore(2, 1, 40);
  const EnvObservation shown = tabletop.observe();
  ASSERT_EQ(shown.images.at("main").sizes(), (std::vector<int64_t>{3, 32, 32, 3}));
  ASSERT_EQ(shown.states.sizes(), (std::vector<int64_t>{3, 8}));
  const std::vector<TabletopWorld> worlds{TabletopWorld::at_start(0, 3, 7),
                                          TabletopWorld::at_start(0, 0, 0),
                                          TabletopWorld::at_start(0, 1, 40)};
  for (int64_t env = 0; env < 3; ++env) {
    const at::Tensor picture = at::empty({32, 32, 3}, at::kByte), state = at::empty({8});
    const TabletopWorld& world = worlds[static_cast<size_t>(env)];
    paint_tabletop(world, 32, {picture.data_ptr<uint8_t>(), 32 * 32 * 3});
    world.observe(std::span<float, 8>(state.data_ptr<float>(), 8));
    EXPECT_TRUE(shown.images.at("main")[env].equal(picture)) << env;
    EXPECT_TRUE(shown.states[env].equal(state)) << env;
  }
}

/// The expert's actions [count, 7] from the start of (task, trial).
at::Tensor expert_actions(int task, int trial, int64_t count) {
  const at::Tensor actions = at::zeros({count, 7});
  TabletopWorld world = TabletopWorld::at_start(0, task, trial);
  for (int64_t step = 0; step < count; ++step) {
    const Action action = tabletop_expert(world, 0);
    for (int64_t i = 0; i < 7; ++i) actions[step][i] = action[static_cast<size_t>(i)];
    world.step(action);
  }
  return actions;
}

TEST(Tabletop, StopsAfterTheStepThatSucceedsAndAtTheLimit) {
  Tabletop tabletop(4, 0, 8);
  for (int64_t env = 0; env < 4; ++env) tabletop.restore(env, 0, env == 3 ? 1 : 0);
  const at::Tensor one = expert_actions(0, 0, 60);
  const at::Tensor actions = at::stack({one, one, one, expert_actions(0, 1, 60)});
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  int32_t needed = 1;
  while (!world.step(std::span<const float, 7>(one[needed - 1].data_ptr<float>(), 7))) ++needed;

  const ChunkResult result = tabletop.step_chunk(actions, {60, 4, 0, 60});
  EXPECT_EQ(result.executed[0], needed);
  EXPECT_EQ(result.executed[1], 4);
  EXPECT_EQ(result.executed[2], 0);
  EXPECT_LT(result.executed[3], 60);
  ASSERT_EQ(result.success.size(), 4u * 60);
  for (size_t env = 0; env < 4; ++env) {
    for (size_t step = 0; step < 60; ++step) {
      const bool last = static_cast<int32_t>(step) + 1 == result.executed[env];
      EXPECT_EQ(result.success[env * 60 + step], last && (env == 0 || env == 3)) << env << step;
    }
  }
  EXPECT_EQ(result.failure, (std::vector<int32_t>{0, 0, 0, 0}));
  EXPECT_EQ(qpos_of(tabletop.world(0)), qpos_of(world));
  EXPECT_EQ(qpos_of(tabletop.world(2)), qpos_of(TabletopWorld::at_start(0, 0, 0)));
  EXPECT_TRUE(result.observation.states.equal(tabletop.observe().states));
}

TEST(Tabletop, RefusesWhatDoesNotFitBeforeItMoves) {
  Tabletop tabletop(2, 0, 8);
  const auto before = tabletop.save_state();
  const at::Tensor actions = at::ones({2, 5, 7});
  const auto refused = [&](auto body) {
    try {
      body();
    } catch (const Error& error) {
      return error.code() == "ERR_DSRL_ENV_INPUT" && tabletop.save_state() == before;
    }
    return false;
  };
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions, {5, 6}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions, {5, -1}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions, {5}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(at::ones({2, 5, 6}), {5, 5}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(at::ones({3, 5, 7}), {5, 5}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions.to(at::kLong), {5, 5}); }));
  at::Tensor broken = actions.clone();
  broken.index_put_({at::tensor(1), at::tensor(4), at::tensor(2)}, at::tensor(std::nanf("")));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(broken, {5, 5}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(at::Tensor(), {5, 5}); }));
  EXPECT_TRUE(refused([&] { tabletop.restore(2, 0, 0); }));
  EXPECT_TRUE(refused([&] { tabletop.restore(0, 4, 0); }));
  EXPECT_TRUE(refused([&] { tabletop.restore(0, -1, 0); }));
  EXPECT_TRUE(refused([&] { tabletop.restore(0, 0, -1); }));
  EXPECT_TRUE(refused([&] { tabletop.load_state({1, 2}); }));
  EXPECT_TRUE(
      refused([&] { tabletop.load_state(std::vector<double>(before.size(), std::nan(""))); }));
  auto bad_task = before;
  bad_task[before.size() / 2] = 4;
  EXPECT_TRUE(refused([&] { tabletop.load_state(bad_task); }));
  EXPECT_TRUE(refused([&] { Tabletop(0, 0, 64); }));
  EXPECT_TRUE(refused([&] { Tabletop(1, 0, 4); }));
  EXPECT_TRUE(refused([&] { Tabletop(1, 0, 8, {"main", "front"}); }));
  EXPECT_TRUE(refused([&] { Tabletop(1, 0, 8, {"main"}, 4); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions, {5, 5}, true, {1, 1}); }));
  EXPECT_TRUE(refused([&] { tabletop.step_chunk(actions, {5, 5}, true, {1}); }));
}

TEST(Tabletop, MayBeLeftUnpaintedAndRunsWhatIsNotExecutedUnread) {
  Tabletop painted(1, 0, 8), unpainted(1, 0, 8);
  at::Tensor actions = at::full({1, 3, 7}, .3, at::kDouble);
  actions.select(1, 2).fill_(std::nan(""));
  const ChunkResult with = painted.step_chunk(actions, {2});
  const ChunkResult without = unpainted.step_chunk(actions, {2}, false);
  EXPECT_EQ(with.observation.images.count("main"), 1);
  EXPECT_TRUE(without.observation.images.empty());
  EXPECT_TRUE(with.observation.states.equal(without.observation.states));
  // float64 actions are not rounded on their way.
  const EnvInterior inside = unpainted.interior(0);
  EXPECT_EQ(inside.qpos[3], .05 * .3 + .05 * .3);
  EXPECT_EQ(inside.state[3], .05 * .3 + .05 * .3 + std::numbers::pi);
  EXPECT_TRUE(inside.qvel.empty());
}

TEST(Tabletop, RestoresWhatItSavedInTheMiddleOfAnEpisode) {
  for (const int64_t at : {0, 3, 11, 17, 26, 33}) {  // before, during and after the carrying
    Tabletop a(2, 0, 32), b(2, 0, 32);
    a.restore(0, 3, 7);
    a.restore(1, 1, 40);
    const at::Tensor actions = at::stack({expert_actions(3, 7, 60), expert_actions(1, 40, 60)});
    const auto limit = static_cast<int32_t>(at);
    a.step_chunk(actions, {limit, limit});
    b.load_state(a.save_state());
    EXPECT_EQ(a.save_state(), b.save_state());
    const at::Tensor rest = actions.narrow(1, at, 60 - at);
    const ChunkResult after_a = a.step_chunk(rest, {20, 20});
    const ChunkResult after_b = b.step_chunk(rest, {20, 20});
    EXPECT_EQ(after_a.executed, after_b.executed);
    EXPECT_EQ(after_a.success, after_b.success);
    EXPECT_TRUE(after_a.observation.states.equal(after_b.observation.states));
    EXPECT_TRUE(after_a.observation.images.at("main").equal(after_b.observation.images.at("main")));
  }
}

}  // namespace
}  // namespace dsrl
