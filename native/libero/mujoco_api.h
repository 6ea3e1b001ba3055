#pragma once

#include <mujoco/mujoco.h>

#include <csetjmp>
#include <memory>
#include <string>

#include "libero/error.h"

// The functions of MuJoCo that are used; all of them are found when the library is opened.
#define DSRL_MUJOCO_FUNCTIONS(X) \
  X(mj_version)                  \
  X(mj_versionString)            \
  X(mj_loadXML)                  \
  X(mj_loadModel)                \
  X(mj_saveModel)                \
  X(mj_deleteModel)              \
  X(mj_makeData)                 \
  X(mj_resetData)                \
  X(mj_deleteData)               \
  X(mj_name2id)                  \
  X(mj_stateSize)                \
  X(mj_getState)                 \
  X(mj_setState)                 \
  X(mj_forward)                  \
  X(mj_step1)                    \
  X(mj_step2)                    \
  X(mj_fwdActuation)             \
  X(mj_fwdAcceleration)          \
  X(mj_fwdConstraint)            \
  X(mj_kinematics)               \
  X(mj_comPos)                   \
  X(mj_camlight)                 \
  X(mj_jacSite)                  \
  X(mj_fullM)                    \
  X(mjv_defaultCamera)           \
  X(mjv_defaultOption)           \
  X(mjv_defaultScene)            \
  X(mjv_makeScene)               \
  X(mjv_freeScene)               \
  X(mjv_updateScene)             \
  X(mjr_defaultContext)          \
  X(mjr_makeContext)             \
  X(mjr_freeContext)             \
  X(mjr_setBuffer)               \
  X(mjr_render)                  \
  X(mjr_readPixels)

namespace dsrl::libero {

/// MuJoCo, opened at run time and never closed. Nothing is linked against it.
///
/// The layouts of its structs change from one patch release to the next (3.3.1 and 3.3.2 differ),
/// so that only the version is opened whose headers this file was compiled with.
struct Mujoco {
#define DSRL_MUJOCO_MEMBER(name) decltype(&::name) name = nullptr;
  DSRL_MUJOCO_FUNCTIONS(DSRL_MUJOCO_MEMBER)
#undef DSRL_MUJOCO_MEMBER

  /// Throws ERR_DSRL_LIBERO_MUJOCO.
  static Mujoco open(const std::string& library);

  struct DeleteModel {
    const Mujoco* mujoco;
    void operator()(mjModel* model) const { mujoco->mj_deleteModel(model); }
  };
  struct DeleteData {
    const Mujoco* mujoco;
    void operator()(mjData* data) const;
  };
  using Model = std::unique_ptr<mjModel, DeleteModel>;
  using Data = std::unique_ptr<mjData, DeleteData>;

  Model own(mjModel* model) const { return Model(model, DeleteModel{this}); }
  Data make_data(const mjModel* model) const;
};

/// "3.3.2", of the headers.
const char* compiled_mujoco();

/// What MuJoCo's error handler has caught in this thread.
struct MujocoFailure : Error {
  explicit MujocoFailure(const std::string& message) : Error("ERR_DSRL_LIBERO_MUJOCO", message) {}
};

/// MuJoCo's own answer to an error is to end the process. Inside `intercept` it jumps back here
/// instead, past every frame of `call`: these must hold nothing that has a destructor.
struct Interception {
  std::jmp_buf back;
  char message[1024];
};
extern thread_local Interception* current_interception;

template <typename Call>
void intercept(Call call) {
  Interception here;
  Interception* const outer = current_interception;
  if (setjmp(here.back) == 0) {
    current_interception = &here;
    call();
    current_interception = outer;
    return;
  }
  current_interception = outer;
  throw MujocoFailure(here.message);
}

}  // namespace dsrl::libero
