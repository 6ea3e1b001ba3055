#include "core/env/libero_expert.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support.h"

namespace dsrl {
namespace {

using Bowl = LiberoExpert::Bowl;
using Phase = LiberoExpert::Phase;

/// Target and other bowl on the table, apart; the hand over neither.
LiberoExpert::Scene table() {
  LiberoExpert::Scene scene;
  scene.hand = {-.2, 0, 1.17};
  scene.width = .08;
  scene.bowls = {{{-.06, .2, .898}, {-.2, -.1, .898}}};
  scene.plate = {.06, .2, .902};
  return scene;
}

void hold_rim(LiberoExpert::Scene& scene, size_t bowl) {
  const auto& b = scene.bowls[bowl];
  scene.hand = {b[0], b[1] + .045, b[2] + .037};
}

/// Takes the bowl from where it stands, so that it is carried next.
void take(LiberoExpert& expert, LiberoExpert::Scene& scene, Bowl bowl) {
  hold_rim(scene, bowl == Bowl::kTarget ? 0 : 1);
  expert.act(scene, bowl);
  scene.width = .005;
  expert.act(scene, bowl);
  ASSERT_EQ(expert.phase(), Phase::kCarry);
}

TEST(LiberoExpert, ReachesForTheBowlThatItIsTold) {
  for (const auto bowl : {Bowl::kTarget, Bowl::kOther}) {
    LiberoExpert expert;
    const auto action = expert.act(table(), bowl);
    EXPECT_EQ(action[1] > 0, bowl == Bowl::kTarget);
    EXPECT_EQ(action[6], -1);
    for (const double a : action) EXPECT_LE(std::abs(a), 1);
  }
}

TEST(LiberoExpert, RisesBeforeItMovesSideways) {
  LiberoExpert expert;
  auto scene = table();
  scene.bowls[0] = {.02, -.28, 1.126};
  scene.hand[2] = 1.05;
  const auto action = expert.act(scene, Bowl::kTarget);
  EXPECT_EQ(action[0], 0);
  EXPECT_EQ(action[1], 0);
  EXPECT_EQ(action[2], 1);
}

TEST(LiberoExpert, LiftsOnlyWhatItHolds) {
  LiberoExpert expert;
  auto scene = table();
  hold_rim(scene, 0);
  expert.act(scene, Bowl::kTarget);
  EXPECT_EQ(expert.phase(), Phase::kClose);
  scene.width = .03;
  for (int i = 0; i < 30; ++i) EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], 1);
  EXPECT_EQ(expert.phase(), Phase::kClose);
  scene.width = .005;
  const auto lift = expert.act(scene, Bowl::kTarget);
  EXPECT_EQ(expert.phase(), Phase::kCarry);
  EXPECT_EQ(lift[2], 1);
  EXPECT_EQ(lift[6], 1);
}

TEST(LiberoExpert, GoesBackForABowlThatItHasLost) {
  LiberoExpert expert;
  auto scene = table();
  take(expert, scene, Bowl::kTarget);
  scene.hand[2] += .1;
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], -1);
  EXPECT_EQ(expert.phase(), Phase::kReach);
}

TEST(LiberoExpert, OpensOverThePlateAndNotBefore) {
  LiberoExpert expert;
  auto scene = table();
  take(expert, scene, Bowl::kTarget);
  scene.bowls[0] = {.06, .2, 1.03};
  hold_rim(scene, 0);
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], 1);
  scene.bowls[0][2] = .93;
  hold_rim(scene, 0);
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], -1);
  EXPECT_EQ(expert.phase(), Phase::kRelease);
}

TEST(LiberoExpert, CarriesEitherBowlToThePlate) {
  for (const auto bowl : {Bowl::kTarget, Bowl::kOther}) {
    LiberoExpert expert;
    auto scene = table();
    take(expert, scene, bowl);
    auto& held = scene.bowls[bowl == Bowl::kTarget ? 0 : 1];
    held[2] += .2;
    scene.hand[2] += .2;
    const auto action = expert.act(scene, bowl);
    EXPECT_NEAR(std::atan2(action[1], action[0]),
                std::atan2(scene.plate[1] - held[1], scene.plate[0] - held[0]), 1e-9);
  }
}

TEST(LiberoExpert, GoesIntoTheDrawerWithHalfOpenFingers) {
  LiberoExpert expert;
  auto scene = table();
  scene.bowls[0] = {.085, -.13, 1.063};
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], 1);
  scene.width = .04;
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], 0);
  scene.width = .01;
  EXPECT_EQ(expert.act(scene, Bowl::kTarget)[6], -1);
}

// 7 joints of the arm, 2 fingers, 7 numbers each of two bowls, cookies, ramekin and plate.
TEST(LiberoExpert, ReadsTheSceneAndRefusesASmallerOne) {
  std::vector<double> qpos(48), state(8);
  for (size_t i = 0; i < qpos.size(); ++i) qpos[i] = static_cast<double>(i);
  const LiberoExpert::Scene scene = LiberoExpert::read(qpos, state);
  EXPECT_EQ(scene.bowls[0], (LiberoExpert::Point{9, 10, 11}));
  EXPECT_EQ(scene.plate, (LiberoExpert::Point{37, 38, 39}));
  qpos.resize(39);
  const std::string message = test::refusal([&] { LiberoExpert::read(qpos, state); });
  EXPECT_EQ(message.rfind("ERR_DSRL_LIBERO_BUNDLE: ", 0), 0u) << message;
  EXPECT_NE(message.find("qpos [39]"), std::string::npos) << message;
}

TEST(LiberoExpert, ForgetsAnEpisode) {
  LiberoExpert expert;
  auto scene = table();
  take(expert, scene, Bowl::kTarget);
  expert.reset();
  EXPECT_EQ(expert.phase(), Phase::kReach);
  EXPECT_EQ(expert.act(table(), Bowl::kTarget)[6], -1);
}

}  // namespace
}  // namespace dsrl
