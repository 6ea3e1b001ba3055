#pragma once

#include "libero/small_matrix.h"

namespace dsrl::libero {

/// Rotation by the axis-angle vector. The original goes through a quaternion of which it rounds
/// the numbers, their squares and products to float32 (robosuite, transform_utils.quat2mat under
/// numba); the goal's rotation would be off by 1e-8 without that.
Matrix<3, 3> rotation_of(const Vector<3>& axis_angle);

/// Axis-angle vector of a quaternion xyzw (transform_utils.quat2axisangle): the sign of the
/// quaternion counts, so the angle lies in [0, 2 pi].
Vector<3> axis_angle_of(const Vector<4>& quaternion);

/// Half the sum of the crosses of the columns: what the controller calls the orientation error.
Vector<3> orientation_error(const Matrix<3, 3>& desired, const Matrix<3, 3>& current);

}  // namespace dsrl::libero
