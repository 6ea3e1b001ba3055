// Stands for a libmujoco.so that says of itself what VERSION says, and has nothing else.

const char* mj_versionString(void) {
  return VERSION;
}
