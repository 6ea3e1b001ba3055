#pragma once

#include <cstdint>
#include <vector>

namespace dsrl {

/// How a camera's picture becomes a square of `image_size` (policy.json "image_resize").
enum class ImageResize {
  kNone,     // it must arrive at that size
  kOpenpi,   // PIL's bilinear with antialias, uint8, centred, zeros around
  kLerobot,  // plain bilinear on float [0, 1], centred, zeros around
};

/// How the raw state and the actions map to the network's (policy.json "normalization.mode").
enum class NormalizationMode {
  kMeanStd,    // (x - mean) / (std + eps)
  kQuantiles,  // (x - q01) / (q99 - q01 + eps) * 2 - 1
};

/// How the flow time of an Euler step is computed (policy.json "time_convention").
enum class TimeConvention {
  kDouble,   // t_i = 1 + i dt in double (LeRobot)
  kFloat32,  // summed in float32, dt rounded to it (openpi)
};

/// Of the towers' weights, and of the keys and values (policy.json "precision").
enum class Precision { kFloat32, kBfloat16 };

/// Statistics of one vector; those of the spec's mode are filled.
struct Statistics {
  std::vector<double> mean, std;
  std::vector<double> q01, q99;
};

/// What `policy.json` says about a frozen policy.
struct PolicySpec {
  int64_t horizon;    // H, steps of the action chunk that the flow produces
  int64_t noise_dim;  // D, padded width of noise, state and actions inside policy.pt
  int64_t state_dim;
  int64_t action_dim;
  int64_t num_steps;      // Euler steps unless a call says otherwise
  int64_t num_cameras;    // N
  int64_t image_size;     // S, side of the square picture that the network takes, in pixels
  int64_t prompt_length;  // L, tokens
  int64_t largest_token;  // of the prompts whose ids are known; 0 where there are none
  Precision precision;
  ImageResize image_resize;
  TimeConvention time_convention;
  NormalizationMode normalization_mode;
  double normalization_eps;
  Statistics state;    // [state_dim]
  Statistics actions;  // [action_dim]
  /// [action_dim], or empty: where 1, the action is an offset from the raw state's same entry.
  std::vector<uint8_t> delta_action_mask;
};

/// Throws ERR_DSRL_POLICY_SPEC, naming the key of policy.json, if sizes contradict each other or a
/// statistic would divide by zero.
void check_spec(const PolicySpec& spec);

}  // namespace dsrl
