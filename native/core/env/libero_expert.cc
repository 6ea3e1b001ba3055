#include "core/env/libero_expert.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"

namespace dsrl {
namespace {

using Point = LiberoExpert::Point;

constexpr double kStep = .05;  // of the controller: an action of 1
// An action's share of the distance. It bends the way in over the last 3 cm: at twice this, the
// label jumps from full speed to none within one, which no picture of 64 pixels tells apart.
constexpr double kGain = 1.5;
constexpr double kDrawerGain = 3;  // gently, the hand is stopped by the drawer's edge
constexpr double kOpen = -1, kClosed = 1;
constexpr double kRimRadius = .045, kRimHeight = .037;  // from the bowl's body to its rim's grasp
// Where the rim is taken, seen from the bowl: the fingers open along y. On the cabinet and in its
// drawer nearer to the robot: further out the elbow reaches its end, from which it does not return,
// and the drawer's front is in the fingers' way.
constexpr Point kLeftSide{0, 1, 0}, kNearSide{-.6, .8, 0};
constexpr double kHeld = .008;  // lifting with wider fingers loses the bowl
constexpr double kStuck = .02;  // held so wide it is held all the same, if it stays so
constexpr double kLost = .04;   // the hand is so far from the rim: it does not hold it
constexpr int kStuckSteps = 14;
// A bowl of this height is in the cabinet's open drawer: the open fingers do not fit beside it.
constexpr double kDrawerFrom = 1.03, kDrawerTo = 1.10;
constexpr double kOutwards = .0015;  // and the cabinet holds down a bowl that is pushed under it
constexpr double kNarrow = .04;
constexpr double kAbovePlate = .03;  // of a bowl's body when it is let go

// Of qpos: 7 joints of the arm, 2 fingers, then free joints (position, quaternion wxyz).
constexpr size_t kFreeJoint = 7, kFirstBowl = 9, kPlate = kFirstBowl + 4 * kFreeJoint;

double ramp(double x) {
  return std::clamp(x, 0.0, 1.0);
}

Point minus(const Point& a, const Point& b) {
  return {a[0] - b[0], a[1] - b[1], a[2] - b[2]};
}

double in_plane(const Point& a) {
  return std::hypot(a[0], a[1]);
}

Point point_at(std::span<const double> qpos, size_t from) {
  return {qpos[from], qpos[from + 1], qpos[from + 2]};
}

}  // namespace

struct LiberoExpert::View {
  Point bowl;
  Point grasp;   // of the rim
  Point goal;    // where the bowl is to stand
  double carry;  // height above the goal's while it is far
};

LiberoExpert::Scene LiberoExpert::read(std::span<const double> qpos,
                                       std::span<const double> state) {
  if (qpos.size() < kPlate + 3) {
    throw Error("ERR_DSRL_LIBERO_BUNDLE",
                "the scripted expert needs LIBERO-Spatial's objects: two bowls, cookies, a ramekin "
                "and a plate; the scene's qpos [" +
                    std::to_string(qpos.size()) + "] has no room for them");
  }
  Scene scene;
  scene.hand = point_at(state, 0);
  scene.width = state[6] - state[7];
  for (size_t i = 0; i < scene.bowls.size(); ++i) {
    scene.bowls[i] = point_at(qpos, kFirstBowl + i * kFreeJoint);
  }
  scene.plate = point_at(qpos, kPlate);
  return scene;
}

bool LiberoExpert::in_drawer() const {
  return *start_ > kDrawerFrom && *start_ < kDrawerTo;
}

LiberoExpert::View LiberoExpert::view(const Scene& scene, Bowl which) const {
  View view;
  view.bowl = scene.bowls[which == Bowl::kTarget ? 0 : 1];
  const Point& side = *start_ > kDrawerFrom ? kNearSide : kLeftSide;
  view.grasp = {view.bowl[0] + kRimRadius * side[0], view.bowl[1] + kRimRadius * side[1],
                view.bowl[2] + kRimHeight};
  view.goal = {scene.plate[0], scene.plate[1], scene.plate[2] + kAbovePlate};
  const double lift = in_drawer() ? .15 : .08;
  view.carry = std::max(.13, *start_ + lift - view.goal[2]);
  return view;
}

double LiberoExpert::gripper(double width) const {
  if (phase_ == Phase::kClose || phase_ == Phase::kCarry) return kClosed;
  if (phase_ != Phase::kReach || !in_drawer()) return kOpen;
  return width > kNarrow + .01 ? kClosed : width < kNarrow - .01 ? kOpen : 0;
}

LiberoExpert::Action LiberoExpert::act(const Scene& scene, Bowl bowl) {
  if (!start_) start_ = scene.bowls[bowl == Bowl::kTarget ? 0 : 1][2];
  const View now = view(scene, bowl);
  advance(scene, now);
  Point error{};
  switch (phase_) {
    case Phase::kReach:
    case Phase::kClose: {
      const Point rim = minus(now.grasp, scene.hand);
      const double above = .15 * ramp((in_plane(rim) - .012) / .06);
      const double rise = rim[2] + above;
      const double sideways = ramp(1 - (rise - .04) / .05);
      error = {rim[0] * sideways, rim[1] * sideways, rise};
      if (phase_ == Phase::kClose && in_drawer()) error = {0, kOutwards, rise};
      break;
    }
    case Phase::kCarry: {
      const Point left = minus(now.goal, now.bowl);
      const double rise = left[2] + now.carry * ramp((in_plane(left) - .015) / .08);
      const double sideways = ramp(1 - (rise - .04) / .05);
      error = {left[0] * sideways, left[1] * sideways, rise};
      if (in_drawer() && now.bowl[2] < *start_ + .06) error = {0, kOutwards, rise};
      break;
    }
    case Phase::kRelease:
    case Phase::kDone:
      error = {0, 0, kStep};
      break;
  }
  const double gain = (in_drawer() ? kDrawerGain : kGain) / kStep;
  double largest = 1;
  for (const double e : error) largest = std::max(largest, std::abs(e) * gain);
  Action action{};
  for (size_t i = 0; i < error.size(); ++i) action[i] = error[i] * gain / largest;
  action[6] = gripper(scene.width);
  return action;
}

void LiberoExpert::advance(const Scene& scene, const View& now) {
  const Phase before = phase_;
  const Point rim = minus(now.grasp, scene.hand);
  const Point left = minus(now.goal, now.bowl);
  const bool lost = in_plane(rim) > kLost || -rim[2] > kLost;
  switch (phase_) {
    case Phase::kReach:
      if (in_plane(rim) < .010 && std::abs(rim[2]) < .009) phase_ = Phase::kClose;
      break;
    case Phase::kClose:
      if (lost) phase_ = Phase::kReach;
      if (scene.width < kHeld || (scene.width < kStuck && steps_ >= kStuckSteps)) {
        phase_ = Phase::kCarry;
      }
      break;
    case Phase::kCarry:
      if (lost) phase_ = Phase::kReach;
      if (in_plane(left) < .025 &&
          -left[2] < now.carry * ramp((in_plane(left) - .015) / .08) + .02) {
        phase_ = Phase::kRelease;
      }
      break;
    case Phase::kRelease:
      if (scene.width > .05 && in_plane(left) < .05 && left[2] > -.03) phase_ = Phase::kDone;
      break;
    case Phase::kDone:
      break;
  }
  steps_ = phase_ == before ? steps_ + 1 : 0;
}

}  // namespace dsrl
