#include "core/flow/policy_spec.h"

#include <cmath>
#include <string>

#include "core/error.h"

namespace dsrl {
namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error("ERR_DSRL_POLICY_SPEC", "policy.json: " + what);
}

void check_count(const char* name, int64_t value) {
  if (value < 1) refuse(std::string(name) + " is " + std::to_string(value) + ", at least 1 needed");
}

void check_length(const std::string& name, size_t found, int64_t expected) {
  if (found == static_cast<size_t>(expected)) return;
  refuse(name + " has " + std::to_string(found) + " entries, expected " + std::to_string(expected));
}

// `low` and `high`: the two statistics of the mode, under their names in policy.json.
void check_statistics(const PolicySpec& spec, const std::string& vector, int64_t length,
                      const Statistics& statistics) {
  const bool quantiles = spec.normalization_mode == NormalizationMode::kQuantiles;
  const std::vector<double>& low = quantiles ? statistics.q01 : statistics.mean;
  const std::vector<double>& high = quantiles ? statistics.q99 : statistics.std;
  const std::string low_name = "normalization." + vector + (quantiles ? ".q01" : ".mean");
  const std::string high_name = "normalization." + vector + (quantiles ? ".q99" : ".std");
  check_length(low_name, low.size(), length);
  check_length(high_name, high.size(), length);
  for (size_t i = 0; i < low.size(); ++i) {
    if (!std::isfinite(low[i])) refuse(low_name + "[" + std::to_string(i) + "] is not finite");
    const double span = (quantiles ? high[i] - low[i] : high[i]) + spec.normalization_eps;
    if (!std::isfinite(span) || span <= 0) {
      refuse(high_name + "[" + std::to_string(i) + "] is " + std::to_string(high[i]) +
             ": the values would be divided by " + std::to_string(span));
    }
  }
}

}  // namespace

void check_spec(const PolicySpec& spec) {
  check_count("horizon", spec.horizon);
  check_count("noise_dim", spec.noise_dim);
  check_count("state_dim", spec.state_dim);
  check_count("action_dim", spec.action_dim);
  check_count("num_steps", spec.num_steps);
  check_count("the number of cameras", spec.num_cameras);
  check_count("image_size", spec.image_size);
  check_count("prompt_length", spec.prompt_length);
  if (spec.state_dim > spec.noise_dim || spec.action_dim > spec.noise_dim) {
    refuse("state_dim and action_dim must fit in noise_dim");
  }
  check_statistics(spec, "state", spec.state_dim, spec.state);
  check_statistics(spec, "actions", spec.action_dim, spec.actions);
  if (spec.delta_action_mask.empty()) return;
  check_length("delta_action_mask", spec.delta_action_mask.size(), spec.action_dim);
  for (size_t i = 0; i < spec.delta_action_mask.size(); ++i) {
    if (spec.delta_action_mask[i] != 0 && static_cast<int64_t>(i) >= spec.state_dim) {
      refuse("delta_action_mask[" + std::to_string(i) + "] is true, the state has " +
             std::to_string(spec.state_dim) + " entries");
    }
  }
}

}  // namespace dsrl
