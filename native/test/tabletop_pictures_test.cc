// What the embedded environment shows: pictures of any size, the wrist camera, the frames of a
// chunk.

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "core/env/tabletop.h"

namespace dsrl {
namespace {

using Rgb = std::array<uint8_t, 3>;

Rgb pixel(const std::vector<uint8_t>& picture, size_t size, size_t row, size_t column) {
  const size_t at = (row * size + column) * 3;
  return {picture[at], picture[at + 1], picture[at + 2]};
}

constexpr Rgb kTable{196, 170, 140}, kPalm{235, 235, 240}, kFinger{200, 30, 30};

// The same scene drawn at that size: every pixel's centre is asked what is there, so that a point
// has one colour whatever the size, and a larger picture has more points.
TEST(TabletopPictures, IsDrawnAtAnySizeAndNotScaledUp) {
  TabletopWorld world = TabletopWorld::at_start(0, 1, 3);
  std::vector<uint8_t> small(64 * 64 * 3), large(192 * 192 * 3);
  paint_tabletop(world, 64, small);
  paint_tabletop(world, 192, large);
  size_t finer = 0;
  for (size_t row = 0; row < 64; ++row) {
    for (size_t column = 0; column < 64; ++column) {
      // Of three by three pixels the middle one has the same centre.
      const Rgb centre = pixel(large, 192, 3 * row + 1, 3 * column + 1);
      EXPECT_EQ(centre, pixel(small, 64, row, column)) << row << " " << column;
      finer += pixel(large, 192, 3 * row, 3 * column) != centre;
    }
  }
  EXPECT_GT(finer, 50u);
}

// A quarter of the table at 64 pixels has the pixels of the whole table at 256: with the gripper on
// a corner of pixels, the one is a piece of the other.
TEST(TabletopPictures, WristPictureIsAPieceOfALargeOne) {
  for (int task = 0; task < 4; ++task) {
    TabletopWorld world = TabletopWorld::at_start(0, task, 2);
    for (const auto& [x, y] : {std::pair{128, 128}, {40, 190}, {200, 60}, {199, 119}}) {
      world.gripper = {x / 256.0, y / 256.0, .25};
      std::vector<uint8_t> wrist(64 * 64 * 3), whole(256 * 256 * 3);
      paint_tabletop_wrist(world, 64, wrist);
      paint_tabletop(world, 256, whole);
      size_t different = 0;
      for (size_t row = 0; row < 64; ++row) {
        for (size_t column = 0; column < 64; ++column) {
          const size_t down = row + static_cast<size_t>(y) - 32;
          const size_t right = column + static_cast<size_t>(x) - 32;
          different += pixel(wrist, 64, row, column) != pixel(whole, 256, down, right);
        }
      }
      EXPECT_EQ(different, 0u) << "task " << task << ", gripper at " << x << " " << y;
    }
  }
}

// By hand: .25 / 64 a pixel, the middle between pixels 31 and 32. At z = .4 the gripper is lifted
// by .06; the palm, half sides .045 and .02, is .05 above that: columns 32 +- 11, rows from .13
// above the middle (outside) to .09 above it: the last is 32 - 23 - 1 = 8. The fingers, half sides
// .012 and .03 at .055 to either side, lie in columns 32 +- (11 to 17) and rows .09 to .03 above: 9
// to 23.
TEST(TabletopPictures, WristPictureShowsTheGripperAndMoreTableBeyondTheEdge) {
  TabletopWorld world = TabletopWorld::at_start(0, 0, 0);
  world.plate = {.9, .9, 0};
  world.bowls = {{{.9, .9, 0}, {.9, .9, 0}}};
  for (const auto& [x, y] : {std::pair{.5, .4}, {0., 0.}, {1., 0.}, {0.013, 0.977}}) {
    if (x > .9) world.plate = world.bowls[0] = world.bowls[1] = {.5, .5, 0};
    world.gripper = {x, y, .4};
    world.opening = 1;
    std::vector<uint8_t> wrist(64 * 64 * 3);
    paint_tabletop_wrist(world, 64, wrist);
    EXPECT_EQ(pixel(wrist, 64, 0, 21), kPalm);
    EXPECT_EQ(pixel(wrist, 64, 0, 42), kPalm);
    EXPECT_EQ(pixel(wrist, 64, 8, 32), kPalm);
    EXPECT_EQ(pixel(wrist, 64, 0, 18), kTable);
    EXPECT_EQ(pixel(wrist, 64, 16, 17), kFinger);
    EXPECT_EQ(pixel(wrist, 64, 16, 46), kFinger);
    EXPECT_EQ(pixel(wrist, 64, 16, 32), kTable);
    EXPECT_EQ(pixel(wrist, 64, 26, 17), kTable);
    EXPECT_EQ(pixel(wrist, 64, 32, 32), (Rgb{120, 100, 80}));  // its shadow
    for (const size_t row : {40, 63}) {
      for (const size_t column : {0, 63}) EXPECT_EQ(pixel(wrist, 64, row, column), kTable);
    }
  }
}

/// The scripted expert's first actions towards the target, float32 [count, 7].
at::Tensor expert_actions(int task, int trial, int64_t count) {
  TabletopWorld world = TabletopWorld::at_start(0, task, trial);
  const at::Tensor actions = at::empty({count, 7});
  float* next = actions.mutable_data_ptr<float>();
  for (int64_t step = 0; step < count; ++step, next += 7) {
    const auto action = tabletop_expert(world, 0);
    std::copy(action.begin(), action.end(), next);
    world.step(std::span<const float, 7>(action));
  }
  return actions;
}

// Each frame is what the backend shows when it is stepped there and looked at; what the
// environments do is the same with frames and without.
TEST(TabletopPictures, FilmTheStepsOfAChunk) {
  constexpr int64_t kChunk = 20;
  const std::vector<std::string> both{"main", "wrist"};
  Tabletop plain(3, 0, 16), filmed(3, 0, 16, both, 40), looked_at(1, 0, 40);
  std::vector<at::Tensor> rows;
  for (int64_t env = 0; env < 3; ++env) {
    plain.restore(env, env, 5);
    filmed.restore(env, env, 5);
    rows.push_back(expert_actions(static_cast<int>(env), 5, kChunk));
  }
  const at::Tensor actions = at::stack(rows);
  const std::vector<int32_t> limit{kChunk, 7, 3};
  const ChunkResult without = plain.step_chunk(actions, limit);
  const ChunkResult with = filmed.step_chunk(actions, limit, true, {1, 0, 1});
  EXPECT_FALSE(without.frames.defined());
  EXPECT_EQ(with.success, without.success);
  EXPECT_EQ(with.executed, without.executed);
  EXPECT_EQ(plain.save_state(), filmed.save_state());
  EXPECT_TRUE(with.observation.images.at("main").equal(without.observation.images.at("main")));
  EXPECT_EQ(with.observation.images.at("wrist").sizes(), (at::IntArrayRef{3, 16, 16, 3}));
  ASSERT_EQ(with.frames.sizes(), (at::IntArrayRef{2, kChunk, 40, 40, 3}));
  for (const int64_t row : {0, 1}) {
    const int64_t env = row == 0 ? 0 : 2;
    looked_at.restore(0, env, 5);
    for (int64_t step = 0; step < kChunk; ++step) {
      const at::Tensor frame = with.frames[row][step];
      if (step >= limit[static_cast<size_t>(env)]) {
        EXPECT_FALSE(frame.any().item<bool>()) << env << " " << step;
        continue;
      }
      looked_at.step_chunk(actions[env][step].reshape({1, 1, 7}), {1});
      EXPECT_TRUE(frame.equal(looked_at.observe().images.at("main")[0])) << env << " " << step;
    }
  }
}

}  // namespace
}  // namespace dsrl
