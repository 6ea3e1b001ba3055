#pragma once

#include <array>
#include <optional>
#include <span>

namespace dsrl {

/// A scripted rim grasp for LIBERO-Spatial: takes the target bowl by its rim, or the other one, and
/// puts it on the plate. It sees positions, never pictures, and never turns the hand: its
/// actions are position deltas in units of the controller's 5 cm, and the gripper.
///
/// It is a demonstrator and a test of the physics, not a part of what is learned. Lengths are
/// metres in the world's frame (x away from the robot, y to its left, z up).
class LiberoExpert {
 public:
  using Point = std::array<double, 3>;
  using Action = std::array<double, 7>;

  /// Which bowl is fetched.
  enum class Bowl { kTarget = 0, kOther = 1 };
  /// kReach: to the bowl's rim. kClose: until the fingers hold it. kCarry: to where it is to
  /// stand. kRelease: open and up. kDone: let go of, within 5 cm of there in the plane.
  enum class Phase { kReach = 0, kClose = 1, kCarry = 2, kRelease = 3, kDone = 4 };

  struct Scene {
    Point hand{};                  // the grip site
    double width = 0;              // between the fingers, 0 to .08
    std::array<Point, 2> bowls{};  // target, other: root bodies, as the plate's
    Point plate{};
  };
  /// Reads a scene off [qpos 48] of MuJoCo and the agent's 8-D state; the order of qpos is that of
  /// LIBERO's own initial states. Throws ERR_DSRL_LIBERO_BUNDLE for a scene without its objects.
  static Scene read(std::span<const double> qpos, std::span<const double> state);

  /// Forgets the episode.
  void reset() { *this = {}; }
  /// The next action; call it once a step.
  Action act(const Scene& scene, Bowl bowl);
  Phase phase() const { return phase_; }

 private:
  struct View;  // the scene as this bowl's errand sees it

  View view(const Scene& scene, Bowl bowl) const;
  void advance(const Scene& scene, const View& view);
  bool in_drawer() const;
  double gripper(double width) const;

  Phase phase_ = Phase::kReach;
  std::optional<double> start_;  // the bowl's height when the episode began
  int steps_ = 0;                // in this phase
};

}  // namespace dsrl
