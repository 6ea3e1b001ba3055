// The parts of LIBERO's plugin that need no MuJoCo. What the whole does is compared with the
// original's traces in test/libero.

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <system_error>

#include "libero/observation_clock.h"
#include "libero/rotation.h"
#include "libero/small_matrix.h"
#include "libero/success.h"
#include "test/support.h"
#include "threads/thread_pool.h"

namespace dsrl::libero {
namespace {

template <size_t N>
at::Tensor tensor_of(const Matrix<N, N>& a) {
  return at::tensor(at::ArrayRef<double>(a.values.data(), N * N), at::kDouble).reshape({N, N});
}

/// B B^T for a random B of the given rank.
template <size_t N>
Matrix<N, N> symmetric(int64_t rank, int64_t step) {
  const at::Tensor b =
      random_normal(RandomStream(5, "test.symmetric"), step, N, rank, at::kCPU).to(at::kDouble);
  const at::Tensor product = at::mm(b, b.t()).contiguous();
  Matrix<N, N> a;
  std::copy_n(product.const_data_ptr<double>(), N * N, a.values.begin());
  return a;
}

template <size_t N>
double error(const Matrix<N, N>& ours, const at::Tensor& theirs) {
  return ((tensor_of(ours) - theirs).abs().max() / theirs.abs().max()).template item<double>();
}

TEST(LiberoMatrix, InverseIsLapacks) {
  for (int64_t step = 0; step < 20; ++step) {
    const auto a = symmetric<7>(7, step);
    EXPECT_LT(error(inverse(a), at::linalg_inv(tensor_of(a))), 1e-9);
  }
}

TEST(LiberoMatrix, PseudoInverseIsLapacks) {
  for (int64_t step = 0; step < 20; ++step) {
    const auto six = symmetric<6>(6, step);
    EXPECT_LT(error(symmetric_pseudo_inverse(six), at::linalg_inv(tensor_of(six))), 1e-9);
    const auto three = symmetric<3>(3, step);
    EXPECT_LT(error(symmetric_pseudo_inverse(three), at::linalg_inv(tensor_of(three))), 1e-9);
  }
}

TEST(LiberoMatrix, PseudoInverseLeavesOutWhatIsSingular) {
  // An arm that is stretched out cannot move in every direction.
  Matrix<3, 3> a;
  a(0, 0) = 4;
  a(1, 1) = a(2, 2) = a(1, 2) = a(2, 1) = 1;
  const Matrix<3, 3> pseudo = symmetric_pseudo_inverse(a);
  const at::Tensor expected = at::tensor({.25, 0., 0., 0., .25, .25, 0., .25, .25}, at::kDouble);
  EXPECT_LT(error(pseudo, expected.reshape({3, 3})), 1e-15);
}

struct RecordedRotation {
  Vector<3> axis_angle;
  std::array<double, 9> matrix;
};

// quat2mat(axisangle2quat(v)) of robosuite 1.4.0 with numba 0.68.1 and numpy 1.26.4.
const RecordedRotation kRotations[] = {
    {{0.5, -0.25, 0.125},
     {0.96199399931356311, -0.17908494174480438, -0.20614586770534515, 0.057465735822916031,
      0.87077959766611457, -0.48830375075340271, 0.26695546507835388, 0.45789894461631775,
      0.84797599725425243}},
    {{-0.31, 0.07, 0.44},
     {0.90316278929822147, -0.42929825186729431, 7.1227550506591797e-05, 0.40812578797340393,
      0.85867133364081383, 0.31002727150917053, -0.13315531611442566, -0.27997604012489319,
      0.95072766463272274}},
    {{0, 0, 0.5},
     {0.87758255749940872, -0.47942551970481873, 0, 0.47942551970481873, 0.87758255749940872, 0, 0,
      0, 1}},
    {{1e-4, -2e-5, 3e-6},
     {0.99999999979550003, -3.0010000955371652e-06, -1.9999850337626413e-05, 2.9990001166879665e-06,
      0.99999999499550052, -0.00010000001930166036, 2.0000148651888594e-05, 9.9999961093999445e-05,
      0.99999999480000046}},
    {{0, 0, 0}, {1, 0, 0, 0, 1, 0, 0, 0, 1}},
};

TEST(LiberoRotation, RoundsAsTheOriginal) {
  for (const auto& [axis_angle, matrix] : kRotations) {
    EXPECT_EQ(rotation_of(axis_angle).values, matrix) << axis_angle[0];
  }
}

TEST(LiberoRotation, AxisAngleIsTheOriginals) {
  const auto near = [](const Vector<3>& a, const Vector<3>& b) {
    for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(a[i], b[i], 1e-15) << i;
  };
  near(axis_angle_of({.1, .2, .3, std::sqrt(1 - .14)}),
       {0.2049877710805503, 0.4099755421611006, 0.61496331324165088});
  // A negative w is an angle above pi, not the same rotation's other form.
  near(axis_angle_of({.7, .1, -.2, -std::sqrt(1 - .54)}),
       {4.4126365362409112, 0.63037664803441595, -1.2607532960688319});
  near(axis_angle_of({0, 0, 0, 1.0000001}), {0, 0, 0});
}

TEST(LiberoRotation, OrientationErrorIsTheOriginals) {
  const Vector<3> error = orientation_error(rotation_of({.3, .2, -.1}), rotation_of({-.2, .4, .3}));
  const Vector<3> expected{0.40861781880607773, -0.15326719475591422, -0.43987588057181493};
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(error[i], expected[i], 1e-15);
}

TEST(LiberoSuccess, WithinThreeCentimetresOfTheGoal) {
  const Vector<3> plate{.1, .2, .9};
  EXPECT_TRUE(is_on({.129, .2, .91}, plate, true));
  EXPECT_FALSE(is_on({.131, .2, .91}, plate, true));
  EXPECT_TRUE(is_on({.1, .2 - .029, .91}, plate, true));
  EXPECT_FALSE(is_on({.1, .2 - .031, .91}, plate, true));
  // It is the distance that counts, not each coordinate.
  EXPECT_TRUE(is_on({.1 + .0205, .2 + .0205, .91}, plate, true));
  EXPECT_FALSE(is_on({.1 + .0219, .2 + .0219, .91}, plate, true));
}

TEST(LiberoSuccess, InContactAndNotBelow) {
  const Vector<3> plate{.1, .2, .9};
  EXPECT_FALSE(is_on({.1, .2, .91}, plate, false));
  EXPECT_TRUE(is_on({.1, .2, .9}, plate, true));
  EXPECT_FALSE(is_on({.1, .2, .8999}, plate, true));
}

TEST(LiberoClock, SamplesOnTheTwentyFourthSubstep) {
  ObservationClock clock = ObservationClock::after_reset(.002);
  for (int step = 0; step < 1000; ++step) {
    for (int substep = 1; substep <= 25; ++substep) {
      EXPECT_EQ(clock.tick(.002, .05), substep == 24) << step << " " << substep;
    }
  }
}

TEST(LiberoThreadPool, RunsEveryIndexOnceAndKeepsItsWorkers) {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> times(100);
  std::vector<std::thread::id> ids(3);
  pool.run_on_each([&](size_t, size_t worker) { ids[worker] = std::this_thread::get_id(); });
  for (int round = 0; round < 20; ++round) {
    pool.run(times.size(), [&](size_t index, size_t worker) {
      EXPECT_EQ(ids[worker], std::this_thread::get_id());
      ++times[index];
    });
  }
  for (const auto& count : times) EXPECT_EQ(count, 20);
  pool.run(0, [](size_t, size_t) { FAIL(); });
}

TEST(LiberoThreadPool, ThrowsWhatTheLowestIndexThrewAfterAllHaveEnded) {
  ThreadPool pool(4);
  std::atomic<int> ran = 0;
  const auto work = [&](size_t index, size_t) {
    ++ran;
    if (index >= 7) throw std::runtime_error(std::to_string(index));
  };
  try {
    pool.run(50, work);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "7");
  }
  EXPECT_EQ(ran, 50);
  pool.run(7, work);  // and it goes on
  EXPECT_EQ(ran, 57);
}

/// Of addresses, this process's; what it has now is the first number of statm, in pages.
rlim_t address_space() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
}

// Threads whose stacks no longer fit: some start, then one cannot. In a process of its own, whose
// limits are nobody else's.
TEST(LiberoThreadPoolDeathTest, ThrowsWhereAThreadCannotStart) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer needs addresses of its own for each thread";
#endif
  const auto start_too_many = [] {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, size_t{256} << 20);
    pthread_setattr_default_np(&attributes);
    const rlim_t most = address_space() + (rlim_t{2} << 30);
    const rlimit limit{most, most};
    setrlimit(RLIMIT_AS, &limit);
    try {
      ThreadPool pool(64);
    } catch (const std::system_error& error) {
      _exit(error.code() == std::errc::resource_unavailable_try_again ? 7 : 8);
    }
    _exit(9);  // all of them have started
  };
  EXPECT_EXIT(start_too_many(), testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace dsrl::libero
