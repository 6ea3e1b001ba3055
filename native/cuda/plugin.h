#pragma once

// The border between the core and its CUDA kernels: a C ABI without torch or CUDA in it, so that
// the core is linked with libtorch_cpu and libc10 alone and runs where there is no libtorch_cuda.
//
// The struct begins with its own size, as the side that made it knows it; DSRL_CUDA_ABI counts the
// changes that this does not show. No exception crosses: a call that fails returns nonzero and
// fills its DsrlCudaError. Pointers are to memory of the GPU `device`; the work is put on torch's
// current stream of that GPU, as torch's own operators are, and a call returns before it is done.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DSRL_CUDA_ABI 1

typedef struct DsrlCudaError {
  char code[64];  // ERR_DSRL_CUDA_*
  char message[1024];
} DsrlCudaError;

/// Which draw of which random stream (core/random/philox.h).
typedef struct DsrlCudaDraw {
  uint32_t key[2];     // the seed, low half first
  uint32_t name;       // CRC-32C of the stream's name
  uint32_t step;       // counts of the counter's third word
  uint32_t first_env;  // row e is the draw of first_env + e
} DsrlCudaDraw;

typedef struct DsrlCudaPlugin {
  size_t size;
  int32_t abi;
  const char* torch;  // the version whose headers it was compiled with, for instance "2.14.1"
  const char* cuda;   // likewise, for instance "13.0"

  /// Whether the kernels run on this GPU: there is one of this number, and code for it.
  int (*check)(int32_t device, DsrlCudaError*);
  /// Standard normals: out float32 [rows, columns], contiguous; both in [0, 2^31].
  int (*normal)(const DsrlCudaDraw*, int64_t rows, int64_t columns, float* out, int32_t device,
                DsrlCudaError*);
  /// Integers in [0, bound) of the row `first_env`: out int64 [count]; bound in [1, 2^31].
  int (*below)(const DsrlCudaDraw*, int64_t count, int64_t bound, int64_t* out, int32_t device,
               DsrlCudaError*);
  /// bytes uint8 [count] to float32 [count] in [-1, 1]: x / 255 * 2 - 1; count in [0, 2^40].
  int (*normalize)(const uint8_t* bytes, int64_t count, float* out, int32_t device, DsrlCudaError*);
} DsrlCudaPlugin;

/// The one symbol that the shared library exports.
const DsrlCudaPlugin* dsrl_cuda_plugin(void);

#ifdef __cplusplus
}
#endif
