#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

namespace dsrl {

/// One tabletop: a kinematic pick-and-place in the unit square, all in float64
/// (reference/tabletop.md, section 1). x right, y down in the picture, z up.
struct TabletopWorld {
  struct Point {
    double x = 0, y = 0, z = 0;
  };
  int task = 0;
  Point gripper;
  std::array<double, 3> rotation{};  // axis-angle, unclipped, without effect
  double opening = 1;                // 1 open, 0 closed
  int held = -1;                     // bowl in the gripper: 0, 1, or -1
  std::array<Point, 2> bowls;        // 0 is the target; both look the same
  Point plate;

  static constexpr int kTasks = 4;
  static constexpr int kHorizon = 60;
  static constexpr int kActionDim = 7;
  static constexpr int kStateDim = 8;
  static constexpr std::string_view kPrompt = "tidy";

  /// The start of (task, trial): a function of these and the environment's seed alone.
  static TabletopWorld at_start(uint64_t seed, int task, int trial);

  /// One step of an action in [-1, 1]^7 (clipped): translation, rotation, gripper.
  /// Returns whether the target bowl now stands on the plate.
  bool step(std::span<const double, kActionDim> action);
  bool step(std::span<const float, kActionDim> action);

  /// LIBERO's layout: position 3, axis-angle 3 (pi added to the first), finger positions 2.
  std::array<double, kStateDim> state() const;
  void observe(std::span<float, kStateDim> state) const;

  /// position 3, rotation 3, opening, held, bowl 0 xyz, bowl 1 xyz, plate xy.
  static constexpr int kQposDim = 16;
  std::array<double, kQposDim> qpos() const;
  void set_qpos(std::span<const double, kQposDim> qpos);
};

/// What is painted only: the cabinet's and the ramekin's place in a task.
struct TabletopDecor {
  double cabinet_x, cabinet_y, ramekin_x, ramekin_y;
};
const TabletopDecor& tabletop_decor(int task);

/// Where the scripted expert puts the other bowl, relative to the plate.
TabletopWorld::Point tabletop_spot_offset(int task);

/// Paints the world from above into a size x size RGB picture, row by row from the top.
void paint_tabletop(const TabletopWorld& world, int size, std::span<uint8_t> picture);

/// The same of what is around the gripper: a square of side .25 with the gripper's (x, y) in its
/// middle, painted at this size. Beyond the table's edges there is more table.
void paint_tabletop_wrist(const TabletopWorld& world, int size, std::span<uint8_t> picture);

/// The scripted expert of reference/tabletop.md, section 2: the next action towards `bowl`
/// (0: onto the plate; 1: onto the task's spot).
std::array<float, TabletopWorld::kActionDim> tabletop_expert(const TabletopWorld& world, int bowl);

}  // namespace dsrl
