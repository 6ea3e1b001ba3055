#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

namespace dsrl::libero {

/// Row-major matrix of a size known when compiling; the controller's are at most 7 x 7.
template <size_t Rows, size_t Columns>
struct Matrix {
  std::array<double, Rows * Columns> values{};

  double& operator()(size_t row, size_t column) { return values[row * Columns + column]; }
  double operator()(size_t row, size_t column) const { return values[row * Columns + column]; }
};

template <size_t N>
using Vector = std::array<double, N>;

template <size_t R, size_t K, size_t C>
Matrix<R, C> operator*(const Matrix<R, K>& a, const Matrix<K, C>& b) {
  Matrix<R, C> product;
  for (size_t r = 0; r < R; ++r) {
    for (size_t c = 0; c < C; ++c) {
      double sum = 0;
      for (size_t k = 0; k < K; ++k) sum += a(r, k) * b(k, c);
      product(r, c) = sum;
    }
  }
  return product;
}

template <size_t R, size_t C>
Vector<R> operator*(const Matrix<R, C>& a, const Vector<C>& x) {
  Vector<R> product{};
  for (size_t r = 0; r < R; ++r) {
    for (size_t c = 0; c < C; ++c) product[r] += a(r, c) * x[c];
  }
  return product;
}

template <size_t R, size_t C>
Matrix<C, R> transposed(const Matrix<R, C>& a) {
  Matrix<C, R> result;
  for (size_t r = 0; r < R; ++r) {
    for (size_t c = 0; c < C; ++c) result(c, r) = a(r, c);
  }
  return result;
}

/// Inverse by elimination with row pivoting.
template <size_t N>
Matrix<N, N> inverse(Matrix<N, N> a) {
  Matrix<N, N> result;
  for (size_t i = 0; i < N; ++i) result(i, i) = 1;
  for (size_t column = 0; column < N; ++column) {
    size_t pivot = column;
    for (size_t row = column + 1; row < N; ++row) {
      if (std::abs(a(row, column)) > std::abs(a(pivot, column))) pivot = row;
    }
    const double scale = 1 / a(pivot, column);
    for (size_t k = 0; k < N; ++k) {
      std::swap(a(pivot, k), a(column, k));
      std::swap(result(pivot, k), result(column, k));
      a(column, k) *= scale;
      result(column, k) *= scale;
    }
    for (size_t row = 0; row < N; ++row) {
      if (row == column) continue;
      const double factor = a(row, column);
      for (size_t k = 0; k < N; ++k) {
        a(row, k) -= factor * a(column, k);
        result(row, k) -= factor * result(column, k);
      }
    }
  }
  return result;
}

/// Moore-Penrose inverse of a symmetric matrix, as numpy.linalg.pinv: eigenvalues below 1e-15 of
/// the largest count as zero. Eigenvectors by cyclic Jacobi rotations.
template <size_t N>
Matrix<N, N> symmetric_pseudo_inverse(Matrix<N, N> a) {
  Matrix<N, N> vectors;
  for (size_t i = 0; i < N; ++i) vectors(i, i) = 1;
  for (int sweep = 0; sweep < 50; ++sweep) {
    bool rotated = false;
    for (size_t p = 0; p < N; ++p) {
      for (size_t q = p + 1; q < N; ++q) {
        const double off = a(p, q);
        if (std::abs(off) <= 1e-17 * std::sqrt(std::abs(a(p, p) * a(q, q)))) continue;
        rotated = true;
        const double theta = (a(q, q) - a(p, p)) / (2 * off);
        const double t =
            std::copysign(1.0, theta) / (std::abs(theta) + std::sqrt(theta * theta + 1));
        const double c = 1 / std::sqrt(t * t + 1);
        const double s = t * c;
        for (size_t k = 0; k < N; ++k) {
          const double kp = a(k, p), kq = a(k, q);
          a(k, p) = c * kp - s * kq;
          a(k, q) = s * kp + c * kq;
        }
        for (size_t k = 0; k < N; ++k) {
          const double pk = a(p, k), qk = a(q, k);
          a(p, k) = c * pk - s * qk;
          a(q, k) = s * pk + c * qk;
          const double vp = vectors(k, p), vq = vectors(k, q);
          vectors(k, p) = c * vp - s * vq;
          vectors(k, q) = s * vp + c * vq;
        }
      }
    }
    if (!rotated) break;
  }
  double largest = 0;
  for (size_t i = 0; i < N; ++i) largest = std::max(largest, std::abs(a(i, i)));
  Matrix<N, N> result;
  for (size_t i = 0; i < N; ++i) {
    const double value = a(i, i);
    if (std::abs(value) <= 1e-15 * largest) continue;
    for (size_t r = 0; r < N; ++r) {
      for (size_t c = 0; c < N; ++c) result(r, c) += vectors(r, i) * vectors(c, i) / value;
    }
  }
  return result;
}

}  // namespace dsrl::libero
