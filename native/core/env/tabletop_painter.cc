#include <algorithm>
#include <cmath>

#include "core/env/tabletop_world.h"

namespace dsrl {
namespace {

struct Colour {
  uint8_t r, g, b;
};

constexpr Colour kTable{196, 170, 140};
constexpr Colour kCabinet{90, 60, 40};
constexpr Colour kRamekin{230, 230, 235};
constexpr Colour kPlateRim{250, 250, 250};
constexpr Colour kPlate{225, 225, 230};
constexpr Colour kBowl{25, 25, 28};
constexpr Colour kBowlInside{60, 60, 66};
constexpr Colour kShadow{120, 100, 80};
constexpr Colour kFinger{200, 30, 30};
constexpr Colour kPalm{235, 235, 240};

constexpr double kLiftInPicture = .15;  // what is higher is painted this much further up, times z

/// The square of the table's plane that a picture shows.
struct View {
  double left, top, side;
};

constexpr double kWristSide = .25;

/// Paints shapes over what is there; a pixel is painted when its centre is inside.
class Canvas {
 public:
  Canvas(const View& view, int size, std::span<uint8_t> picture)
      : view_(view), size_(size), pixels_(picture) {}

  void fill(Colour colour) {
    for (size_t i = 0; i + 2 < pixels_.size(); i += 3) set(i, colour);
  }

  void box(double x, double y, double half_x, double half_y, Colour colour) {
    const auto [left, right] = pixels(x - view_.left, half_x);
    const auto [top, bottom] = pixels(y - view_.top, half_y);
    for (int row = top; row <= bottom; ++row) {
      if (std::abs(y_of(row) - y) > half_y) continue;
      for (int column = left; column <= right; ++column) {
        if (std::abs(x_of(column) - x) <= half_x) set(offset(row, column), colour);
      }
    }
  }

  void disc(double x, double y, double radius, Colour colour) {
    const auto [left, right] = pixels(x - view_.left, radius);
    const auto [top, bottom] = pixels(y - view_.top, radius);
    for (int row = top; row <= bottom; ++row) {
      const double dy = y_of(row) - y;
      for (int column = left; column <= right; ++column) {
        const double dx = x_of(column) - x;
        if (dx * dx + dy * dy <= radius * radius) set(offset(row, column), colour);
      }
    }
  }

 private:
  double x_of(int column) const { return view_.left + (column + .5) * view_.side / size_; }
  double y_of(int row) const { return view_.top + (row + .5) * view_.side / size_; }
  size_t offset(int row, int column) const {
    return (static_cast<size_t>(row) * static_cast<size_t>(size_) + static_cast<size_t>(column)) *
           3;
  }
  // Rows or columns whose centres may lie within `half` of `at`; one wider on either side, so
  // that rounding never loses a border pixel: the exact test is the shape's own.
  std::pair<int, int> pixels(double at, double half) const {
    const double scale = size_ / view_.side;
    const double low = std::floor((at - half) * scale - .5) - 1;
    const double high = std::ceil((at + half) * scale - .5) + 1;
    return {static_cast<int>(std::clamp(low, 0.0, double(size_))),
            static_cast<int>(std::clamp(high, -1.0, double(size_ - 1)))};
  }
  void set(size_t at, Colour colour) {
    pixels_[at] = colour.r;
    pixels_[at + 1] = colour.g;
    pixels_[at + 2] = colour.b;
  }

  View view_;
  int size_;
  std::span<uint8_t> pixels_;
};

/// The table goes on beyond its edges: what hangs over them is painted there too.
void paint(const TabletopWorld& world, Canvas canvas) {
  const TabletopDecor& decor = tabletop_decor(world.task);
  canvas.fill(kTable);
  canvas.box(decor.cabinet_x, decor.cabinet_y, .08, .10, kCabinet);
  canvas.disc(decor.ramekin_x, decor.ramekin_y, .05, kRamekin);
  canvas.disc(world.plate.x, world.plate.y, .10, kPlateRim);
  canvas.disc(world.plate.x, world.plate.y, .07, kPlate);
  for (const auto& bowl : world.bowls) {
    const double y = bowl.y - kLiftInPicture * bowl.z;
    const double grown = .02 * bowl.z;
    canvas.disc(bowl.x, y, .055 + grown, kBowl);
    canvas.disc(bowl.x, y, .035 + grown, kBowlInside);
  }
  canvas.disc(world.gripper.x, world.gripper.y, .02, kShadow);
  const double y = world.gripper.y - kLiftInPicture * world.gripper.z;
  const double spread = .025 + .03 * world.opening;
  canvas.box(world.gripper.x - spread, y, .012, .03, kFinger);
  canvas.box(world.gripper.x + spread, y, .012, .03, kFinger);
  canvas.box(world.gripper.x, y - .05, .045, .02, kPalm);
}

}  // namespace

void paint_tabletop(const TabletopWorld& world, int size, std::span<uint8_t> picture) {
  paint(world, Canvas({0, 0, 1}, size, picture));
}

void paint_tabletop_wrist(const TabletopWorld& world, int size, std::span<uint8_t> picture) {
  const double left = world.gripper.x - kWristSide / 2, top = world.gripper.y - kWristSide / 2;
  paint(world, Canvas({left, top, kWristSide}, size, picture));
}

}  // namespace dsrl
