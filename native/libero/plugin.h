#pragma once

// The border between LIBERO's environments and the core: a C ABI without torch, Node or MuJoCo in
// it, so that one binary serves every torch and a plugin exists for each MuJoCo.
//
// Every struct begins with its own size, as the side that made it knows it; DSRL_LIBERO_ABI counts
// the changes that this does not show. No exception crosses: a call that fails returns nonzero and
// fills its DsrlLiberoError. A world belongs to one thread at a time.

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define DSRL_LIBERO_ABI 2

enum {
  DSRL_LIBERO_ARM = 7,        // joints of the arm, each with its motor
  DSRL_LIBERO_FINGERS = 2,    // joints of the gripper
  DSRL_LIBERO_POSE = 6,       // position and rotation, as the controller takes them
  DSRL_LIBERO_ACTION = 7,     // position 3, rotation 3, gripper 1
  DSRL_LIBERO_STATE = 8,      // gripper position 3, axis-angle 3, finger positions 2
  DSRL_LIBERO_FIXTURES = 2,   // cabinet, stove
  DSRL_LIBERO_PLACEMENT = 7,  // position 3, quaternion wxyz 4
};

/// failure[e] of a chunk.
enum {
  DSRL_LIBERO_RUNNING = 0,
  DSRL_LIBERO_BROKEN = 1,  // MuJoCo warned of numbers that it cannot go on from, or gave up
};

/// Which library draws.
enum { DSRL_LIBERO_GL_AUTO = 0, DSRL_LIBERO_GL_EGL = 1, DSRL_LIBERO_GL_OSMESA = 2 };

typedef struct DsrlLiberoError {
  char code[64];  // ERR_DSRL_*
  char message[2048];
} DsrlLiberoError;

/// An object of the goal: its root body and the geoms that count as touching it.
typedef struct DsrlLiberoObject {
  const char* body;
  const char* const* geoms;
  size_t num_geoms;
} DsrlLiberoObject;

/// What bundle.json says of the model, all by name: ids move between versions of MuJoCo.
typedef struct DsrlLiberoScene {
  size_t size;
  const char* library;    // libmujoco.so.3.3.2
  const char* xml;        // the scene, its assets beside it
  const char* cache;      // where its compiled form is kept; empty: nowhere
  const char* drawn_xml;  // the scene that is drawn (env.*.lod); empty: the same
  const char* drawn_cache;
  const char* arm_joints[DSRL_LIBERO_ARM];
  const char* arm_actuators[DSRL_LIBERO_ARM];
  const char* gripper_joints[DSRL_LIBERO_FINGERS];
  const char* gripper_actuators[DSRL_LIBERO_FINGERS];
  const char* grip_site;
  const char* hand_body;
  DsrlLiberoObject target;
  DsrlLiberoObject goal;
  const char* fixtures[DSRL_LIBERO_FIXTURES];  // root bodies
  const char* burner_joint;  // the stove's knob; from burner_visible_from on the plate glows
  const char* burner_site;
  double burner_visible_from;
  double init_qpos[DSRL_LIBERO_ARM];
  double init_gripper_qpos[DSRL_LIBERO_FINGERS];
  double input_min[DSRL_LIBERO_POSE];
  double input_max[DSRL_LIBERO_POSE];
  double output_min[DSRL_LIBERO_POSE];
  double output_max[DSRL_LIBERO_POSE];
  double kp[DSRL_LIBERO_POSE];
  double kd[DSRL_LIBERO_POSE];
  double nullspace_stiffness;
  double gripper_speed;
  double gripper_signs[DSRL_LIBERO_FINGERS];
  double control_freq;  // Hz
  int32_t substeps;     // of physics in a step
} DsrlLiberoScene;

typedef struct DsrlLiberoOptions {
  size_t size;
  int32_t num_envs;
  int32_t threads;
  int32_t gl;
  int32_t msaa;        // samples a pixel; 0: none, 4: the benchmark's
  int32_t image_size;  // side of the square pictures
  size_t num_cameras;
  const char* const* cameras;
  const char* film_camera;  // whose pictures `film` draws
  int32_t film_size;        // side of these; 0: nothing is filmed
} DsrlLiberoOptions;

typedef struct DsrlLiberoSizes {
  size_t qpos;
  size_t qvel;
  size_t saved;  // numbers of one environment's saved state
} DsrlLiberoSizes;

typedef struct DsrlLiberoWorld DsrlLiberoWorld;

typedef struct DsrlLiberoPlugin {
  size_t size;
  int32_t abi;
  const char* mujoco;  // the version whose headers it was compiled with; only that one is opened

  int (*open)(const DsrlLiberoScene*, const DsrlLiberoOptions*, DsrlLiberoWorld**,
              DsrlLiberoError*);
  void (*close)(DsrlLiberoWorld*);
  DsrlLiberoSizes (*sizes)(const DsrlLiberoWorld*);

  /// init: [time, qpos, qvel]; fixtures: [2, 7], of cabinet and stove.
  int (*restore)(DsrlLiberoWorld*, int32_t env, const double* init, const double* fixtures,
                 DsrlLiberoError*);
  /// actions [B, chunk, 7], finite; limit [B] in [0, chunk]; success [B, chunk], executed [B] and
  /// failure [B] are written. An environment stops after success; a failed one stands still until
  /// it is restored.
  int (*step_chunk)(DsrlLiberoWorld*, const double* actions, int32_t chunk, const int32_t* limit,
                    uint8_t* success, int32_t* executed, int32_t* failure, DsrlLiberoError*);
  /// states [B, 8] as the agent sees them.
  int (*observe)(DsrlLiberoWorld*, double* states, DsrlLiberoError*);
  /// pictures: for each camera [B, S, S, 3], upright.
  int (*draw)(DsrlLiberoWorld*, uint8_t* const* pictures, DsrlLiberoError*);

  /// frames [B]: where an environment's picture goes, [film_size, film_size, 3], upright; null: it
  /// is not drawn. `draw` does not notice.
  int (*film)(DsrlLiberoWorld*, uint8_t* const* frames, DsrlLiberoError*);

  /// saved begins with [time, qpos, qvel].
  int (*save)(DsrlLiberoWorld*, int32_t env, double* saved, DsrlLiberoError*);
  int (*load)(DsrlLiberoWorld*, int32_t env, const double* saved, DsrlLiberoError*);
  /// How the pictures are drawn, for instance "EGL: llvmpipe (...)"; empty before the first.
  const char* (*renderer)(const DsrlLiberoWorld*);
} DsrlLiberoPlugin;

/// The one symbol that the shared library exports.
const DsrlLiberoPlugin* dsrl_libero_plugin(void);

#ifdef __cplusplus
}
#endif
