#pragma once

#include <cstdint>
#include <vector>

namespace dsrl {

/// Sizes of the agent's networks. Defaults are RLinf's (dsrl.md, section 2).
struct NetworkConfig {
  int64_t image_size = 64;  // side of the square frame in pixels; 0: no image encoder
  std::vector<int64_t> image_channels{32, 32, 32, 32};
  std::vector<int64_t> image_kernels{3, 3, 3, 3};  // 3 (padding 1) or even (no padding)
  std::vector<int64_t> image_strides{2, 1, 1, 1};
  int64_t image_latent_dim = 64;
  int64_t state_dim = 8;
  int64_t state_latent_dim = 64;
  int64_t noise_dim = 32;
  std::vector<int64_t> hidden_dims{128, 128, 128};
  int64_t num_q_heads = 10;
  double noise_magnitude = 1.0;  // b: noise lies in (-b, b)

  bool has_images() const { return image_size > 0; }
  /// Width of [state features, image features].
  int64_t feature_dim() const { return state_latent_dim + (has_images() ? image_latent_dim : 0); }
};

/// Throws ERR_DSRL_CONFIG_NETWORK if a size is not positive, the lists of the encoder differ in
/// length, a kernel is odd and not 3, or a layer's output would be empty.
void validate(const NetworkConfig& config);

/// Side of the feature map after each convolution, starting with the frame itself.
std::vector<int64_t> feature_map_sides(const NetworkConfig& config);

}  // namespace dsrl
