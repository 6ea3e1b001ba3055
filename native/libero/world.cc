#include "libero/world.h"

#include <algorithm>

namespace dsrl::libero {

World::World(const DsrlLiberoScene& scene, const DsrlLiberoOptions& options)
    : scene_(scene),
      painter_(scene_, scene, options),
      threads_(static_cast<size_t>(options.threads)) {
  for (int32_t env = 0; env < options.num_envs; ++env) {
    simulations_.push_back(std::make_unique<Simulation>(scene_));
  }
}

World::~World() {
  painter_.close(threads_);
}

size_t World::index(int32_t env) const {
  if (env < 0 || static_cast<size_t>(env) >= simulations_.size()) {
    throw Error("ERR_DSRL_ENV_INPUT", "libero: no environment " + std::to_string(env));
  }
  return static_cast<size_t>(env);
}

DsrlLiberoSizes World::sizes() const {
  return {static_cast<size_t>(scene_.model->nq), static_cast<size_t>(scene_.model->nv),
          simulations_.front()->saved_size()};
}

void World::restore(int32_t env, const double* init, const double* fixtures) {
  painter_.has_moved(index(env));
  simulations_[index(env)]->restore(init, fixtures);
}

void World::step_chunk(const double* actions, int32_t chunk, const int32_t* limit, uint8_t* success,
                       int32_t* executed, int32_t* failure) {
  const auto steps = static_cast<size_t>(chunk);
  std::fill_n(success, simulations_.size() * steps, uint8_t{0});
  threads_.run(simulations_.size(), [&](size_t env, size_t) {
    Simulation& simulation = *simulations_[env];
    const double* action = actions + env * steps * DSRL_LIBERO_ACTION;
    executed[env] = 0;
    if (limit[env] > 0) painter_.has_moved(env);
    for (int32_t step = 0; step < limit[env] && simulation.failure() == DSRL_LIBERO_RUNNING;
         ++step, action += DSRL_LIBERO_ACTION) {
      const bool reached = simulation.step(action);
      ++executed[env];
      if (!reached) continue;
      success[env * steps + static_cast<size_t>(step)] = 1;
      break;
    }
    failure[env] = simulation.failure();
  });
}

void World::observe(double* states) const {
  for (const auto& simulation : simulations_) {
    states = std::copy(simulation->state().begin(), simulation->state().end(), states);
  }
}

void World::draw(uint8_t* const* pictures) {
  painter_.draw(threads_, simulations_, pictures);
  renderer_ = painter_.description();
}

void World::film(uint8_t* const* frames) {
  painter_.film(threads_, simulations_, frames);
  renderer_ = painter_.description();
}

void World::save(int32_t env, double* saved) const {
  simulations_[index(env)]->save({saved, sizes().saved});
}

void World::load(int32_t env, const double* saved) {
  painter_.has_moved(index(env));
  simulations_[index(env)]->load({saved, sizes().saved});
}

}  // namespace dsrl::libero
