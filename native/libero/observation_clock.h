#pragma once

#include <cmath>

namespace dsrl::libero {

/// When the original samples its observations (robosuite, utils/observables.py). It counts in
/// float64, and so does this: the sample falls on the 24th of 25 substeps, not on the last.
struct ObservationClock {
  double since = 0;  // seconds
  double sampled = 0;

  /// After the two forced samples of a reset, one by env.reset and one by set_init_state.
  static ObservationClock after_reset(double timestep) { return {0 + timestep + timestep, 1}; }

  /// One substep; true where a sample is due.
  bool tick(double timestep, double period) {
    since += timestep;
    const bool due = sampled == 0;  // at the first substep of a period, or late at its last
    if (period >= since) sampled = 1;
    if (since >= period) {
      since = std::fmod(since, period);
      sampled = 0;
    }
    return due;
  }
};

}  // namespace dsrl::libero
