#include "libero/culling.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace dsrl::libero {
namespace {

using Point = std::array<double, 3>;

double dot(const Point& a, const Point& b) {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

/// Of an oriented box: its middle, and half its sides as vectors.
struct Box {
  Point middle;
  std::array<Point, 3> halves;
};

/// Sees along its depth; all three are unit vectors.
struct Camera {
  Point position, right, up, depth;
};

/// What of a picture: right and up over depth.
struct Window {
  double left, right, bottom, top;
};

constexpr double kSlack = 1e-3;  // m, far above the rounding of MuJoCo's float32

Point column(const float* matrix, int column) {
  return {matrix[column], matrix[3 + column], matrix[6 + column]};
}

Box box_of(const mjvGeom& geom, const Point& center, const Point& half) {
  Box box;
  for (int i = 0; i < 3; ++i) {
    const float* row = geom.mat + 3 * i;
    box.middle[static_cast<size_t>(i)] =
        geom.pos[i] + row[0] * center[0] + row[1] * center[1] + row[2] * center[2];
  }
  for (int axis = 0; axis < 3; ++axis) {
    const Point direction = column(geom.mat, axis);
    for (size_t i = 0; i < 3; ++i) {
      box.halves[static_cast<size_t>(axis)][i] = direction[i] * half[static_cast<size_t>(axis)];
    }
  }
  return box;
}

/// The box as far as `normal` sees it: the greatest of normal * (point - origin).
double farthest(const Box& box, const Point& normal, const Point& origin) {
  double distance = dot(normal, box.middle) - dot(normal, origin);
  for (const Point& half : box.halves) distance += std::abs(dot(normal, half));
  return distance;
}

bool is_outside(const Box& box, const Camera& camera, const Window& window) {
  const auto beyond = [&](const Point& side, double slope, double sign) {
    Point normal;  // positive inside
    for (size_t i = 0; i < 3; ++i) normal[i] = sign * (camera.depth[i] * slope - side[i]);
    return farthest(box, normal, camera.position) < -kSlack;
  };
  return farthest(box, camera.depth, camera.position) < -kSlack ||
         beyond(camera.right, window.right, 1) || beyond(camera.right, window.left, -1) ||
         beyond(camera.up, window.top, 1) || beyond(camera.up, window.bottom, -1);
}

/// The part of the picture that a box may cover; all of it where it reaches behind the camera.
Window covered_by(const Box& box, const Camera& camera, const Window& picture) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  Window window{kInfinity, -kInfinity, kInfinity, -kInfinity};
  for (int corner = 0; corner < 8; ++corner) {
    Point to;
    for (size_t i = 0; i < 3; ++i) {
      to[i] = box.middle[i] - camera.position[i];
      for (size_t axis = 0; axis < 3; ++axis) {
        to[i] += (corner >> axis & 1 ? 1 : -1) * box.halves[axis][i];
      }
    }
    const double depth = dot(to, camera.depth);
    if (depth < .01) return picture;
    const double right = dot(to, camera.right) / depth, up = dot(to, camera.up) / depth;
    window = {std::min(window.left, right), std::max(window.right, right),
              std::min(window.bottom, up), std::max(window.top, up)};
  }
  return window;
}

Box mirrored(Box box, const Point& normal, const Point& on_plane) {
  const double distance = dot(normal, box.middle) - dot(normal, on_plane);
  for (size_t i = 0; i < 3; ++i) box.middle[i] -= 2 * distance * normal[i];
  for (Point& half : box.halves) {
    const double along = dot(normal, half);
    for (size_t i = 0; i < 3; ++i) half[i] -= 2 * along * normal[i];
  }
  return box;
}

Camera camera_of(const mjData& data, int camera) {
  const mjtNum* position = data.cam_xpos + 3 * camera;
  const mjtNum* m = data.cam_xmat + 9 * camera;
  return {{position[0], position[1], position[2]},
          {m[0], m[3], m[6]},
          {m[1], m[4], m[7]},
          {-m[2], -m[5], -m[8]}};
}

Window widened(Window window, double margin) {
  return {window.left - margin, window.right + margin, window.bottom - margin, window.top + margin};
}

}  // namespace

void drop_unseen(const mjModel& model, const mjData& data, int camera, int size, mjvScene& scene) {
  for (int i = 0; i < scene.nlight; ++i) {
    if (scene.lights[i].castshadow) return;  // what is unseen may cast one into the picture
  }
  if (model.cam_orthographic[camera] || model.cam_sensorsize[2 * camera] != 0) return;
  mjvGeom* mirror = nullptr;
  for (int i = 0; i < scene.ngeom; ++i) {
    mjvGeom& geom = scene.geoms[i];
    if ((geom.type != mjGEOM_PLANE && geom.type != mjGEOM_BOX) || geom.reflectance <= 0) continue;
    // MuJoCo lets the first of several reflect; a plane reflects without an end.
    if (mirror != nullptr || geom.type == mjGEOM_PLANE) return;
    mirror = &geom;
  }
  const Camera eye = camera_of(data, camera);
  const double half = std::tan(model.cam_fovy[camera] * mjPI / 360);
  const double margin = 4 * half / size;  // two pixels
  const Window picture = widened({-half, half, -half, half}, margin);
  Point up{}, top{};  // the mirror is the upper side of its box
  Window reflecting{};
  if (mirror != nullptr) {
    const Box box = box_of(*mirror, {}, {mirror->size[0], mirror->size[1], mirror->size[2]});
    if (is_outside(box, eye, picture)) {
      mirror->reflectance = 0;  // otherwise everything would be drawn twice for nothing
      mirror = nullptr;
    } else {
      up = column(mirror->mat, 2);
      for (size_t i = 0; i < 3; ++i) top[i] = box.middle[i] + box.halves[2][i];
      reflecting = widened(covered_by(box, eye, picture), margin);
    }
  }
  const auto is_unseen = [&](const mjvGeom& geom) {
    if (geom.type != mjGEOM_MESH || geom.objtype != mjOBJ_GEOM) return false;
    const mjtNum* bounds = model.geom_aabb + 6 * geom.objid;
    const Box box =
        box_of(geom, {bounds[0], bounds[1], bounds[2]}, {bounds[3], bounds[4], bounds[5]});
    return is_outside(box, eye, picture) &&
           (mirror == nullptr || is_outside(mirrored(box, up, top), eye, reflecting));
  };
  mjvGeom* const end = scene.geoms + scene.ngeom;
  scene.ngeom = static_cast<int>(std::remove_if(scene.geoms, end, is_unseen) - scene.geoms);
}

}  // namespace dsrl::libero
