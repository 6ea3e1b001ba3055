// The CUDA kernels' numerics, on the CPU: what a thread of a GPU does is a function that a loop
// here calls for every thread, behind the table through which the core calls a plugin. Compared bit
// for bit with the plain versions, which stay what a device without the plugin runs.

#include <ATen/ATen.h>
#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <limits>

#include "core/device/cuda_plugin.h"
#include "core/nn/networks.h"
#include "core/random/tensor_random.h"
#include "cuda/draws.h"
#include "cuda/frames.h"
#include "random_draws.h"
#include "support.h"

namespace dsrl {
namespace {

// A plugin whose GPU is the host. The last thread runs first: none may lean on another.
namespace host {

int check(int32_t, DsrlCudaError*) {
  return 0;
}

int normal(const DsrlCudaDraw* draw, int64_t rows, int64_t columns, float* out, int32_t,
           DsrlCudaError*) {
  for (int64_t i = rows * cuda::blocks_of(columns); i-- > 0;) {
    cuda::draw_normals(*draw, i, columns, out);
  }
  return 0;
}

int below(const DsrlCudaDraw* draw, int64_t count, int64_t bound, int64_t* out, int32_t,
          DsrlCudaError*) {
  for (int64_t i = cuda::blocks_of(count); i-- > 0;) cuda::draw_below(*draw, i, count, bound, out);
  return 0;
}

int normalize(const uint8_t* bytes, int64_t count, float* out, int32_t, DsrlCudaError*) {
  for (int64_t i = count; i-- > 0;) out[i] = cuda::normalized(bytes[i]);
  return 0;
}

}  // namespace host

const DsrlCudaPlugin kHost{
    sizeof(DsrlCudaPlugin), DSRL_CUDA_ABI, "host",         "0.0", host::check,
    host::normal,           host::below,   host::normalize};

TEST(CudaKernels, BlocksAreTheWordsOfTensorOperations) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "learner.eps_pi");
    const DsrlCudaDraw drawn{{stream.key()[0], stream.key()[1]},
                             stream.name_hash(),
                             static_cast<uint32_t>(draw.step),
                             0};
    const at::Tensor words =
        detail::philox_words(stream, draw.step, 4, 12, at::kCPU, draw.first_env);
    for (int64_t row = 0; row < 4; ++row) {
      for (int64_t column = 0; column < 12; ++column) {
        const auto block = cuda::philox_block(drawn, static_cast<uint32_t>(column / 4),
                                              static_cast<uint32_t>(draw.first_env + row));
        ASSERT_EQ(words[row][column].item<int64_t>(), block.words[column % 4]);
      }
    }
  }
}

TEST(CudaKernels, NormalsAreTheHostsBitForBit) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "learner.eps_next");
    for (const int64_t rows : {0, 1, 5}) {
      for (const int64_t columns : {1, 2, 3, 4, 31, 32, 33}) {
        const at::Tensor plain =
            random_normal(stream, draw.step, rows, columns, at::kCPU, draw.first_env);
        const at::Tensor drawn =
            detail::normal_by(kHost, stream, draw.step, rows, columns, at::kCPU, draw.first_env);
        EXPECT_TRUE(drawn.equal(plain)) << rows << " rows of " << columns;
      }
    }
  }
}

TEST(CudaKernels, IntegersAreTheHosts) {
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "replay.sample");
    for (const int64_t bound : {int64_t{1}, int64_t{7}, int64_t{200'000}, int64_t{1} << 31}) {
      for (const int64_t count : {0, 1, 3, 4, 513}) {
        const at::Tensor plain = random_below(stream, draw.step, count, bound, at::kCPU);
        EXPECT_TRUE(
            detail::below_by(kHost, stream, draw.step, count, bound, at::kCPU).equal(plain));
      }
    }
  }
}

// Every byte, at every place of a picture, and as the convolutions find it in memory.
TEST(CudaKernels, FramesAreThePlainVersionsBitForBit) {
  const at::Tensor frames =
      at::arange(2 * 16 * 16 * 3, at::kLong).remainder(256).to(at::kByte).reshape({2, 16, 16, 3});
  for (const at::Tensor& pictures : {frames, frames.narrow(0, 1, 1), frames.transpose(1, 2)}) {
    const at::Tensor found = detail::normalize_by(kHost, pictures);
    EXPECT_TRUE(found.equal(normalize_frames(pictures)));
    EXPECT_TRUE(found.is_contiguous(at::MemoryFormat::ChannelsLast));
  }
  EXPECT_EQ(detail::normalize_by(kHost, frames).strides(), normalize_frames(frames).strides());
}

TEST(CudaKernels, WriteNothingBesideTheirRows) {
  const RandomStream stream(3, "test");
  const DsrlCudaDraw draw{{stream.key()[0], stream.key()[1]}, stream.name_hash(), 1, 0};
  std::vector<float> floats(3 * 5 + 2, 77);
  host::normal(&draw, 3, 5, floats.data() + 1, 0, nullptr);
  EXPECT_EQ(floats.front(), 77);
  EXPECT_EQ(floats.back(), 77);
  std::vector<int64_t> integers(7 + 2, -77);
  host::below(&draw, 7, 10, integers.data() + 1, 0, nullptr);
  EXPECT_EQ(integers.front(), -77);
  EXPECT_EQ(integers.back(), -77);
}

// Run by scripts/check-cuda.mjs where there is a GPU, alone in a process: libtorch_cuda has to be
// opened before the first call into torch. Only log, sin and cos may round otherwise there.
TEST(CudaKernels, DISABLED_OnAGpuTheyComputeWhatTheHostDoes) {
  ASSERT_NE(dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_LOCAL), nullptr) << dlerror();
  const char* file = std::getenv("DSRL_TEST_CUDA_PLUGIN");
  ASSERT_NE(file, nullptr);
  const at::Device gpu(at::kCUDA, 0);
  open_cuda_plugin(file, gpu);
  ASSERT_NE(cuda_plugin(gpu), nullptr);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Draw& draw : kDraws) {
    const RandomStream stream(draw.seed, "learner.eps_pi");
    for (const int64_t columns : {1, 32, 33}) {
      const auto normals = [&](at::Device device) {
        return random_normal(stream, draw.step, 5, columns, device, draw.first_env);
      };
      const at::Tensor host = normals(at::kCPU), drawn = normals(gpu).to(at::kCPU);
      EXPECT_TRUE(drawn.le(at::nextafter(host, at::full_like(host, infinity))).all().item<bool>());
      EXPECT_TRUE(drawn.ge(at::nextafter(host, at::full_like(host, -infinity))).all().item<bool>());
      const at::Tensor rows = random_below(stream, draw.step, 100 * columns, 200'000, gpu);
      EXPECT_TRUE(rows.to(at::kCPU).equal(
          random_below(stream, draw.step, 100 * columns, 200'000, at::kCPU)));
    }
  }
  const at::Tensor frames =
      at::arange(2 * 64 * 64 * 3, at::kLong).remainder(256).to(at::kByte).reshape({2, 64, 64, 3});
  EXPECT_TRUE(normalize_frames(frames.to(gpu)).to(at::kCPU).equal(normalize_frames(frames)));
}

TEST(CudaPlugin, WhatItReportsIsThrown) {
  DsrlCudaPlugin broken = kHost;
  broken.normal = [](const DsrlCudaDraw*, int64_t, int64_t, float*, int32_t, DsrlCudaError* error) {
    std::snprintf(error->code, sizeof error->code, "ERR_DSRL_CUDA_KERNEL");
    std::snprintf(error->message, sizeof error->message, "out of patience");
    return 1;
  };
  EXPECT_EQ(test::refusal(
                [&] { detail::normal_by(broken, RandomStream(1, "test"), 0, 2, 2, at::kCPU, 0); }),
            "ERR_DSRL_CUDA_KERNEL: out of patience");
}

TEST(CudaPlugin, AFileThatIsNotThereIsRefusedAndNothingIsOpened) {
  EXPECT_EQ(test::refusal([] { open_cuda_plugin("/nowhere/libdsrl_cuda.so", at::kCUDA); }),
            "ERR_DSRL_CUDA_PLUGIN: there is no /nowhere/libdsrl_cuda.so");
  EXPECT_EQ(cuda_plugin(at::kCUDA), nullptr);
}

}  // namespace
}  // namespace dsrl
