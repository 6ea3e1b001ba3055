#include "core/env/tabletop_world.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/random/philox.h"

namespace dsrl {
namespace {

struct Layout {
  double plate_x, plate_y, target_x, target_y, other_x, other_y;
  TabletopDecor decor;
  double spot_x, spot_y;
};

constexpr std::array<Layout, TabletopWorld::kTasks> kLayouts{{
    {.78, .60, .44, .78, .38, .24, {.12, .72, .24, .92}, -.17, -.12},
    {.78, .42, .44, .22, .38, .77, {.12, .28, .24, .08}, -.17, +.12},
    {.46, .80, .78, .46, .23, .40, {.86, .14, .66, .10}, -.17, -.12},
    {.54, .20, .22, .53, .77, .60, {.14, .86, .34, .90}, +.17, +.12},
}};

constexpr double kStep = .05;           // of translation and rotation, for an action of 1
constexpr double kHoldingRadius = .05;  // a bowl this near (xy) can be gripped
constexpr double kPlacedRadius = .06;   // a bowl this near (xy) stands on its goal
constexpr double kLow = .1;             // z below which a bowl can be gripped, or counts as placed

double squared_distance(const TabletopWorld::Point& a, const TabletopWorld::Point& b) {
  return (a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y);
}

}  // namespace

const TabletopDecor& tabletop_decor(int task) {
  return kLayouts[static_cast<size_t>(task)].decor;
}

TabletopWorld::Point tabletop_spot_offset(int task) {
  const Layout& layout = kLayouts[static_cast<size_t>(task)];
  return {layout.spot_x, layout.spot_y, 0};
}

TabletopWorld TabletopWorld::at_start(uint64_t seed, int task, int trial) {
  std::array<float, 8> u;
  RandomStream(seed, "tabletop.layout")
      .uniform(static_cast<uint32_t>(trial), static_cast<uint32_t>(task), u);
  const auto jitter = [&](size_t i, double half) { return -half + 2 * half * double{u[i]}; };
  const Layout& layout = kLayouts[static_cast<size_t>(task)];
  TabletopWorld world;
  world.task = task;
  world.plate = {layout.plate_x + jitter(0, .03), layout.plate_y + jitter(1, .03), 0};
  world.bowls[0] = {layout.target_x + jitter(2, .03), layout.target_y + jitter(3, .03), 0};
  world.bowls[1] = {layout.other_x + jitter(4, .03), layout.other_y + jitter(5, .03), 0};
  world.gripper = {.5 + jitter(6, .02), .5 + jitter(7, .02), .5};
  return world;
}

bool TabletopWorld::step(std::span<const double, kActionDim> action) {
  std::array<double, kActionDim> a;
  for (size_t i = 0; i < a.size(); ++i) a[i] = std::clamp(action[i], -1.0, 1.0);
  gripper.x = std::clamp(gripper.x + kStep * a[0], 0.0, 1.0);
  gripper.y = std::clamp(gripper.y + kStep * a[1], 0.0, 1.0);
  gripper.z = std::clamp(gripper.z + kStep * a[2], 0.0, .6);
  for (size_t i = 0; i < 3; ++i) rotation[i] += kStep * a[3 + i];
  const double goal = a[6] > 0 ? 0.0 : 1.0;
  opening += std::clamp(goal - opening, -.5, .5);

  if (held < 0 && opening < .3 && gripper.z < kLow) {
    const double to_target = squared_distance(gripper, bowls[0]);
    const double to_other = squared_distance(gripper, bowls[1]);
    const int nearest = to_other < to_target ? 1 : 0;
    if (std::min(to_target, to_other) <= kHoldingRadius * kHoldingRadius) held = nearest;
  }
  if (held >= 0) {
    Point& bowl = bowls[static_cast<size_t>(held)];
    bowl = gripper;
    if (opening > .6) {
      bowl.z = 0;
      held = -1;
    }
  }
  return held != 0 && bowls[0].z < kLow &&
         squared_distance(bowls[0], plate) <= kPlacedRadius * kPlacedRadius;
}

bool TabletopWorld::step(std::span<const float, kActionDim> action) {
  std::array<double, kActionDim> exact;
  std::copy(action.begin(), action.end(), exact.begin());
  return step(exact);
}

std::array<double, TabletopWorld::kStateDim> TabletopWorld::state() const {
  return {gripper.x,   gripper.y,   gripper.z,     rotation[0] + std::numbers::pi,
          rotation[1], rotation[2], .04 * opening, -.04 * opening};
}

void TabletopWorld::observe(std::span<float, kStateDim> shown) const {
  std::ranges::transform(state(), shown.begin(), [](double x) { return static_cast<float>(x); });
}

std::array<double, TabletopWorld::kQposDim> TabletopWorld::qpos() const {
  return {gripper.x,  gripper.y,    gripper.z,  rotation[0], rotation[1], rotation[2],
          opening,    double(held), bowls[0].x, bowls[0].y,  bowls[0].z,  bowls[1].x,
          bowls[1].y, bowls[1].z,   plate.x,    plate.y};
}

void TabletopWorld::set_qpos(std::span<const double, kQposDim> q) {
  gripper = {q[0], q[1], q[2]};
  rotation = {q[3], q[4], q[5]};
  opening = q[6];
  held = static_cast<int>(std::clamp(q[7], -1.0, 1.0));
  bowls[0] = {q[8], q[9], q[10]};
  bowls[1] = {q[11], q[12], q[13]};
  plate = {q[14], q[15], 0};
}

std::array<float, TabletopWorld::kActionDim> tabletop_expert(const TabletopWorld& world, int bowl) {
  const TabletopWorld::Point& target = world.bowls[static_cast<size_t>(bowl)];
  TabletopWorld::Point goal = world.plate;
  if (bowl == 1) {
    const auto offset = tabletop_spot_offset(world.task);
    goal.x += offset.x;
    goal.y += offset.y;
  }
  const bool holding = world.held == bowl;
  std::array<double, 3> move{};
  double grip = -1;
  if (!holding && squared_distance(target, goal) <= kPlacedRadius * kPlacedRadius) {
    move = {0, 0, .4 - world.gripper.z};  // placed: rise and rest, open
  } else {
    const TabletopWorld::Point& towards = holding ? goal : target;
    const double distance = std::sqrt(squared_distance(world.gripper, towards));
    if (distance < .045 && world.gripper.z < .08) {
      grip = holding ? -1 : 1;  // stand still and open, or close
    } else {
      // A cone over the goal keeps the labels continuous: a threshold would make them chatter.
      const double height = .04 + .36 * std::clamp((distance - .03) / .09, 0.0, 1.0);
      move = {towards.x - world.gripper.x, towards.y - world.gripper.y, height - world.gripper.z};
      grip = holding ? 1 : -1;
    }
  }
  double largest = 1;
  for (double& component : move) {
    component /= kStep;
    largest = std::max(largest, std::abs(component));
  }
  return {static_cast<float>(move[0] / largest),
          static_cast<float>(move[1] / largest),
          static_cast<float>(move[2] / largest),
          0,
          0,
          0,
          static_cast<float>(grip)};
}

}  // namespace dsrl
