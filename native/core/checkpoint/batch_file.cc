#include "core/checkpoint/batch_file.h"

#include <ATen/ATen.h>

#include "core/checkpoint/safetensors.h"
#include "core/error.h"

namespace dsrl {

BatchFile read_batch(const std::string& path, const NetworkConfig& config, at::Device device) {
  const SafetensorsFile file = read_safetensors(path);
  const auto states = file.tensors.find("states");
  const int64_t rows =
      states == file.tensors.end() || states->second.dim() == 0 ? 1 : states->second.size(0);
  if (rows < 1) throw Error("ERR_DSRL_CHECKPOINT_TENSORS", path + ": the batch is empty");
  const int64_t side = config.image_size;
  const auto empty = [](std::vector<int64_t> shape, at::ScalarType type) {
    return at::empty(shape, type);
  };
  BatchFile result;
  Batch& batch = result.batch;
  batch = {{},
           {},
           empty({rows, config.state_dim}, at::kFloat),
           empty({rows, config.state_dim}, at::kFloat),
           empty({rows, config.noise_dim}, at::kFloat),
           empty({rows}, at::kFloat),
           empty({rows}, at::kLong),
           empty({rows}, at::kByte)};
  result.noise = {empty({rows, config.noise_dim}, at::kFloat),
                  empty({rows, config.noise_dim}, at::kFloat)};
  NamedTensors expected{{"states", batch.states},
                        {"next_states", batch.next_states},
                        {"noise", batch.noise},
                        {"rewards", batch.rewards},
                        {"steps", batch.steps},
                        {"terminated", batch.terminated},
                        {"eps_next", result.noise.eps_next},
                        {"eps_pi", result.noise.eps_pi}};
  if (config.has_images()) {
    batch.images = empty({rows, side, side, 3}, at::kByte);
    batch.next_images = empty({rows, side, side, 3}, at::kByte);
    expected.emplace_back("images", batch.images);
    expected.emplace_back("next_images", batch.next_images);
  }
  assign_tensors(expected, file.tensors, path);
  const auto refuse_any = [&path](const at::Tensor& wrong, const char* what) {
    if (wrong.any().item<bool>()) throw Error("ERR_DSRL_CHECKPOINT_TENSORS", path + ": " + what);
  };
  refuse_any(batch.terminated > 1, "terminated holds a value that is neither 0 nor 1");
  refuse_any(batch.steps < 0, "steps holds a value below 0");
  for (at::Tensor* tensor : {&batch.images, &batch.next_images, &batch.states, &batch.next_states,
                             &batch.noise, &batch.rewards, &batch.steps, &batch.terminated,
                             &result.noise.eps_next, &result.noise.eps_pi}) {
    if (tensor->defined()) *tensor = tensor->to(device);
  }
  return result;
}

}  // namespace dsrl
