#pragma once

// Functions that a kernel calls and that ctest runs on the CPU, where they can be compared.
#ifdef __CUDACC__
#define DSRL_HOST_DEVICE __host__ __device__
#else
#define DSRL_HOST_DEVICE
#endif
