#include "libero/rotation.h"

#include <algorithm>
#include <limits>

namespace dsrl::libero {

Matrix<3, 3> rotation_of(const Vector<3>& v) {
  const double angle = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  Matrix<3, 3> identity;
  for (size_t i = 0; i < 3; ++i) identity(i, i) = 1;
  if (angle == 0) return identity;
  const double sine = std::sin(angle / 2);
  float q[4] = {static_cast<float>(std::cos(angle / 2)), static_cast<float>(v[0] / angle * sine),
                static_cast<float>(v[1] / angle * sine), static_cast<float>(v[2] / angle * sine)};
  // BLAS adds the rounded squares in double and rounds the sum.
  double squares = 0;
  for (const float part : q) squares += part * part;
  const auto norm = static_cast<float>(squares);
  if (norm < std::numeric_limits<double>::epsilon() * 4) return identity;
  const double scale = std::sqrt(2.0 / norm);
  for (float& part : q) part = static_cast<float>(part * scale);
  float q2[4][4];
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = 0; j < 4; ++j) q2[i][j] = q[i] * q[j];
  }
  // Off the diagonal float32 differences, on it doubles.
  Matrix<3, 3> result;
  result(0, 0) = 1.0 - q2[2][2] - q2[3][3];
  result(0, 1) = q2[1][2] - q2[3][0];
  result(0, 2) = q2[1][3] + q2[2][0];
  result(1, 0) = q2[1][2] + q2[3][0];
  result(1, 1) = 1.0 - q2[1][1] - q2[3][3];
  result(1, 2) = q2[2][3] - q2[1][0];
  result(2, 0) = q2[1][3] - q2[2][0];
  result(2, 1) = q2[2][3] + q2[1][0];
  result(2, 2) = 1.0 - q2[1][1] - q2[2][2];
  return result;
}

Vector<3> axis_angle_of(const Vector<4>& quaternion) {
  const double w = std::clamp(quaternion[3], -1.0, 1.0);
  const double sine = std::sqrt(1.0 - w * w);
  if (sine == 0) return {};
  const double angle = std::acos(w);
  return {quaternion[0] * 2.0 * angle / sine, quaternion[1] * 2.0 * angle / sine,
          quaternion[2] * 2.0 * angle / sine};
}

Vector<3> orientation_error(const Matrix<3, 3>& desired, const Matrix<3, 3>& current) {
  Vector<3> sum{};
  for (size_t c = 0; c < 3; ++c) {
    sum[0] += current(1, c) * desired(2, c) - current(2, c) * desired(1, c);
    sum[1] += current(2, c) * desired(0, c) - current(0, c) * desired(2, c);
    sum[2] += current(0, c) * desired(1, c) - current(1, c) * desired(0, c);
  }
  for (double& value : sum) value *= .5;
  return sum;
}

}  // namespace dsrl::libero
