#pragma once

#include <memory>
#include <string>
#include <vector>

#include "libero/painter.h"
#include "libero/simulation.h"
#include "threads/thread_pool.h"

namespace dsrl::libero {

/// All environments of one plugin call: they are stepped by a pool of threads, and what they do
/// does not depend on how many threads there are.
class World {
 public:
  World(const DsrlLiberoScene& scene, const DsrlLiberoOptions& options);
  ~World();

  DsrlLiberoSizes sizes() const;
  void restore(int32_t env, const double* init, const double* fixtures);
  void step_chunk(const double* actions, int32_t chunk, const int32_t* limit, uint8_t* success,
                  int32_t* executed, int32_t* failure);
  void observe(double* states) const;
  void draw(uint8_t* const* pictures);
  void film(uint8_t* const* frames);
  const char* renderer() const { return renderer_.c_str(); }
  void save(int32_t env, double* saved) const;
  void load(int32_t env, const double* saved);

 private:
  size_t index(int32_t env) const;

  Scene scene_;
  std::vector<std::unique_ptr<Simulation>> simulations_;
  Painter painter_;
  std::string renderer_;
  ThreadPool threads_;  // last: its threads use what stands above
};

}  // namespace dsrl::libero
